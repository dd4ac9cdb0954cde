defmodule MLflow.Config.Settings do
  @moduledoc false
  # Every setting of an instance in one table: its type, its default, the environment variables
  # that can give it, and what it is for. Validation, the environment and the docs read from here.

  @type type ::
          :string
          | :boolean
          | :uri
          | :plugin
          | :token
          | :name
          | {:integer, minimum :: integer}
          | {:number, minimum :: number}
          | {:one_of, [atom]}
          | :policy

  # {key, type, default, [{environment variable, reader}], what it is}
  @table [
    {:enabled, :boolean, true,
     [{"MLFLOW_ENABLED", :boolean}, {"TL_DISABLE_MLFLOW", :negated_boolean}],
     "the feature flag: a disabled instance sends nothing and answers `:disabled`"},
    {:tracking_uri, :uri, "http://localhost:5000", [{"MLFLOW_TRACKING_URI", :string}],
     "the MLflow server, with a path prefix where it has one"},
    {:username, :string, nil, [{"MLFLOW_TRACKING_USERNAME", :string}], "basic authentication"},
    {:password, :string, nil, [{"MLFLOW_TRACKING_PASSWORD", :string}], "basic authentication"},
    {:token, :token, nil, [{"MLFLOW_TRACKING_TOKEN", :string}],
     "a bearer token, or a function or `{module, function, args}` that returns one before each call"},
    {:auth, {:one_of, [:auto, :google_identity, :none]}, :auto, [],
     "`:google_identity` fetches identity tokens (metadata server, then the gcloud CLI)"},
    {:audience, :string, nil, [], "audience of the identity token; default: the server's origin"},
    {:workspace, :string, nil, [{"MLFLOW_WORKSPACE", :string}], "sent as `X-MLFLOW-WORKSPACE`"},
    {:insecure_tls, :boolean, false, [{"MLFLOW_TRACKING_INSECURE_TLS", :boolean}],
     "accept any certificate"},
    {:server_cert_path, :string, nil, [{"MLFLOW_TRACKING_SERVER_CERT_PATH", :string}],
     "PEM file with the CA to trust"},
    {:client_cert_path, :string, nil, [{"MLFLOW_TRACKING_CLIENT_CERT_PATH", :string}],
     "PEM file with a client certificate and its key"},
    {:http_proxy, :string, nil, [{"HTTP_PROXY", :string}, {"http_proxy", :string}],
     "proxy for http servers"},
    {:https_proxy, :string, nil, [{"HTTPS_PROXY", :string}, {"https_proxy", :string}],
     "proxy for https servers"},
    {:no_proxy, :string, nil, [{"NO_PROXY", :string}, {"no_proxy", :string}],
     "hosts that are reached without the proxy"},
    {:gce_metadata_host, :string, nil, [{"GCE_METADATA_HOST", :string}],
     "where the Google metadata server is"},
    {:request_timeout, {:integer, 1}, 30_000,
     [{"MLFLOW_REQUEST_TIMEOUT", :integer}, {"MLFLOW_HTTP_REQUEST_TIMEOUT", :seconds}],
     "ms for one attempt of a request"},
    {:total_timeout, {:integer, 1}, 120_000, [], "ms for a request with all its retries"},
    {:max_retries, {:integer, 0}, 5, [{"MLFLOW_HTTP_REQUEST_MAX_RETRIES", :integer}],
     "how often a request that may be repeated is repeated"},
    {:backoff_base, {:integer, 1}, 500, [], "ms before the first retry, jittered"},
    {:backoff_factor, {:number, 1}, 2.0, [{"MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", :number}],
     "growth of the delay from retry to retry"},
    {:server, {:one_of, [:auto, :mlflow, :databricks, :azure]}, :auto, [],
     "whose limits to begin with; `:auto` tells by the address"},
    {:rate_limit, {:integer, 0}, 0, [],
     "requests per s that the instance sends at most; 0 for what the server lets through"},
    {:default_experiment, :string, "thunderline-trials",
     [{"MLFLOW_DEFAULT_EXPERIMENT", :string}, {"MLFLOW_EXPERIMENT_NAME", :string}],
     "experiment of trials that name none; found or created once"},
    {:experiment_id, :string, nil, [{"MLFLOW_EXPERIMENT_ID", :string}],
     "the same by id; wins over the name"},
    {:artifact_location, :string, nil, [{"MLFLOW_ARTIFACT_LOCATION", :string}],
     "artifact location of experiments that are created"},
    {:tag_prefix, :string, "thunderline", [],
     "our tags on a run are `<prefix>_trial_id` and `<prefix>_model_run_id`"},
    {:policy, :policy, [], [], "who wins a conflict, per kind of field: see `MLflow.Policy`"},
    {:auto_sync, :boolean, true, [{"MLFLOW_AUTO_SYNC", :boolean}],
     "hooks and the interval queue syncs by themselves"},
    {:sync_interval, {:integer, 0}, 300, [{"MLFLOW_SYNC_INTERVAL", :integer}],
     "s between syncs of unfinished and failed trials; 0 for never"},
    {:fail_silently, :boolean, true, [{"MLFLOW_FAIL_SILENTLY", :boolean}],
     "hooks log errors and answer `:ok`"},
    {:database, :string, "mlflow_sync.db", [{"MLFLOW_SYNC_DATABASE", :string}],
     "the embedded store's file"},
    {:store, :plugin, MLflow.Store.Embedded, [],
     "where trials and run records are kept: a module, or `{module, options}`"},
    {:queue, :plugin, MLflow.Queue.Embedded, [],
     "what runs the jobs: a module, or `{module, options}`"},
    {:concurrency, {:integer, 1}, 4, [{"MLFLOW_SYNC_CONCURRENCY", :integer}],
     "jobs that run at once, and requests in flight within one experiment sync"},
    {:max_attempts, {:integer, 1}, 5, [], "attempts of a job before it is discarded"},
    {:job_retention, {:integer, 1}, 604_800, [], "s that finished jobs are kept"},
    {:history_retention, {:integer, 1}, 2_592_000, [], "s that the sync history is kept"},
    {:outbox, :string, nil, [],
     "folder of what `MLflow.RunLogger` has not delivered yet; default: beside the database"},
    {:outbox_limit, {:integer, 1}, 1_073_741_824, [],
     "bytes that may wait in the outbox before logging answers `:overloaded`"},
    {:flush_interval, {:integer, 1}, 1_000, [],
     "ms between flushes of the outbox to the disk, which a power cut cannot undo"}
  ]

  # Proxies and the metadata host describe the machine, not the account, so they are read from the
  # environment for every instance.
  @machine_wide [:http_proxy, :https_proxy, :no_proxy, :gce_metadata_host]

  def table, do: @table
  def keys, do: Enum.map(@table, &elem(&1, 0))
  def defaults, do: Map.new(@table, fn {key, _, default, _, _} -> {key, default} end)
  def types, do: Enum.map(@table, fn {key, type, _, _, _} -> {key, type} end)

  @doc "What the environment says; `environment: false` leaves only what describes the machine."
  def from_environment(environment?) do
    for {key, type, _, variables, _} <- @table,
        environment? or key in @machine_wide,
        {:ok, value} <- [combine(type, given(variables))],
        do: {key, value}
  end

  # Of several variables the first one given counts; of several switches, each can switch off.
  defp combine(_type, []), do: :none
  defp combine(:boolean, flags), do: {:ok, Enum.all?(flags)}
  defp combine(_type, [first | _]), do: {:ok, first}

  defp given(variables) do
    for {variable, reader} <- variables,
        text = System.get_env(variable),
        text not in [nil, ""],
        do: read(reader, String.trim(text), variable)
  end

  defp read(:string, text, _variable), do: text
  defp read(:boolean, text, variable), do: boolean(text, variable)
  defp read(:negated_boolean, text, variable), do: not boolean(text, variable)

  defp read(:integer, text, variable) do
    case Integer.parse(text) do
      {integer, ""} -> integer
      _ -> raise_unreadable(variable, text, "a whole number")
    end
  end

  defp read(:number, text, variable) do
    case Float.parse(text) do
      {number, ""} -> number
      _ -> raise_unreadable(variable, text, "a number")
    end
  end

  defp read(:seconds, text, variable), do: round(read(:number, text, variable) * 1000)

  defp boolean(text, variable) do
    case String.downcase(text) do
      yes when yes in ~w(1 true yes on) -> true
      no when no in ~w(0 false no off) -> false
      _ -> raise_unreadable(variable, text, "true or false")
    end
  end

  defp raise_unreadable(variable, text, expected) do
    raise ArgumentError, "#{variable} must be #{expected}, got #{inspect(text)}"
  end

  @doc "A table of all settings, for the module documentation."
  def markdown do
    rows =
      for {key, _type, default, variables, text} <- @table do
        names = Enum.map_join(variables, ", ", fn {variable, _} -> "`#{variable}`" end)
        "| `#{key}` | #{names} | `#{inspect(default)}` | #{text} |\n"
      end

    "| setting | environment | default | what it is |\n|---|---|---|---|\n#{rows}"
  end
end
