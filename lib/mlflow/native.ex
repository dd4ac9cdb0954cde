defmodule MLflow.Native do
  @moduledoc false
  # The NIF, and the waiting for its answers. Every `_start` function returns at once; the engine
  # answers with one `{reference, answer}` message, always, because it owns the deadline.

  @on_load :load

  @doc false
  def load do
    path = Application.app_dir(:mlflow_sync, ["priv", "native", "mlflow_nif"])

    with {:error, {reason, text}} <- :erlang.load_nif(String.to_charlist(path), 0) do
      message = "mlflow_sync could not load its NIF (run `mix compile --force`): #{text}"
      {:error, {reason, String.to_charlist(message)}}
    end
  end

  @doc "Sends a request to the MLflow server and waits for its answer."
  def call(engine, options, request) when elem(request, 0) in [:sync, :plan, :log_batch] do
    await(&call_start_large(engine, &1, options, request))
  end

  def call(engine, options, request) do
    await(&call_start(engine, &1, options, request))
  end

  @doc "Runs one operation of the embedded store and waits for its answer."
  def store(store, request) do
    await(&store_start(store, &1, request))
  end

  @doc "The same for a request of many rows or points, which a dirty scheduler decodes."
  def store_large(store, request) do
    await(&store_start_large(store, &1, request))
  end

  @doc """
  Takes over what another MLflow keeps at `source`, a database or a folder, and waits for it;
  `progress` is told `{table, done, total}` now and then.
  """
  def store_import(store, source, progress) do
    reference = make_ref()

    with :ok <- store_import_start(store, reference, source),
         do: await_import(reference, progress)
  end

  defp await_import(reference, progress) do
    receive do
      {^reference, {:progress, table, done, total}} ->
        progress.({table, done, total})
        await_import(reference, progress)

      {^reference, answer} ->
        answer
    end
  end

  @doc "A new client for one instance. No request is sent."
  def engine_new(_config), do: :erlang.nif_error(:nif_not_loaded)

  @doc "What the client has learned of its server's limits. No request is sent, and none waited for."
  def engine_limits(_engine), do: :erlang.nif_error(:nif_not_loaded)

  @doc "The proxy on the way to an engine's server, without its credentials; `nil` for none."
  def engine_proxy(_engine), do: :erlang.nif_error(:nif_not_loaded)

  @doc """
  Examines a database file, changing nothing about it: `{:ok, %{version:, current:, damage:}}`,
  the schema's version, the one that this library writes, and what SQLite finds wrong.
  """
  def store_check(_path), do: :erlang.nif_error(:nif_not_loaded)

  @doc "Opens (creating or migrating it where needed) an embedded database file."
  def store_open(_path), do: :erlang.nif_error(:nif_not_loaded)

  @doc "Finishes the queued writes and closes the database."
  def store_close(_store), do: :erlang.nif_error(:nif_not_loaded)

  @doc """
  Starts a tracking server over an open database. A port that is taken and the like are errors.
  """
  def server_start(_config, _database), do: :erlang.nif_error(:nif_not_loaded)

  @doc "Where it listens: `{address, port}`."
  def server_address(_server), do: :erlang.nif_error(:nif_not_loaded)

  @doc "Stops it once the requests under way are answered. Stopping again does nothing."
  def server_stop(_server), do: :erlang.nif_error(:nif_not_loaded)

  @doc """
  Asks for news: `{reference, {:ok, %{runs:, overflowed:, requests:}}}` comes as soon as there are
  any, and `{reference, {:ok, nil}}` once the server has stopped and told everything.
  """
  def server_news_start(_server, _reference), do: :erlang.nif_error(:nif_not_loaded)

  @doc "Runs of a surveyed page, by their ids."
  def page_runs(_page, _run_ids), do: :erlang.nif_error(:nif_not_loaded)

  @doc "A new name for a worker that takes leases; tells whether its OS process is still alive."
  def owner, do: :erlang.nif_error(:nif_not_loaded)

  @doc "Whether the OS process behind such a name has certainly ended; false where that cannot be told."
  def owner_gone(_owner), do: :erlang.nif_error(:nif_not_loaded)

  @doc "JSON text of a term. Atoms become strings; maps need atom, string or integer keys."
  def json_encode(_term), do: :erlang.nif_error(:nif_not_loaded)

  @doc "Opens an instance's outbox, with the logs in it that no living process holds."
  def outbox_open(_folder, _options), do: :erlang.nif_error(:nif_not_loaded)

  @doc "The log of this key, or a new one: `%{log: _, id: _, key: _, identity: _}`."
  def outbox_log(_outbox, _key, _identity), do: :erlang.nif_error(:nif_not_loaded)

  @doc "All logs, those of processes that have died meanwhile among them."
  def outbox_logs(_outbox), do: :erlang.nif_error(:nif_not_loaded)

  @doc "Folders that are no logs any more, and why."
  def outbox_unreadable(_outbox), do: :erlang.nif_error(:nif_not_loaded)

  @doc "Flushes to the disk what was logged."
  def outbox_flush(_outbox), do: :erlang.nif_error(:nif_not_loaded)

  @doc "Logs at most 1000 `{key, value, step, timestamp}`. `:full`: a full request's worth waits."
  def log_points(_log, _points), do: :erlang.nif_error(:nif_not_loaded)

  @doc "The same for any number of points, all or none."
  def log_many_points(_log, _points), do: :erlang.nif_error(:nif_not_loaded)

  @doc "Logs `{key, text}` pairs as `:param` or `:tag`."
  def log_pairs(_log, _kind, _pairs), do: :erlang.nif_error(:nif_not_loaded)

  @doc "Logs the run's status, behind everything logged before."
  def log_status(_log, _status, _end_time), do: :erlang.nif_error(:nif_not_loaded)

  @doc "How many entries were logged, delivered (with the refused and the lost), refused, lost."
  def log_progress(_log), do: :erlang.nif_error(:nif_not_loaded)

  @doc "What waits in a log, since when, and what became of the rest."
  def log_info(_log), do: :erlang.nif_error(:nif_not_loaded)

  @doc "Remembers the run that a log goes to."
  def log_keep_run_id(_log, _run_id), do: :erlang.nif_error(:nif_not_loaded)

  @doc "The entries that the server refused for good."
  def log_rejected(_log), do: :erlang.nif_error(:nif_not_loaded)

  @doc "Gives up what waits, and forgets what was refused."
  def log_discard(_log), do: :erlang.nif_error(:nif_not_loaded)

  @doc "Removes a log if nothing in it waits or was refused; tells whether it is gone."
  def log_remove_if_done(_log), do: :erlang.nif_error(:nif_not_loaded)

  @doc false
  def call_start_large(_engine, _reference, _options, _request),
    do: :erlang.nif_error(:nif_not_loaded)

  @doc false
  def call_start(_engine, _reference, _options, _request), do: :erlang.nif_error(:nif_not_loaded)

  @doc false
  def store_start(_store, _reference, _request), do: :erlang.nif_error(:nif_not_loaded)

  @doc false
  def store_import_start(_store, _reference, _source), do: :erlang.nif_error(:nif_not_loaded)

  @doc false
  def store_start_large(_store, _reference, _request), do: :erlang.nif_error(:nif_not_loaded)

  defp await(start) do
    reference = make_ref()

    with :ok <- start.(reference) do
      receive do
        {^reference, answer} -> answer
      end
    end
  end
end
