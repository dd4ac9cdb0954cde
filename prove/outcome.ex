defmodule Prove.Outcome do
  @moduledoc "What a proof did, and what it found."

  alias Prove.{Check, Engine, Remote}

  defstruct faults: %{},
            kills: 0,
            runs: 0,
            points: 0,
            lost: 0,
            duplicated: 0,
            given_up: 0,
            seconds: 0.0,
            problems: [],
            notes: [],
            skipped: nil

  @type t :: %__MODULE__{
          faults: %{String.t() => pos_integer},
          kills: non_neg_integer,
          runs: non_neg_integer,
          points: non_neg_integer,
          lost: non_neg_integer,
          duplicated: non_neg_integer,
          given_up: non_neg_integer,
          seconds: float,
          problems: [String.t()],
          notes: [String.t()],
          skipped: String.t() | nil
        }

  @patience 180_000

  @doc """
  Looks twice at what a running instance has brought to MLflow: as it stands, where a job that was
  given up may say why a trial is not complete, and after such jobs have been run again, where
  nothing may say so any more.
  """
  @spec judge(t, atom, map, [Prove.Trials.expected()]) :: t
  def judge(%__MODULE__{} = outcome, name, %{uri: uri, experiment: experiment}, expected) do
    excuses = Engine.excuses(name)
    first = Check.compare(expected, Remote.runs(uri, experiment), excuses)
    outcome = outcome |> given_up(excuses) |> add(first)

    if first.excused == 0 do
      outcome
    else
      Engine.retry_given_up(name)
      Engine.await_quiet(name, @patience)
      add(outcome, Check.compare(expected, Remote.runs(uri, experiment)))
    end
  end

  defp given_up(outcome, excuses) when excuses == %{}, do: outcome

  defp given_up(outcome, excuses) do
    why = for {error, n} <- Enum.frequencies(Map.values(excuses)), do: "#{n} given up: #{error}"
    %{outcome | given_up: map_size(excuses), notes: outcome.notes ++ why}
  end

  @doc "Takes over what a check counted, and its problems."
  @spec add(t, Check.t()) :: t
  def add(%__MODULE__{} = outcome, %Check{} = check) do
    %{
      outcome
      | runs: check.runs,
        points: check.points,
        lost: outcome.lost + check.lost,
        duplicated: outcome.duplicated + check.duplicated,
        problems: outcome.problems ++ check.problems
    }
  end

  @doc "A note of the operations that were under way when a VM was killed."
  @spec under_way([String.t()]) :: String.t()
  def under_way([]), do: "no request was under way at any kill"

  def under_way(operations) do
    counts = Enum.frequencies(operations)

    "requests under way at a kill: " <>
      Enum.map_join(counts, ", ", fn {operation, n} -> "#{n} #{operation}" end)
  end

  @doc "Adds a problem unless the condition holds."
  @spec expect(t, boolean, String.t()) :: t
  def expect(outcome, true, _problem), do: outcome
  def expect(outcome, false, problem), do: %{outcome | problems: outcome.problems ++ [problem]}

  @spec holds?(t) :: boolean
  def holds?(%__MODULE__{problems: problems}), do: problems == []
end
