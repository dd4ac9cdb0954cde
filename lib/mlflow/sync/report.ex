defmodule MLflow.Sync.Report do
  @moduledoc false
  # What a sync tells of itself: maps with string keys, since they are kept with the job as JSON.

  alias MLflow.{Error, Run}

  @type t :: map

  @doc "The report of one trial or run, from what the engine reported and the points that were new."
  @spec of_exchange(map, non_neg_integer) :: t
  def of_exchange(report, new_points) do
    %{
      "mlflow_run_id" => report.run_id,
      "creation" => Atom.to_string(report.creation),
      "pushed" => pushed(report.pushed),
      "pulled" => pulled_fields(report.pull) + new_points,
      "conflicts" => Enum.map(report.conflicts, &stringify/1),
      "duplicates" => report.duplicates,
      "requests" => report.reads + report.writes,
      "writes" => report.writes
    }
  end

  @doc "The report of a run that has no trial: its record was written, or was right already."
  @spec of_mirror(Run.t(), non_neg_integer) :: t
  def of_mirror(%Run{run_id: run_id}, pulled) do
    %{
      "mlflow_run_id" => run_id,
      "creation" => "not_needed",
      "pushed" => 0,
      "pulled" => pulled,
      "conflicts" => [],
      "duplicates" => [],
      "requests" => 0,
      "writes" => 0
    }
  end

  @doc "Two reports of one trial as one: the later says where it ended."
  @spec add(t, t) :: t
  def add(earlier, later) do
    Map.merge(earlier, later, fn
      key, one, two when key in ["pushed", "pulled", "requests", "writes"] -> one + two
      "conflicts", one, two -> Enum.uniq(one ++ two)
      "creation", one, "not_needed" -> one
      _key, _one, two -> two
    end)
  end

  @doc "Adds requests that were sent on the way to a report."
  @spec add_requests(t, non_neg_integer) :: t
  def add_requests(report, count), do: Map.update!(report, "requests", &(&1 + count))

  @doc "Whether anything went either way."
  @spec changed?(t) :: boolean
  def changed?(report), do: pushed?(report) or report["pulled"] > 0

  @spec pushed?(t) :: boolean
  def pushed?(report), do: report["pushed"] > 0 or report["creation"] == "created"

  @doc "The conflicts, each with the run it is about."
  @spec conflicts(t) :: [map]
  def conflicts(report),
    do: Enum.map(report["conflicts"], &Map.put(&1, "mlflow_run_id", report["mlflow_run_id"]))

  @doc "An error beside the id of what failed."
  @spec failure(Error.t(), String.t()) :: map
  def failure(error, id), do: error |> Error.to_map() |> Map.put("id", id)

  @doc "A map of atoms as the maps of a report have it."
  @spec stringify(map) :: map
  def stringify(map), do: Map.new(map, fn {key, value} -> {Atom.to_string(key), plain(value)} end)

  defp plain(value) when is_atom(value) and value not in [nil, true, false],
    do: Atom.to_string(value)

  defp plain(value), do: value

  defp pushed(pushed) do
    updated = if pushed.updated, do: 1, else: 0
    pushed.params + pushed.tags + length(pushed.deleted_tags) + pushed.points + updated
  end

  defp pulled_fields(pull) do
    fields = [pull.name, pull.status, pull.start_time, pull.end_time, pull.artifact_uri]

    Enum.count(fields, &(&1 != nil)) + map_size(pull.params) + map_size(pull.tags) +
      length(pull.deleted_tags)
  end
end
