defmodule Prove.DiskFull do
  @moduledoc """
  The disk that the store is on is full for a while, in the middle of a sync: a small file system
  in memory, which a VM of its own mounts where nobody else sees it.
  """

  alias MLflow.{OsProcess, SyncWorker}
  alias Prove.{Engine, Outcome, Trials}

  # The store's write-ahead log alone grows to 4 MB.
  @bytes "8m"

  # Root may mount; others in a user namespace of their own, where the system has them.
  @ways [~w(unshare --mount), ~w(unshare --user --map-root-user --mount)]

  def size(:long), do: %{trials: 60, points: 100, full: 10_000}
  def size(:short), do: %{trials: 12, points: 20, full: 1_000}

  @spec run(map, map) :: Outcome.t()
  def run(context, size) do
    case Enum.find(@ways, &possible?/1) do
      nil -> %Outcome{skipped: "no file system may be mounted here; run this as root"}
      way -> in_own_vm(context, size, way)
    end
  end

  defp possible?([command | arguments]) do
    probe = arguments ++ ~w(mount -t tmpfs tmpfs /mnt)
    match?({_, 0}, System.cmd(command, probe, stderr_to_stdout: true))
  rescue
    ErlangError -> false
  end

  defp in_own_vm(context, size, way) do
    code = "Prove.DiskFull.live(#{inspect(context)}, #{inspect(size)})"
    process = OsProcess.start("Logger.configure(level: :emergency)\n" <> code, under: way)
    outcome = OsProcess.await_line(process, "outcome ", 300_000)
    OsProcess.await_exit(process)
    outcome |> Base.decode64!() |> :erlang.binary_to_term()
  end

  @doc "What happens in the VM; prints the outcome."
  @spec live(map, map) :: :ok
  def live(context, size) do
    {_, 0} = System.cmd("mount", ~w(-t tmpfs -o size=#{@bytes} tmpfs #{context.directory}))

    {:ok, _} =
      Engine.start(
        name: context.name,
        tracking_uri: context.uri,
        database: context.database,
        default_experiment: context.experiment,
        # How long a claim lasts that could not be settled follows from it.
        total_timeout: 2_000
      )

    {before, later} = Enum.split(Enum.to_list(1..size.trials), div(size.trials, 2))
    for n <- before, do: :ok = Trials.record(n, size.points, context.name)

    Engine.await("a trial is synced", 30_000, fn ->
      match?({:ok, [_]}, SyncWorker.jobs(state: :completed, limit: 1, name: context.name))
    end)

    ballast = fill(context.directory)
    refused = refusal(hd(later), size, context.name)
    Process.sleep(size.full)
    File.rm!(ballast)

    for n <- later, do: :ok = Trials.record(n, size.points, context.name)
    Engine.await_quiet(context.name, 120_000)
    expected = Enum.map(1..size.trials, &Trials.expected(&1, size.points))

    outcome =
      %Outcome{faults: %{"disk full" => 1}, notes: ["while it was full: #{refused.message}"]}
      |> Outcome.judge(context.name, context, expected)
      |> Outcome.expect(refused.kind == :store and refused.message =~ "full", inspect(refused))

    IO.puts("outcome " <> (outcome |> :erlang.term_to_binary() |> Base.encode64()))
  end

  # Until not a byte more fits.
  defp fill(directory) do
    path = Path.join(directory, "ballast")
    {:ok, file} = :file.open(path, [:write, :raw])
    fill_up(file, :binary.copy(<<0>>, 65_536))
    :file.close(file)
    path
  end

  defp fill_up(file, bytes) do
    case :file.write(file, bytes) do
      :ok ->
        fill_up(file, bytes)

      {:error, :enospc} when byte_size(bytes) > 1 ->
        fill_up(file, binary_part(bytes, 0, div(byte_size(bytes), 2)))

      {:error, :enospc} ->
        :ok
    end
  end

  # There may be room left within the store's own files for a while.
  defp refusal(n, size, name) do
    case Trials.record(n, size.points, name) do
      :ok -> refusal(n + 1, size, name)
      {:error, refused} -> refused
    end
  end
end
