defmodule MLflow.ConfigTest do
  use ExUnit.Case, async: true

  alias MLflow.Config

  # A name of its own keeps the environment of whoever runs the tests out of it.
  defp new(options), do: Config.new([name: MLflow.ConfigTest] ++ options)

  describe "defaults" do
    test "are those that are documented" do
      config = new([])

      assert config.name == MLflow.ConfigTest
      assert config.enabled == true
      assert config.tracking_uri == "http://localhost:5000"
      assert config.default_experiment == "thunderline-trials"
      assert config.request_timeout == 30_000
      assert config.total_timeout == 120_000
      assert config.max_retries == 5
      assert config.sync_interval == 300
      assert config.auto_sync == true
      assert config.fail_silently == true
      assert config.concurrency == 4
      assert config.max_attempts == 5
      assert config.job_retention == 7 * 24 * 3600
      assert config.store == MLflow.Store.Embedded
      assert config.queue == MLflow.Queue.Embedded
    end

    test "stand in the module's documentation with their variables" do
      {:docs_v1, _, _, _, %{"en" => doc}, _, _} = Code.fetch_docs(Config)

      for {key, _, default, variables, _} <- Config.Settings.table() do
        assert doc =~ "| `#{key}` |"
        assert doc =~ "`#{inspect(default)}`"
        for {variable, _} <- variables, do: assert(doc =~ "`#{variable}`")
      end
    end
  end

  describe "a mistaken setting" do
    test "that does not exist names the nearest one" do
      for {wrong, right} <- [
            tracking_url: :tracking_uri,
            retries: :max_retries,
            data_base: :database,
            sync_intervall: :sync_interval,
            user_name: :username
          ] do
        message = "unknown setting #{inspect(wrong)} for MLflow; did you mean #{inspect(right)}?"
        assert_raise ArgumentError, message, fn -> new([{wrong, 1}]) end
      end
    end

    test "of the wrong kind says what it must be" do
      for {key, value, expected} <- [
            {:enabled, "true", "true or false"},
            {:tracking_uri, "localhost:5000", "an http:// or https:// address"},
            {:tracking_uri, "ftp://host", "an http:// or https:// address"},
            {:tracking_uri, "http://", "an http:// or https:// address"},
            {:tracking_uri, 5000, "an http:// or https:// address"},
            {:database, "", "a non-empty string"},
            {:database, :memory, "a non-empty string"},
            {:request_timeout, 0, "a whole number of at least 1"},
            {:request_timeout, 1.5, "a whole number of at least 1"},
            {:max_retries, -1, "a whole number of at least 0"},
            {:concurrency, 0, "a whole number of at least 1"},
            {:sync_interval, -1, "a whole number of at least 0"},
            {:backoff_factor, 0.5, "a number of at least 1"},
            {:auth, :basic, "one of :auto, :google_identity, :none"},
            {:store, "MyStore", "a module or {module, options}"},
            {:queue, true, "a module or {module, options}"},
            {:token, 5, "a string, a function without arguments or {module, function, args}"},
            {:token, &Function.identity/1, "a string, a function without arguments"}
          ] do
        error = assert_raise ArgumentError, fn -> new([{key, value}]) end
        assert error.message =~ "setting #{inspect(key)} must be #{expected}"
      end
    end

    test "that is a secret is not shown" do
      for key <- [:password, :token] do
        error = assert_raise ArgumentError, fn -> new([{key, ~c"hunter2"}]) end
        refute error.message =~ "hunter2"
        assert error.message =~ inspect(key)
      end
    end

    test "that is an address with a password in it does not show the password" do
      for options <- [
            [tracking_uri: "htp://me:hunter2@mlflow.example.com"],
            [tracking_uri: "me:hunter2@mlflow.example.com"],
            [http_proxy: {:proxy, "http://me:hunter2@proxy"}],
            [https_proxy: ["http://me:hunter2@proxy"]]
          ] do
        error = assert_raise ArgumentError, fn -> new(options) end
        refute error.message =~ "hunter2"
      end
    end

    test "is not one that is nil: that counts as not given" do
      assert new(tracking_uri: nil, queue: nil, database: nil) == new([])
    end

    test "name: takes atoms only" do
      assert_raise ArgumentError, ~r/:name must be an atom/, fn -> Config.new(name: "mine") end
    end
  end

  describe "credentials" do
    test "come out of the address" do
      config = new(tracking_uri: "https://me:p%40ss@mlflow.example.com:8443/prefix")
      assert config.tracking_uri == "https://mlflow.example.com:8443/prefix"
      assert config.username == "me"
      assert config.password == "p@ss"
    end

    test "of an address without a password have an empty one" do
      config = new(tracking_uri: "http://me@localhost:5000")
      assert config.tracking_uri == "http://localhost:5000"
      assert {config.username, config.password} == {"me", ""}
    end

    test "a user name alone has an empty password, a password alone is refused" do
      assert new(username: "me").password == ""

      assert_raise ArgumentError, ~r/:password is given without :username/, fn ->
        new(password: "secret")
      end
    end

    test "never show when a configuration is inspected" do
      config =
        new(
          tracking_uri: "https://me:hunter2@mlflow.example.com",
          token: "hunter2-token",
          http_proxy: "http://me:hunter2@proxy",
          https_proxy: "http://me:hunter2@proxy"
        )

      shown = inspect(config, limit: :infinity, structs: true)
      assert shown =~ "mlflow.example.com"
      refute shown =~ "hunter2"
    end

    test "basic authentication wins over a token" do
      options = new(username: "me", password: "pw", token: "tk") |> Config.engine_options()
      assert options.auth == {:basic, "me", "pw"}
      assert (new(token: "tk") |> Config.engine_options()).auth == {:bearer, "tk"}
    end

    test "auth: :none sends none, and :google_identity its audience" do
      assert (new(auth: :none, username: "me") |> Config.engine_options()).auth == :none

      assert (new(auth: :google_identity, audience: "aud") |> Config.engine_options()).auth ==
               {:google_identity, "aud"}
    end
  end

  describe "the tags that lead back to a trial" do
    test "carry the prefix" do
      assert Config.trial_tag(new([])) == "thunderline_trial_id"
      assert Config.model_run_tag(new([])) == "thunderline_model_run_id"
      assert Config.trial_tag(new(tag_prefix: "acme")) == "acme_trial_id"
    end
  end

  test "the README lists every setting as it is" do
    table = MLflow.Config.Settings.markdown()
    assert File.read!("README.md") =~ "<!-- settings -->\n#{table}<!-- /settings -->"
  end
end
