defmodule MLflow.ConfigEnvironmentTest do
  # The environment is the whole VM's, so this runs alone.
  use ExUnit.Case, async: false

  alias MLflow.Config

  setup do
    variables = for {_, _, _, variables, _} <- Config.Settings.table(), {v, _} <- variables, do: v
    before = Map.new(variables, &{&1, System.get_env(&1)})
    application = Application.get_all_env(:mlflow_sync)
    Enum.each(variables, &System.delete_env/1)

    on_exit(fn ->
      for {variable, value} <- before do
        if value, do: System.put_env(variable, value), else: System.delete_env(variable)
      end

      for {key, _} <- Application.get_all_env(:mlflow_sync),
          do: Application.delete_env(:mlflow_sync, key)

      Application.put_all_env(mlflow_sync: application)
    end)
  end

  @readings [
    {"MLFLOW_ENABLED", "false", :enabled, false},
    {"MLFLOW_ENABLED", "1", :enabled, true},
    {"TL_DISABLE_MLFLOW", "true", :enabled, false},
    {"TL_DISABLE_MLFLOW", "0", :enabled, true},
    {"MLFLOW_TRACKING_URI", "https://mlflow.example.com", :tracking_uri,
     "https://mlflow.example.com"},
    {"MLFLOW_TRACKING_USERNAME", "me", :username, "me"},
    {"MLFLOW_TRACKING_TOKEN", "tk", :token, "tk"},
    {"MLFLOW_TRACKING_INSECURE_TLS", "true", :insecure_tls, true},
    {"MLFLOW_TRACKING_SERVER_CERT_PATH", "/ca.pem", :server_cert_path, "/ca.pem"},
    {"MLFLOW_TRACKING_CLIENT_CERT_PATH", "/me.pem", :client_cert_path, "/me.pem"},
    {"MLFLOW_EXPERIMENT_NAME", "mine", :default_experiment, "mine"},
    {"MLFLOW_EXPERIMENT_ID", "7", :experiment_id, "7"},
    {"MLFLOW_WORKSPACE", "team", :workspace, "team"},
    {"MLFLOW_HTTP_REQUEST_TIMEOUT", "12", :request_timeout, 12_000},
    {"MLFLOW_HTTP_REQUEST_TIMEOUT", "0.5", :request_timeout, 500},
    {"MLFLOW_HTTP_REQUEST_MAX_RETRIES", "7", :max_retries, 7},
    {"MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "3", :backoff_factor, 3.0},
    {"MLFLOW_DEFAULT_EXPERIMENT", "trials", :default_experiment, "trials"},
    {"MLFLOW_ARTIFACT_LOCATION", "s3://bucket", :artifact_location, "s3://bucket"},
    {"MLFLOW_SYNC_INTERVAL", "60", :sync_interval, 60},
    {"MLFLOW_REQUEST_TIMEOUT", "2500", :request_timeout, 2_500},
    {"MLFLOW_AUTO_SYNC", "no", :auto_sync, false},
    {"MLFLOW_FAIL_SILENTLY", "off", :fail_silently, false},
    {"MLFLOW_SYNC_DATABASE", "/data/sync.db", :database, "/data/sync.db"},
    {"MLFLOW_SYNC_CONCURRENCY", "3", :concurrency, 3},
    {"HTTP_PROXY", "http://proxy:1", :http_proxy, "http://proxy:1"},
    {"http_proxy", "http://proxy:2", :http_proxy, "http://proxy:2"},
    {"HTTPS_PROXY", "http://proxy:3", :https_proxy, "http://proxy:3"},
    {"NO_PROXY", "localhost", :no_proxy, "localhost"},
    {"GCE_METADATA_HOST", "127.0.0.1:9", :gce_metadata_host, "127.0.0.1:9"}
  ]

  for {variable, text, key, value} <- @readings do
    test "#{variable}=#{text}" do
      System.put_env(unquote(variable), unquote(text))
      assert Map.fetch!(Config.new(), unquote(key)) == unquote(value)
    end
  end

  test "MLFLOW_TRACKING_PASSWORD goes with its user name" do
    System.put_env("MLFLOW_TRACKING_USERNAME", "me")
    System.put_env("MLFLOW_TRACKING_PASSWORD", "pw")
    assert %{username: "me", password: "pw"} = Config.new()
  end

  test "a blank variable counts as none" do
    System.put_env("MLFLOW_TRACKING_URI", "")
    System.put_env("MLFLOW_SYNC_INTERVAL", "")
    assert %{tracking_uri: "http://localhost:5000", sync_interval: 300} = Config.new()
  end

  test "the host application's variable wins over MLflow's own" do
    System.put_env("MLFLOW_DEFAULT_EXPERIMENT", "host")
    System.put_env("MLFLOW_EXPERIMENT_NAME", "mlflow")
    System.put_env("MLFLOW_REQUEST_TIMEOUT", "2500")
    System.put_env("MLFLOW_HTTP_REQUEST_TIMEOUT", "60")
    assert %{default_experiment: "host", request_timeout: 2_500} = Config.new()
  end

  test "either switch can turn it off" do
    System.put_env("MLFLOW_ENABLED", "true")
    System.put_env("TL_DISABLE_MLFLOW", "true")
    assert Config.new().enabled == false
  end

  test "what cannot be read names the variable and not the setting" do
    for {variable, text, expected} <- [
          {"MLFLOW_SYNC_INTERVAL", "soon", "a whole number"},
          {"MLFLOW_SYNC_INTERVAL", "5m", "a whole number"},
          {"MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "two", "a number"},
          {"MLFLOW_ENABLED", "maybe", "true or false"}
        ] do
      System.put_env(variable, text)
      message = "#{variable} must be #{expected}, got #{inspect(text)}"
      assert_raise ArgumentError, message, fn -> Config.new() end
      System.delete_env(variable)
    end
  end

  test "options win over the application environment, and that over variables" do
    System.put_env("MLFLOW_TRACKING_URI", "http://variable")
    System.put_env("MLFLOW_SYNC_INTERVAL", "1")
    System.put_env("MLFLOW_SYNC_CONCURRENCY", "1")
    Application.put_env(:mlflow_sync, :sync_interval, 2)
    Application.put_env(:mlflow_sync, :concurrency, 2)

    config = Config.new(concurrency: 3)

    assert %{tracking_uri: "http://variable", sync_interval: 2, concurrency: 3} = config
  end

  test "a mistake in the application environment is found too" do
    Application.put_env(:mlflow_sync, :tracking_url, "http://localhost")
    assert_raise ArgumentError, ~r/did you mean :tracking_uri/, fn -> Config.new() end
  end

  describe "a named instance" do
    test "reads neither credentials nor addresses from the environment" do
      System.put_env("MLFLOW_TRACKING_URI", "https://somebody-elses.example.com")
      System.put_env("MLFLOW_TRACKING_USERNAME", "somebody")
      System.put_env("MLFLOW_TRACKING_PASSWORD", "else")
      System.put_env("MLFLOW_TRACKING_TOKEN", "tk")
      Application.put_env(:mlflow_sync, :token, "tk")

      config = Config.new(name: MyApp.MLflow)

      assert %{username: nil, password: nil, token: nil} = config
      assert config.tracking_uri == "http://localhost:5000"
    end

    test "does so when it is told to" do
      System.put_env("MLFLOW_TRACKING_USERNAME", "me")
      assert Config.new(name: MyApp.MLflow, environment: true).username == "me"
    end

    test "shares the machine's proxy" do
      System.put_env("HTTP_PROXY", "http://proxy:1")
      assert Config.new(name: MyApp.MLflow).http_proxy == "http://proxy:1"
    end
  end
end
