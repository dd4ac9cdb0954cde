defmodule MLflow.Case do
  @moduledoc """
  What most tests need: instances with a name, a database and a configuration of their own, local
  servers, and waiting on conditions.
  """

  use ExUnit.CaseTemplate

  alias MLflow.{ScriptedServer, Tracking}

  # Nothing listens there, and connections are refused at once.
  @dead "http://127.0.0.1:1"

  using do
    quote do
      import MLflow.Case
      alias MLflow.{ScriptedServer, Tracking}
    end
  end

  @doc "Starts an instance that ends with the test, and answers its name."
  def start_instance(opts \\ []) do
    opts = instance_options(opts)
    start_supervised!({MLflow, opts})
    opts[:name]
  end

  @doc "Stops an instance in good order."
  def stop_instance(name), do: stop_supervised!(name)

  @doc "Options of an instance that waits for nothing and touches nothing of anybody else's."
  def instance_options(opts \\ []) do
    Keyword.merge(
      [
        name: unique_name(),
        tracking_uri: @dead,
        database: tmp_path("mlflow.db"),
        sync_interval: 0,
        request_timeout: 5_000,
        total_timeout: 10_000,
        max_retries: 0,
        backoff_base: 1
      ],
      opts
    )
  end

  @doc "The running instance of this name."
  def instance!(name) do
    {:ok, instance} = MLflow.Instance.fetch(name: name)
    instance
  end

  def dead_uri, do: @dead

  def unique_name, do: Module.concat(MLflow.Test, "Instance#{unique()}")

  @doc "A text that no other test, and no other test run, uses."
  def unique(prefix \\ ""),
    do: "#{prefix}#{System.os_time(:microsecond)}x#{System.unique_integer([:positive])}"

  @doc "A path in a folder that is removed with the test."
  def tmp_path(file) do
    folder = Path.join([System.tmp_dir!(), "mlflow_sync_test", unique()])
    File.mkdir_p!(folder)
    on_exit(fn -> File.rm_rf!(folder) end)
    Path.join(folder, file)
  end

  @doc "A port of loopback's that was free a moment ago, for what must be known before it listens."
  def free_port do
    {:ok, socket} = :gen_tcp.listen(0, ip: {127, 0, 0, 1})
    {:ok, port} = :inet.port(socket)
    :ok = :gen_tcp.close(socket)
    port
  end

  @doc "A scripted server that ends with the test."
  def start_server(script, opts \\ []) do
    spec = {ScriptedServer, [script: script] ++ opts}
    start_supervised!(Supervisor.child_spec(spec, id: {ScriptedServer, make_ref()}))
  end

  @doc """
  A small tracking server that ends with the test. `overrides` maps an operation to a response or
  to a function of the request; a function may answer `:pass` to let the tracking server answer.
  """
  def start_tracking(overrides \\ %{}) do
    tracking =
      start_supervised!(Supervisor.child_spec({Tracking, []}, id: {Tracking, make_ref()}))

    {start_server(Tracking.script(tracking, overrides)), tracking}
  end

  @doc """
  Waits for the next millisecond. Of a run that was synced in the very one in which it is read again,
  nobody knows which came first, so it costs a request more.
  """
  def next_millisecond(this \\ MLflow.Metric.now()),
    do: if(MLflow.Metric.now() > this, do: :ok, else: next_millisecond(this))

  @doc "Waits until `fun` answers something true, and answers that."
  def eventually(fun, timeout \\ 5_000) do
    poll(fun, System.monotonic_time(:millisecond) + timeout, timeout)
  end

  defp poll(fun, deadline, timeout) do
    cond do
      answer = fun.() ->
        answer

      System.monotonic_time(:millisecond) > deadline ->
        flunk("the condition did not come true within #{timeout} ms")

      true ->
        receive do
        after
          10 -> poll(fun, deadline, timeout)
        end
    end
  end

  @doc "The error of a call that must fail with this kind."
  defmacro assert_error(kind, call) do
    quote do
      assert {:error, %MLflow.Error{kind: unquote(kind)} = error} = unquote(call)
      error
    end
  end
end
