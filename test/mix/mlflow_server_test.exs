defmodule Mix.Tasks.Mlflow.ServerTest do
  use MLflow.Case, async: true

  import MLflow.CLICase

  alias MLflow.CLI
  alias MLflow.CLI.{Output, Signals}
  alias MLflow.RawClient

  # Serves in a task of its own: the task, and what it writes to.
  defp serve(args) do
    {:ok, out} = StringIO.open("")
    {:ok, err} = StringIO.open("")
    output = %Output{out: out, err: err}
    folder = Path.dirname(tmp_path("x"))
    files = ["--database", Path.join(folder, "s.db"), "--artifacts", Path.join(folder, "a")]

    task =
      Task.async(fn -> CLI.Server.run(files ++ args, fn [alone: true] -> :ok end, output) end)

    {task, out, err}
  end

  test "serves at the address that it prints until it is told to end" do
    {task, out, _err} = serve(["--port", "0"])
    uri = eventually(fn -> String.trim(contents(out)) |> non_empty() end)
    assert {200, _} = RawClient.get(uri, "/health")

    # One that is running keeps the name.
    {other, _out, err} = serve(["--port", "0"])
    assert Task.await(other) == 1
    assert contents(err) =~ "is running already"

    send(task.pid, {Signals, :terminate})
    assert Task.await(task) == 0
    "http://127.0.0.1:" <> port = uri
    assert {:error, :econnrefused} = :gen_tcp.connect('127.0.0.1', String.to_integer(port), [])
  end

  defp non_empty(""), do: nil
  defp non_empty(text), do: text

  test "shows its help" do
    assert {0, out, ""} = run(CLI.Server, ["--help"])
    assert out == CLI.Server.help() <> "\n"
    assert widest(out) <= 100
  end

  test "what makes no sense is told, with the status 2" do
    assert {2, "", err} = run(CLI.Server, ["--prot", "1"])
    assert err =~ "there is no option --prot; did you mean --port?"
    assert {2, "", err} = run(CLI.Server, ["--port", "many"])
    assert err =~ "--port takes a whole number"
    assert {2, "", err} = run(CLI.Server, ["--username", "ada"])
    assert err =~ "needs a password in MLFLOW_SERVER_PASSWORD"
    assert {2, "", err} = run(CLI.Server, ["--allowed-host"])
    assert err =~ "--allowed-host needs a value behind it"
  end

  test "a port that is none, or is taken, is told, with the status 1" do
    assert {1, "", err} = run(CLI.Server, ["--port", "70000"])
    assert err =~ ":port must be a whole number in 0..65535"

    {:ok, socket} = :gen_tcp.listen(0, ip: {127, 0, 0, 1})
    {:ok, port} = :inet.port(socket)
    {task, _out, err} = serve(["--port", "#{port}"])
    assert Task.await(task) == 1
    assert contents(err) =~ "cannot listen on 127.0.0.1:#{port}"
  end
end
