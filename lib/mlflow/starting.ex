defmodule MLflow.Starting do
  @moduledoc false
  # Starting a supervisor so that a failure is an error that can be read.

  alias MLflow.Error

  @doc """
  Starts a supervisor with these children, linked to the caller. Where that cannot be, the reason of
  the child that failed; `taken` is the answer where the name is another's already.
  """
  @spec supervisor([Supervisor.child_spec()], keyword, Error.t()) ::
          {:ok, pid} | {:error, Error.t()}
  def supervisor(children, options, taken) do
    with {:error, reason} <- start_unharmed(children, options), do: {:error, error(reason, taken)}
  end

  # A supervisor that cannot start exits, and would take a caller with it that is no supervisor,
  # such as the shell, before that could read the error.
  defp start_unharmed(children, options) do
    trapping? = Process.flag(:trap_exit, true)
    started = Supervisor.start_link(children, options)

    with {:error, reason} <- started, false <- trapping? do
      receive do
        {:EXIT, _supervisor, ^reason} -> :ok
      after
        0 -> :ok
      end
    end

    Process.flag(:trap_exit, trapping?)
    started
  end

  defp error({:already_started, _pid}, taken), do: taken
  defp error({:shutdown, {:failed_to_start_child, _id, reason}}, taken), do: error(reason, taken)
  defp error(%Error{} = error, _taken), do: error
  defp error(reason, _taken), do: Error.new(:config, "start", inspect(reason))

  @doc "What a function of options makes of them, or the error that they make no sense."
  @spec configure((() -> config)) :: {:ok, config} | {:error, Error.t()} when config: term
  def configure(fun) do
    {:ok, fun.()}
  rescue
    error in ArgumentError -> {:error, Error.new(:config, "start", Exception.message(error))}
  end
end
