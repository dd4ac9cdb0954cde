if Code.ensure_loaded?(Oban) do
  defmodule MLflow.Queue.Oban.Options do
    @moduledoc false
    # What a host says of its Oban: `queue: {MLflow.Queue.Oban, oban: MyApp.Oban, queue: :mlflow}`.

    @known [:oban, :queue, :worker]
    @enforce_keys @known
    defstruct @known

    @type t :: %__MODULE__{oban: term, queue: atom | String.t() | nil, worker: module}

    @doc "The options with their defaults; raises `ArgumentError` for those that make no sense."
    @spec new!(keyword) :: t
    def new!(options) do
      Enum.each(options, &validate!/1)

      %__MODULE__{
        oban: Keyword.get(options, :oban, Oban),
        queue: options[:queue],
        worker: Keyword.get(options, :worker, MLflow.SyncWorker)
      }
    end

    defp validate!({:oban, name}) when name != nil, do: :ok
    defp validate!({:queue, name}) when is_binary(name) and name != "", do: :ok
    defp validate!({:queue, name}) when is_atom(name) and name not in [nil, true, false], do: :ok

    defp validate!({:worker, module}) do
      worker?(module) ||
        raise ArgumentError,
              "option :worker of MLflow.Queue.Oban must be a module with `use MLflow.SyncWorker`, " <>
                "got #{inspect(module)}"
    end

    defp validate!({key, value}) when key in @known do
      expected = if key == :oban, do: "the name of an Oban instance", else: "the name of a queue"

      raise ArgumentError,
            "option #{inspect(key)} of MLflow.Queue.Oban must be #{expected}, got #{inspect(value)}"
    end

    defp validate!({key, _value}) do
      nearest = Enum.max_by(@known, &String.jaro_distance("#{&1}", "#{key}"))

      raise ArgumentError,
            "unknown option #{inspect(key)} for MLflow.Queue.Oban; did you mean #{inspect(nearest)}?"
    end

    defp worker?(module) do
      is_atom(module) and Code.ensure_loaded?(module) and function_exported?(module, :perform, 1) and
        function_exported?(module, :new, 2)
    end
  end
end
