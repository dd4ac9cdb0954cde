defmodule Prove.Trials do
  @moduledoc """
  The trials of a proof: what the nth one holds follows from n alone, so that nobody has to be
  trusted to remember it.
  """

  alias MLflow.{Error, SyncWorker, Trials}

  # 2023-11-14 22:13:20 UTC, in ms.
  @at 1_700_000_000_000
  @keys ["loss", "acc"]

  @type expected :: %{
          trial_id: String.t(),
          status: String.t(),
          start_time: integer,
          end_time: integer,
          params: %{String.t() => String.t()},
          tags: %{String.t() => String.t()},
          points: [{String.t(), float, integer, integer}]
        }

  @doc "What MLflow must have of the nth trial in the end."
  @spec expected(pos_integer, pos_integer) :: expected
  def expected(n, points) do
    %{
      trial_id: id(n),
      status: elem(statuses(n), 1),
      start_time: @at + n * 1_000,
      end_time: @at + n * 1_000 + 60_000,
      params: %{"n" => "#{n}", "opt.name" => "adäm", "units" => "[#{n},64]"},
      tags: %{"thunderline_trial_id" => id(n)},
      points: points(n, points)
    }
  end

  @doc """
  Records the nth trial from its beginning to its end, and queues a sync after each half. What is
  recorded already stays as it is, so that this may be done again after an error or a crash.
  """
  @spec record(pos_integer, pos_integer, atom) :: :ok | {:error, Error.t()}
  def record(n, points, name) do
    with :ok <- begin(n, points, name),
         :ok <- sync(n, name),
         :ok <- finish(n, points, name),
         do: sync(n, name)
  end

  @doc "Records the nth trial's beginning."
  @spec begin(pos_integer, pos_integer, atom) :: :ok | {:error, Error.t()}
  def begin(n, points, name) do
    {first, _} = halves(n, points)

    with {:ok, _} <- create(n, name), do: Trials.log_metrics(id(n), first, name: name)
  end

  defp create(n, name) do
    with {:error, %Error{kind: :not_found}} <- Trials.get(id(n), name: name) do
      Trials.create(
        %{
          trial_id: id(n),
          status: :running,
          parameters: %{n: n, opt: %{name: "adäm"}, units: [n, 64]},
          started_at: time(@at + n * 1_000)
        },
        name: name
      )
    end
  end

  @doc "Records its end."
  @spec finish(pos_integer, pos_integer, atom) :: :ok | {:error, Error.t()}
  def finish(n, points, name) do
    {_, second} = halves(n, points)
    ended = %{status: elem(statuses(n), 0), completed_at: time(@at + n * 1_000 + 60_000)}

    with :ok <- Trials.log_metrics(id(n), second, name: name),
         {:ok, _} <- Trials.update(id(n), ended, name: name),
         do: :ok
  end

  @doc "Queues a sync of it."
  @spec sync(pos_integer, atom) :: :ok | {:error, Error.t()}
  def sync(n, name) do
    with {:ok, _} <- SyncWorker.sync_trial_to_mlflow(id(n), name: name), do: :ok
  end

  @spec id(pos_integer) :: String.t()
  def id(n), do: "t#{n}"

  defp statuses(n) when rem(n, 10) == 3, do: {:failed, "FAILED"}
  defp statuses(n) when rem(n, 10) == 7, do: {:cancelled, "KILLED"}
  defp statuses(_n), do: {:succeeded, "FINISHED"}

  defp points(n, count) do
    for i <- 1..count do
      step = div(i, length(@keys))
      {Enum.at(@keys, rem(i, length(@keys))), n + i / 1_024, step, @at + n * 1_000 + i}
    end
  end

  defp halves(n, count), do: n |> points(count) |> Enum.split(div(count, 2))
  defp time(ms), do: DateTime.from_unix!(ms, :millisecond)
end
