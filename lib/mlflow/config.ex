defmodule MLflow.Config do
  alias MLflow.Config.{Check, Settings}

  @moduledoc """
  One validated configuration per instance, made once and handed to every part of it.

  Settings come from, in this order: the options of `MLflow.start_link/1` or the child spec, the
  application environment (`config :mlflow_sync, tracking_uri: …`), environment variables, and the
  defaults. The middle two count for the default instance only: a further instance, another
  tenant, must not pick up credentials that were meant for somebody else's server. Say
  `environment: true` if it should.

  #{Settings.markdown()}
  A setting that is `nil` counts as not given. A mistaken one raises an `ArgumentError` that names the
  nearest right one:

      iex> MLflow.Config.new(tracking_url: "http://localhost:5000")
      ** (ArgumentError) unknown setting :tracking_url for MLflow; did you mean :tracking_uri?

  `inspect/1` shows no secret.
  """

  @type t :: %__MODULE__{}

  # An actor among the store's options is the host's, and may hold anything.
  @derive {Inspect, except: [:password, :token, :http_proxy, :https_proxy, :store_options]}
  defstruct [:name, :store_options, :queue_options | Settings.keys()]

  @doc """
  Validates options into a configuration; raises `ArgumentError` with what to do.

      iex> MLflow.Config.new(tracking_uri: "https://mlflow.example.com").request_timeout
      30000
  """
  @spec new(keyword) :: t
  def new(options \\ []) do
    {name, options} = Keyword.pop(options, :name, MLflow)
    {environment?, options} = Keyword.pop(options, :environment, name == MLflow)
    is_atom(name) || raise ArgumentError, ":name must be an atom, got #{inspect(name)}"

    given =
      Settings.from_environment(environment?)
      |> Keyword.merge(application_environment(environment?))
      |> Keyword.merge(options)
      |> Enum.reject(fn {_key, value} -> value == nil end)

    Check.check!(given, Settings.types(), "MLflow")

    Settings.defaults()
    |> Map.merge(Map.new(given))
    |> take_credentials_out_of_uri()
    |> check_credentials!()
    |> Map.put(:name, name)
    |> Map.update!(:policy, &MLflow.Policy.complete/1)
    |> default_outbox()
    |> split_plugin(:store, :store_options)
    |> split_plugin(:queue, :queue_options)
    |> then(&struct!(__MODULE__, &1))
  end

  @doc """
  The tag by which a trial's run is found again.

      iex> MLflow.Config.trial_tag(MLflow.Config.new())
      "thunderline_trial_id"
  """
  @spec trial_tag(t) :: String.t()
  def trial_tag(%__MODULE__{tag_prefix: prefix}), do: prefix <> "_trial_id"

  @doc "The tag that names the model run a trial belongs to."
  @spec model_run_tag(t) :: String.t()
  def model_run_tag(%__MODULE__{tag_prefix: prefix}), do: prefix <> "_model_run_id"

  @doc false
  # What the engine's client is made from.
  def engine_options(%__MODULE__{} = config) do
    config
    |> Map.take(~w(tracking_uri workspace insecure_tls http_proxy https_proxy no_proxy
                   gce_metadata_host request_timeout total_timeout max_retries backoff_base
                   server rate_limit)a)
    |> Map.merge(%{
      auth: engine_auth(config),
      ca_cert: config.server_cert_path,
      client_cert: config.client_cert_path,
      backoff_factor: config.backoff_factor * 1.0
    })
  end

  defp engine_auth(%{auth: :none}), do: :none
  defp engine_auth(%{auth: :google_identity, audience: aud}), do: {:google_identity, aud}
  defp engine_auth(%{username: user, password: pass}) when user != nil, do: {:basic, user, pass}
  defp engine_auth(%{token: token}) when is_binary(token), do: {:bearer, token}
  defp engine_auth(_), do: :none

  # `:default_instance` says whether there is one at all, and is no setting of it.
  defp application_environment(false), do: []

  defp application_environment(true),
    do: :mlflow_sync |> Application.get_all_env() |> Keyword.delete(:default_instance)

  defp default_outbox(%{outbox: nil, database: database} = settings),
    do: %{settings | outbox: database <> ".outbox"}

  defp default_outbox(settings), do: settings

  # Each part finds the module and its options where it looks for them.
  defp split_plugin(settings, key, options_key) do
    {module, options} = with module when is_atom(module) <- settings[key], do: {module, []}
    Map.merge(settings, %{key => module, options_key => options})
  end

  # A password in the address would show wherever the address does.
  defp take_credentials_out_of_uri(settings) do
    case URI.parse(settings.tracking_uri) do
      %URI{userinfo: nil} ->
        settings

      %URI{userinfo: userinfo} = uri ->
        [username | password] = String.split(userinfo, ":", parts: 2)
        password = password |> List.first("") |> URI.decode()

        %{settings | tracking_uri: URI.to_string(%{uri | userinfo: nil, authority: nil})}
        |> Map.merge(%{username: URI.decode(username), password: password})
    end
  end

  defp check_credentials!(%{username: nil, password: password}) when password != nil do
    raise ArgumentError, "setting :password is given without :username; give both or neither"
  end

  defp check_credentials!(%{username: username, password: nil} = settings) when username != nil,
    do: %{settings | password: ""}

  defp check_credentials!(settings), do: settings
end
