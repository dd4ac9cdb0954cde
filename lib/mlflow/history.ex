defmodule MLflow.History do
  @moduledoc false
  # Reading what was synchronised: `MLflow.history/1` and `MLflow.conflicts/1`.

  alias MLflow.{Conflict, Error, Instance, SyncAttempt, Value}

  @attempt_options [:action, :target, :trial, :run, :result, :since, :name, limit: 100]
  @conflict_options [:trial, :run, :field, :since, :name, limit: 100]

  @spec attempts(keyword) :: {:ok, [SyncAttempt.t()]} | {:error, Error.t()}
  def attempts(opts), do: list(opts, @attempt_options, & &1.sync_history(&2, &3))

  @spec conflicts(keyword) :: {:ok, [Conflict.t()]} | {:error, Error.t()}
  def conflicts(opts), do: list(opts, @conflict_options, & &1.conflicts(&2, &3))

  defp list(opts, known, fun) do
    filter = opts |> Keyword.validate!(known) |> Keyword.delete(:name) |> Map.new(&read/1)

    with {:ok, instance} <- Instance.fetch(opts),
         do: fun.(instance.config.store, instance, filter)
  end

  defp read({:since, time}), do: {:since, Value.milliseconds(time)}
  defp read({:limit, limit}) when is_integer(limit) and limit > 0, do: {:limit, limit}

  defp read({:limit, other}),
    do: raise(ArgumentError, ":limit must be a positive integer, got #{inspect(other)}")

  defp read({option, text}) when is_binary(text), do: {option, text}
  defp read({option, name}) when is_atom(name) and name != nil, do: {option, Atom.to_string(name)}
  defp read({option, nil}), do: {option, nil}
  defp read({option, number}) when is_integer(number), do: {option, Integer.to_string(number)}

  defp read({option, other}),
    do: raise(ArgumentError, "#{inspect(option)} must be a name, got #{inspect(other)}")
end
