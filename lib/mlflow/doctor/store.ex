defmodule MLflow.Doctor.Store do
  @moduledoc false
  # The database file, the disk it is on, and how many trials wait in it.

  @behaviour MLflow.Doctor.Area

  alias MLflow.{CLI.Text, Native, Store.Embedded}
  alias MLflow.Doctor.{Context, Disk, Finding}

  @area :store
  # SQLite begins the log anew when all of it is in the database, which is long before this.
  @large_wal 64_000_000
  @counted 100_000

  @impl true
  def examine(%{config: %{store: Embedded, database: ":memory:"}} = context) do
    finding =
      Finding.warning(@area, "the database is in memory, and gone with the VM",
        advice: "set database (MLFLOW_SYNC_DATABASE) to a file"
      )

    trials({[finding], context}, context.running != nil)
  end

  def examine(%{config: %{store: Embedded} = config} = context) do
    path = Path.expand(config.database)

    case File.stat(path) do
      {:ok, %File.Stat{type: :regular} = stat} -> examine_file(path, stat, context)
      {:ok, %File.Stat{type: type}} -> {[no_file(path, type)], context}
      {:error, :enoent} -> {[not_there(path) | Disk.findings(@area, Path.dirname(path))], context}
      {:error, reason} -> {[unreadable(path, reason)], context}
    end
  end

  def examine(%{config: %{store: module}, running: nil} = context) do
    finding =
      Finding.info(
        @area,
        "trials and runs are kept by #{inspect(module)}, which does not run here",
        advice: "examine the running instance: mix mlflow.doctor --instance NAME"
      )

    {[finding], context}
  end

  def examine(%{config: %{store: module}} = context) do
    finding = Finding.info(@area, "trials and runs are kept by #{inspect(module)}")
    trials({[finding], context}, true)
  end

  defp examine_file(path, stat, context) do
    {findings, sound?} = path |> Native.store_check() |> checkup(path)
    files = [writable(path, stat), size(path, stat)] ++ Disk.findings(@area, Path.dirname(path))
    trials({findings ++ List.flatten(files), context}, sound?)
  end

  # The second is whether the file can be opened without being changed by that.
  defp checkup({:ok, %{damage: [_ | _] = damage}}, path) do
    finding =
      Finding.problem(@area, "the database is damaged",
        detail: Enum.join(damage, "\n"),
        advice: "move #{path} away (and keep it), and restore it from a backup"
      )

    {[finding], false}
  end

  defp checkup({:ok, %{version: version, current: version}}, path),
    do: {[Finding.ok(@area, "#{path} is sound (schema version #{version})")], true}

  defp checkup({:ok, %{version: 0}}, path),
    do: {[Finding.info(@area, "#{path} is empty, and set up at the first start")], false}

  defp checkup({:ok, %{version: version, current: current}}, path) do
    finding =
      Finding.info(
        @area,
        "#{path} is sound, of schema version #{version}; the next start brings it to #{current}",
        advice: "keep a copy of it before, if you may want to go back to the older mlflow_sync"
      )

    {[finding], false}
  end

  defp checkup({:error, error}, _path),
    do: {[Finding.error(@area, "the database cannot be used", error)], false}

  defp writable(_path, %{access: :read_write}), do: []

  defp writable(path, _stat) do
    Finding.problem(@area, "#{path} cannot be written",
      advice: "give the user that runs this the right to write it, and its folder"
    )
  end

  defp size(path, stat) do
    wal = file_size(path <> "-wal")
    sizes = "#{Text.bytes(stat.size)}, and #{Text.bytes(wal)} of write-ahead log"

    if wal > @large_wal do
      Finding.warning(@area, "the write-ahead log has grown large (#{sizes})",
        advice:
          "look for a program that keeps the database open for reading, such as a backup or an " <>
            "SQLite shell, and end it"
      )
    else
      Finding.info(@area, "it takes " <> sizes)
    end
  end

  defp file_size(path) do
    case File.stat(path) do
      {:ok, %{size: size}} -> size
      {:error, _} -> 0
    end
  end

  defp no_file(path, type) do
    Finding.problem(@area, "#{path} is no file (#{type})",
      advice: "set database (MLFLOW_SYNC_DATABASE) to the path of a file"
    )
  end

  defp unreadable(path, reason) do
    Finding.problem(@area, "#{path} cannot be read: #{:file.format_error(reason)}",
      advice: "give the user that runs this the rights to it, or choose another path"
    )
  end

  defp not_there(path) do
    folder = path |> Path.dirname() |> existing_folder()

    case File.stat(folder) do
      {:ok, %{access: :read_write}} ->
        Finding.info(@area, "#{path} does not exist yet: it is created at the first start")

      _ ->
        Finding.problem(@area, "#{path} cannot be created: #{folder} cannot be written",
          advice: "give the user that runs this the right to write there, or choose another path"
        )
    end
  end

  defp existing_folder(folder),
    do: if(File.exists?(folder), do: folder, else: folder |> Path.dirname() |> existing_folder())

  defp trials({findings, context}, false), do: {findings, context}

  defp trials({findings, context}, true) do
    with {:ok, context} <- Context.open_store(context),
         {:ok, due} <- context.config.store.due_trials(context.instance, @counted) do
      {findings ++ [due(length(due))], context}
    else
      {:error, error} ->
        {findings ++ [Finding.error(@area, "it cannot be asked", error)], context}
    end
  end

  defp due(0), do: Finding.ok(@area, "no trial wants a sync")

  defp due(n) do
    trials =
      case n do
        1 -> "1 trial wants"
        @counted -> "#{n} trials or more want"
        n -> "#{n} trials want"
      end

    Finding.info(@area, "#{trials} a sync: new, unfinished, changed or failed",
      advice: "that is the scheduler's to do; mix mlflow.sync --all does it now"
    )
  end
end
