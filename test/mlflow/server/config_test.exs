defmodule MLflow.Server.ConfigTest do
  use ExUnit.Case, async: true

  alias MLflow.Server
  alias MLflow.Server.{Config, Settings}

  test "the defaults are those that are documented" do
    config = Config.new([])
    assert config.name == Server
    assert config.port == 5000
    assert config.host == "127.0.0.1"
    assert config.database == "mlflow_server.db"
    assert config.trials == nil

    {:docs_v1, _, _, _, %{"en" => doc}, _, _} = Code.fetch_docs(Server)

    for {key, default} <- Settings.defaults(),
        do: assert(doc =~ "| `#{key}` | `#{inspect(default)}` |")
  end

  test "what is not given in trials: has its default" do
    assert %{instance: MLflow, create: true, quiet: 250} =
             Config.new(trials: [create: true]).trials
  end

  for {options, message} <- [
        {[prot: 5000], "unknown setting :prot for MLflow.Server; did you mean :port?"},
        {[port: 70_000], "setting :port must be a whole number in 0..65535, got 70000"},
        {[host: {1, 2}],
         "setting :host must be an IP address, as text or as a tuple, or the name of one, such as " <>
           "\"127.0.0.1\", got {1, 2}"},
        {[allowed_hosts: "lab"],
         "setting :allowed_hosts must be a list of non-empty strings, got \"lab\""},
        {[trials: [creat: true]],
         "unknown setting :creat for MLflow.Server's :trials; did you mean :create?"},
        {[trials: [create: :yes]], "setting :create must be true or false, got :yes"},
        {[trials: true], "setting :trials must be a keyword list, got true"},
        {[password: 1815],
         "setting :password must be a string, a function without arguments or " <>
           "{module, function, args}, got a value of another kind"},
        {[username: "ada"], ":username and :password go together; give both or neither"},
        {[password: "secret"], ":username and :password go together; give both or neither"},
        {[username: "ada", password: "x", token: "y"],
         "both :username and :token are given; choose one"},
        {[instance: MLflow, database: "a.db"],
         "both :instance and :database are given; the instance's database is used by it"}
      ] do
    test "#{inspect(options)} is a mistake" do
      assert_raise ArgumentError, unquote(message), fn ->
        Config.new(unquote(Macro.escape(options)))
      end
    end
  end

  test "hosts are addresses, tuples and names" do
    ip = fn host ->
      {:ok, %{ip: ip}} = [host: host] |> Config.new() |> Config.native()
      ip
    end

    assert ip.("0.0.0.0") == "0.0.0.0"
    assert ip.({127, 0, 0, 1}) == "127.0.0.1"
    assert ip.({0, 0, 0, 0, 0, 0, 0, 1}) == "::1"
    assert ip.("localhost") == "127.0.0.1"

    assert {:error, %MLflow.Error{kind: :config, message: message}} =
             [host: "no.such.host.invalid"] |> Config.new() |> Config.native()

    assert message =~ "no.such.host.invalid"
  end

  test "secrets do not show when it is inspected" do
    config = Config.new(username: "ada", password: "secret-1815")
    refute inspect(config) =~ "1815"
    assert {:ok, %{auth: {:basic, "ada", "secret-1815"}}} = Config.native(config)
    refute inspect(Config.without_secrets(config), structs: false) =~ "1815"
  end
end
