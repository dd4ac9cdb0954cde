defmodule MLflow.Tracking do
  @moduledoc """
  The little of an MLflow tracking server that the sync tests need, in memory, behind a
  `MLflow.ScriptedServer`: it counts and remembers, so that "one run per trial" can be looked at.
  """

  use Agent

  alias MLflow.ScriptedServer

  def start_link(_opts),
    do: Agent.start_link(fn -> %{runs: %{}, order: [], experiments: %{}} end)

  @doc "A script that answers from this state, except where `overrides` says otherwise."
  def script(tracking, overrides \\ %{}) do
    fn request ->
      case override(overrides[request.operation], request) do
        :pass -> Agent.get_and_update(tracking, &answer(request.operation, request, &1))
        response -> response
      end
    end
  end

  defp override(nil, _request), do: :pass
  defp override(fun, request) when is_function(fun, 1), do: fun.(request)
  defp override(response, _request), do: response

  @doc "Answers a request from the state, for overrides that act first and answer otherwise."
  def act(tracking, request),
    do: Agent.get_and_update(tracking, &answer(request.operation, request, &1))

  @doc "The runs, oldest first, each a map with string keys."
  def runs(tracking),
    do: Agent.get(tracking, fn state -> Enum.map(Enum.reverse(state.order), &state.runs[&1]) end)

  @doc "Adds a run that nobody asked for; answers its id."
  def add_run(tracking, experiment_id, attrs \\ %{}) do
    Agent.get_and_update(tracking, fn state ->
      {run, state} = new_run(state, experiment_id, attrs)
      {run["run_id"], state}
    end)
  end

  @doc "Changes a run as another client would."
  def change_run(tracking, run_id, fun),
    do: Agent.update(tracking, &update_in(&1.runs[run_id], fun))

  @doc "Removes a run for good."
  def forget_run(tracking, run_id) do
    Agent.update(tracking, fn state ->
      %{state | runs: Map.delete(state.runs, run_id), order: List.delete(state.order, run_id)}
    end)
  end

  @doc "Adds an experiment; answers its id."
  def add_experiment(tracking, name) do
    Agent.get_and_update(tracking, fn state -> new_experiment(state, name) end)
  end

  defp answer("health", _request, state), do: {{200, [], "OK"}, state}
  defp answer("version", _request, state), do: {{200, [], "3.17.2"}, state}
  defp answer("experiments/search", _request, state), do: {{200, %{"experiments" => []}}, state}

  defp answer("experiments/create", request, state) do
    name = request.json["name"]

    if Enum.any?(state.experiments, fn {_, e} -> e["name"] == name end) do
      {ScriptedServer.error(400, "RESOURCE_ALREADY_EXISTS"), state}
    else
      {id, state} = new_experiment(state, name)
      {{200, %{"experiment_id" => id}}, state}
    end
  end

  defp answer("experiments/get", request, state),
    do: {experiment(state.experiments[request.query["experiment_id"]]), state}

  defp answer("experiments/get-by-name", request, state) do
    name = request.query["experiment_name"]
    found = Enum.find(Map.values(state.experiments), &(&1["name"] == name))
    {experiment(found), state}
  end

  defp answer("runs/create", request, state) do
    %{"experiment_id" => experiment_id} = request.json

    {run, state} =
      new_run(state, experiment_id, %{
        "run_name" => request.json["run_name"],
        "start_time" => request.json["start_time"],
        "tags" => pairs(request.json["tags"])
      })

    {{200, %{"run" => wire(run)}}, state}
  end

  defp answer("runs/get", request, state) do
    case state.runs[request.query["run_id"]] do
      nil -> {gone(), state}
      run -> {{200, %{"run" => wire(run)}}, state}
    end
  end

  defp answer("runs/search", request, state) do
    ids = request.json["experiment_ids"]
    tag = wanted_tag(request.json["filter"])

    found =
      for id <- Enum.reverse(state.order),
          run = state.runs[id],
          run["experiment_id"] in ids,
          tag == nil or run["tags"][elem(tag, 0)] == elem(tag, 1),
          do: wire(run)

    offset = String.to_integer(request.json["page_token"] || "0")
    size = request.json["max_results"] || 1000
    {page, rest} = found |> Enum.drop(offset) |> Enum.split(size)
    next = if rest == [], do: %{}, else: %{"next_page_token" => "#{offset + size}"}
    {{200, Map.put(next, "runs", page)}, state}
  end

  defp answer("metrics/get-history", request, state) do
    %{"run_id" => id, "metric_key" => key} = request.query
    points = (state.runs[id] || %{"points" => []})["points"]
    {{200, %{"metrics" => Enum.filter(points, &(&1["key"] == key))}}, state}
  end

  defp answer("runs/log-batch", request, state) do
    change(state, request.json["run_id"], fn run ->
      %{
        run
        | "params" => Map.merge(run["params"], pairs(request.json["params"])),
          "tags" => Map.merge(run["tags"], pairs(request.json["tags"])),
          "points" => Enum.uniq(run["points"] ++ (request.json["metrics"] || []))
      }
    end)
  end

  defp answer("runs/update", request, state) do
    changes = Map.take(request.json, ["status", "end_time", "run_name"])
    change(state, request.json["run_id"], &Map.merge(&1, changes))
  end

  defp answer("runs/delete-tag", request, state) do
    key = request.json["key"]

    change(state, request.json["run_id"], fn run ->
      Map.update!(run, "tags", &Map.delete(&1, key))
    end)
  end

  defp answer(operation, _request, state),
    do: {ScriptedServer.error(400, "BAD_REQUEST", "nobody expected #{operation}"), state}

  defp change(state, run_id, fun) do
    if Map.has_key?(state.runs, run_id),
      do: {{200, %{}}, update_in(state.runs[run_id], fun)},
      else: {gone(), state}
  end

  defp new_experiment(state, name) do
    id = Integer.to_string(map_size(state.experiments) + 1)
    experiment = %{"experiment_id" => id, "name" => name, "lifecycle_stage" => "active"}
    {id, put_in(state.experiments[id], experiment)}
  end

  defp new_run(state, experiment_id, attrs) do
    id = (length(state.order) + 1) |> Integer.to_string(16) |> String.downcase()
    id = String.pad_leading(id, 32, "0")

    run =
      Map.merge(
        %{
          "run_id" => id,
          "experiment_id" => experiment_id,
          "run_name" => "run #{id}",
          "status" => "RUNNING",
          "start_time" => 1,
          "end_time" => nil,
          "lifecycle_stage" => "active",
          "params" => %{},
          "tags" => %{},
          "points" => []
        },
        attrs
      )

    {run, %{state | runs: Map.put(state.runs, id, run), order: [id | state.order]}}
  end

  defp wire(run) do
    latest =
      run["points"]
      |> Enum.group_by(& &1["key"])
      |> Enum.map(fn {_, points} -> Enum.max_by(points, &{&1["step"], &1["timestamp"]}) end)

    %{
      "info" => Map.drop(run, ["params", "tags", "points"]),
      "data" => %{
        "params" => entries(run["params"]),
        "tags" => entries(run["tags"]),
        "metrics" => latest
      }
    }
  end

  defp wanted_tag(nil), do: nil

  defp wanted_tag(filter) do
    [_, key, value] = Regex.run(~r/^tags\.`([^`]+)` = ['"](.*)['"]$/, filter)
    {key, value}
  end

  defp experiment(nil), do: gone()
  defp experiment(experiment), do: {200, %{"experiment" => experiment}}
  defp gone, do: ScriptedServer.error(404, "RESOURCE_DOES_NOT_EXIST", "it does not exist")

  defp entries(map), do: for({key, value} <- map, do: %{"key" => key, "value" => value})
  defp pairs(nil), do: %{}
  defp pairs(list), do: Map.new(list, &{&1["key"], &1["value"]})
end
