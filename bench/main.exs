# Run by bin/bench: each benchmark in turn, and a table of what it measured.

shared =
  ~w(scale stats proc histogram ticks python points trials seed server server_log cargo ceiling wire embedded)

tracking = ~w(tracking/requests tracking/beside tracking/latency tracking/mixed tracking/log_batch
  tracking/history tracking/searches tracking)

benches = ~w(get_run push push500 resync compare diff encode logger ticker)
for module <- shared ++ benches ++ tracking, do: Code.require_file("#{module}.ex", __DIR__)

# Its table serves here too.
Code.require_file("../demo/report.ex", __DIR__)

defmodule Bench.Main do
  @benches %{
    "get_run" => Bench.GetRun,
    "push" => Bench.Push,
    "push500" => Bench.Push500,
    "resync" => Bench.Resync,
    "compare" => Bench.Compare,
    "diff" => Bench.Diff,
    "encode" => Bench.Encode,
    "logger" => Bench.Logger,
    "ticker" => Bench.Ticker,
    "tracking" => Bench.Tracking
  }

  def run([size, uri, server, directory, python | names]) do
    database = Path.join(directory, "mlflow.db")

    context = %{
      quick: size == "quick",
      uri: uri,
      server: String.to_integer(server),
      directory: directory,
      python: Bench.Python.start(python, uri, database)
    }

    IO.puts(versions(context))
    if context.quick, do: IO.puts("quick: a tenth of everything, and once")
    Enum.each(names, &measure(&1, context))
  end

  defp measure(name, context) do
    bench = Map.fetch!(@benches, name)
    IO.puts(["\n", bench.title()])
    {seconds, rows} = Bench.Stats.timed(fn -> bench.run(context) end)
    IO.write([Demo.Report.table(rows), "  in #{round(seconds)} s\n"])
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
