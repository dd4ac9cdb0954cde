defmodule Prove.Logged do
  @moduledoc """
  What MLflow must have of each logger, and what it may have: the calls that were answered, and the
  one that each kill may have cut off before its answer.
  """

  alias Prove.Loggers

  @typedoc """
  One life of the VM: its loggers, the last call of each that was answered, whether it ended with
  `kill -9`, and from when to when it was, in ms since the epoch.
  """
  @type life :: %{
          number: pos_integer,
          members: [Loggers.member()],
          answered: %{String.t() => non_neg_integer},
          killed: boolean,
          time: {integer, integer}
        }

  defstruct [
    :label,
    :kind,
    # Whether there must be a run.
    required: false,
    points: [],
    maybe_points: [],
    params: %{},
    maybe_params: %{},
    # The values of which it must have one.
    tags: %{},
    statuses: ["RUNNING"],
    # When it was logged to, in ms; an open end is the atom `:infinity`.
    time: {0, :infinity}
  ]

  @type t :: %__MODULE__{}

  @doc "One for each logger that was to be, whatever became of it."
  @spec expected([life]) :: [t]
  def expected(lives) do
    appearances = for life <- lives, member <- life.members, do: {member, life}

    for {_label, appearances} <- Enum.group_by(appearances, fn {member, _} -> member.label end),
        do: Enum.reduce(appearances, nil, &appear/2)
  end

  defp appear({member, life}, nil) do
    first = %__MODULE__{label: member.label, kind: member.kind, time: life.time}
    appear({member, life}, described(first, member.kind))
  end

  defp appear({member, life}, expected) do
    answered = life.answered[member.label]

    expected
    |> calls(member, life.number, answered)
    |> status(member, life, answered)
    |> until(life, answered)
  end

  # What its options say goes with its run, whenever that is created.
  defp described(expected, :run), do: expected
  defp described(expected, :trial), do: %{expected | params: who(expected)}

  defp described(%{label: label} = expected, _own) do
    tags = %{"prove_logger" => [label], "mlflow.runName" => [label]}
    %{expected | params: who(expected), tags: tags}
  end

  defp who(expected), do: %{"who" => expected.label}

  # Its start was not answered, so it called nothing.
  defp calls(expected, _member, _life, nil), do: expected

  defp calls(expected, member, life, answered) do
    expected = %{expected | required: expected.required or answered > 0}
    sure = for n <- 1..min(answered, member.calls)//1, do: call(member, life, n)
    cut_off = if answered < member.calls, do: [call(member, life, answered + 1)], else: []
    expected |> all(sure, &must/2) |> all(cut_off, &may/2)
  end

  defp call(member, life, n), do: Loggers.call(member.label, life, n)

  defp all(expected, calls, fun), do: Enum.reduce(calls, expected, fun)

  defp must({:points, points}, expected), do: %{expected | points: points ++ expected.points}

  defp must({:params, params}, expected),
    do: Map.update!(expected, :params, &Map.merge(&1, params))

  defp must({:tags, tags}, expected) do
    tags = Map.new(tags, fn {key, value} -> {key, [value]} end)
    Map.update!(expected, :tags, &Map.merge(&1, tags))
  end

  defp may({:points, points}, expected),
    do: Map.update!(expected, :maybe_points, &(points ++ &1))

  defp may({:params, params}, expected),
    do: Map.update!(expected, :maybe_params, &Map.merge(&1, params))

  defp may({:tags, tags}, expected) do
    tags = Map.new(tags, fn {key, value} -> {key, [value | expected.tags[key] || [nil]]} end)
    Map.update!(expected, :tags, &Map.merge(&1, tags))
  end

  # These have a status that is not the logger's.
  defp status(%{kind: kind} = expected, _member, _life, _answered) when kind in [:trial, :run],
    do: expected

  # A logger that may have come back has opened the run again, if it logged anything.
  defp status(%{kind: :own} = expected, _member, _life, answered) when answered in [nil, 0],
    do: Map.update!(expected, :statuses, &Enum.uniq(["RUNNING" | &1]))

  defp status(expected, member, life, answered),
    do: %{expected | statuses: statuses(member, life, answered || 0)}

  defp statuses(member, life, answered) do
    cond do
      answered < member.calls -> [interrupted(member)]
      sure?(member, life, answered) -> [Loggers.status(member)]
      true -> [interrupted(member), Loggers.status(member)]
    end
  end

  # How it ends by the end of its process is noted by another process, which a kill may forestall.
  defp sure?(_member, %{killed: false}, _answered), do: true
  defp sure?(%{ending: {:exit, _}}, _life, _answered), do: false
  defp sure?(member, _life, answered), do: answered > member.calls

  # One that has an id may come back.
  defp interrupted(%{kind: :own}), do: "RUNNING"
  defp interrupted(%{kind: :nameless}), do: "FAILED"

  # Of one that has logged nothing, nobody knows when it was.
  defp until(%{time: {from, _}} = expected, _life, nil), do: %{expected | time: {from, :infinity}}

  defp until(%{time: {from, _}} = expected, %{time: {_, to}}, _),
    do: %{expected | time: {from, to}}
end
