defmodule MLflow.RunLogger.Identity do
  @moduledoc false
  # What a logger logs for, as it is kept with its log: all that is needed to find or create the
  # run, by whoever delivers it.

  alias MLflow.{Error, Instance, Metric, Value}

  @own [:id, :run_name, :experiment, :params, :tags, :on_exit]
  @options [:name, :as, :trial, :run_id] ++ @own

  @type t :: %{String.t() => term}

  @doc "Raises for options that do not exist or do not go together."
  @spec check_options!(keyword) :: :ok
  def check_options!(opts) do
    for {key, _} <- opts, key not in @options, do: raise(ArgumentError, unknown(key))

    case {opts[:trial], opts[:run_id]} do
      {nil, nil} -> check_own!(opts)
      {trial, nil} -> check_other!(trial, :trial, opts)
      {nil, run_id} -> check_other!(run_id, :run_id, opts)
      _ -> raise ArgumentError, "give trial: or run_id:, not both"
    end
  end

  defp unknown(key) do
    nearest = Enum.max_by(@options, &String.jaro_distance("#{&1}", "#{key}"))
    "unknown option #{inspect(key)} for a logger; did you mean #{inspect(nearest)}?"
  end

  defp check_own!(opts) do
    opts[:on_exit] in [nil, :auto, :leave] ||
      raise ArgumentError, ":on_exit is :auto or :leave, got #{inspect(opts[:on_exit])}"

    check_id!(opts[:id])
    Enum.each(texts(opts), &check_text!/1)
  end

  # What is not UTF-8 can be neither kept nor sent.
  defp texts(opts) do
    pairs = for option <- [:params, :tags], pair <- Value.pairs(opts[option] || []), do: pair
    names = for option <- [:run_name, :experiment], opts[option] != nil, do: opts[option]
    Enum.flat_map(pairs, &Tuple.to_list/1) ++ Enum.map(names, &Value.text/1)
  end

  defp check_text!(text) do
    String.valid?(text) || raise ArgumentError, "#{inspect(text)} is not valid UTF-8"
  end

  # It becomes the value of our tag, and is searched for.
  defp check_id!(nil), do: :ok

  defp check_id!(id) do
    (is_binary(id) and id != "" and String.valid?(id) and String.length(id) <= 250 and
       not (id =~ "'" and id =~ "\"")) ||
      raise ArgumentError,
            ":id must be a text of at most 250 characters, without both kinds of quotes, " <>
              "got #{inspect(id)}"

    :ok
  end

  defp check_other!(id, kind, opts) do
    is_binary(id) || raise ArgumentError, "#{inspect(kind)} must be a string, got #{inspect(id)}"

    for key <- @own, opts[key] != nil do
      raise ArgumentError,
            "#{inspect(key)} is for a run of the logger's own, and #{inspect(kind)} names one that " <>
              "exists: use log_params/2 and set_tags/2 to add to it"
    end

    :ok
  end

  @doc "Raises where a status does not belong to the logger."
  @spec check_status!(t, atom | nil) :: :ok
  def check_status!(%{"kind" => "trial"}, status) when status != nil do
    raise ArgumentError,
          "the status of a trial's run is the trial's: set it with MLflow.Trials.update/3, and " <>
            "close the logger without :status"
  end

  def check_status!(_identity, _status), do: :ok

  @doc "The identity of a new logger."
  @spec new(Instance.t(), keyword) :: {:ok, t} | {:error, Error.t()}
  def new(instance, opts) do
    cond do
      opts[:trial] -> of_trial(instance, opts[:trial])
      opts[:run_id] -> of_run(opts[:run_id])
      true -> own(instance, opts)
    end
  end

  @doc "What tells the log of one logger from the others'."
  @spec key(t) :: String.t()
  def key(%{"kind" => kind, "id" => id}), do: kind <> ":" <> id

  defp of_trial(instance, id) do
    with {:ok, trial} <- instance.config.store.fetch_trial(instance, id),
         do: {:ok, %{"kind" => "trial", "id" => trial.id}}
  end

  defp of_run(run_id) do
    if run_id =~ ~r/\A[0-9a-fA-F]{32}\z/ do
      {:ok, %{"kind" => "run", "id" => run_id}}
    else
      message = "run_id is 32 hex digits, not #{inspect(run_id)}"
      {:error, Error.new(:invalid, "logger", message)}
    end
  end

  defp own(instance, opts) do
    with :ok <- check_no_trial(instance, opts[:id]) do
      {:ok,
       %{
         "kind" => "own",
         "id" => opts[:id] || uuid(),
         "resumable" => opts[:id] != nil,
         "on_exit" => Atom.to_string(opts[:on_exit] || :auto),
         "run_name" => opts[:run_name] && Value.text(opts[:run_name]),
         "experiment" => opts[:experiment] && to_string(opts[:experiment]),
         "start_time" => Metric.now(),
         "tags" => Map.new(Value.pairs(opts[:tags] || []))
       }}
    end
  end

  # Its run would carry the same tag as the logger's own, and each could be taken for the other.
  defp check_no_trial(_instance, nil), do: :ok

  defp check_no_trial(instance, id) do
    case instance.config.store.fetch_trial(instance, id) do
      {:error, %Error{kind: :not_found}} ->
        :ok

      {:ok, _trial} ->
        message = "#{inspect(id)} is a trial: log to its run with trial:, or choose another id:"
        {:error, Error.new(:already_exists, "logger", message)}

      error ->
        error
    end
  end

  # Version 7: the time first, so that they sort by it.
  defp uuid do
    <<random_a::12, random_b::62, _::6>> = :rand.bytes(10)

    <<a::binary-8, b::binary-4, c::binary-4, d::binary-4, e::binary-12>> =
      Base.encode16(<<Metric.now()::48, 7::4, random_a::12, 2::2, random_b::62>>, case: :lower)

    Enum.join([a, b, c, d, e], "-")
  end
end
