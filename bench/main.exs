# Run by bin/bench: each benchmark in turn, and a table of what it measured.

for module <- ~w(stats python trials get_run push ticker) do
  Code.require_file("#{module}.ex", __DIR__)
end

# Its table serves here too.
Code.require_file("../demo/report.ex", __DIR__)

defmodule Bench.Main do
  @benches %{"get_run" => Bench.GetRun, "push" => Bench.Push, "ticker" => Bench.Ticker}

  def run([uri, directory, python | names]) do
    context = %{uri: uri, directory: directory, python: Bench.Python.start(python, uri)}
    IO.puts(versions(context))

    for name <- names do
      bench = Map.fetch!(@benches, name)
      IO.puts(["\n", bench.title()])
      IO.write(Demo.Report.table(bench.run(context)))
    end
  end

  defp versions(context) do
    "mlflow_sync #{Application.spec(:mlflow_sync, :vsn)}, Elixir #{System.version()}, " <>
      "OTP #{System.otp_release()}, #{System.schedulers_online()} schedulers; " <>
      "server and client #{context.python.versions}"
  end
end

# Asked to end, the VM would stop Mix first, and this program stumble over that.
{:ok, _} = System.trap_signal(:sigterm, fn -> System.halt(143) end)

# Instances of their own are all they need: no default one, which would look for its server.
Application.put_env(:mlflow_sync, :default_instance, false)
{:ok, _} = Application.ensure_all_started(:mlflow_sync)
Bench.Main.run(System.argv())
