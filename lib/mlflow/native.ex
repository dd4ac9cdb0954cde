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
  def call(engine, options, request) do
    await(&call_start(engine, &1, options, request))
  end

  @doc "Runs one operation of the embedded store and waits for its answer."
  def store(store, request) do
    await(&store_start(store, &1, request))
  end

  @doc "A new client for one instance. No request is sent."
  def engine_new(_config), do: :erlang.nif_error(:nif_not_loaded)

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

  @doc "A new name for a worker that takes leases; tells whether its OS process is still alive."
  def owner, do: :erlang.nif_error(:nif_not_loaded)

  @doc "JSON text of a term. Atoms become strings; maps need atom, string or integer keys."
  def json_encode(_term), do: :erlang.nif_error(:nif_not_loaded)

  @doc false
  def call_start(_engine, _reference, _options, _request), do: :erlang.nif_error(:nif_not_loaded)

  @doc false
  def store_start(_store, _reference, _request), do: :erlang.nif_error(:nif_not_loaded)

  defp await(start) do
    reference = make_ref()

    with :ok <- start.(reference) do
      receive do
        {^reference, answer} -> answer
      end
    end
  end
end
