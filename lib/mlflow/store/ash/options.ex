if Code.ensure_loaded?(Ash) do
  defmodule MLflow.Store.Ash.Options do
    @moduledoc false
    # The options of the store, checked against the resources that they name, so that what is missing
    # shows when the instance starts.

    alias Ash.Resource.Info
    alias MLflow.Trackable.Fields

    defstruct [:tables, :trial, :trial_actions, :model_run, :model_run_actions, :call]

    @type t :: %__MODULE__{
            tables: %{atom => module},
            trial: module,
            trial_actions: %{atom => atom | nil},
            model_run: module | nil,
            model_run_actions: %{atom => atom | nil},
            call: keyword
          }

    # option, table, what the resource uses, its attributes that tell whether it does
    @ours [
      {:experiment, :experiments, "MLflow.Ash.Experiment", [:mlflow_experiment_id, :synced_at]},
      {:run, :runs, "MLflow.Ash.Run",
       [:mlflow_run_id, :model_trial_id, :base, :latest, :local_seq]},
      {:point, :points, "MLflow.Ash.Point", [:run_record_id, :seq, :is_nan]},
      {:attempt, :attempts, "MLflow.Ash.SyncAttempt", [:instance, :target, :duration_ms]},
      {:conflict, :conflicts, "MLflow.Ash.Conflict", [:attempt_id, :winner]}
    ]

    @options Enum.map(@ours, &elem(&1, 0)) ++ [:trial, :model_run, :actor, :tenant, :authorize?]
    @trial_actions [update: :update, link: :update, report: :update, create: :create]
    @model_run_actions [create: :create, update: :update]

    @spec new(keyword) :: t
    def new(options) do
      Enum.each(Keyword.keys(options), &known!(&1, @options, "MLflow.Store.Ash"))

      tables =
        Map.new(@ours, fn {option, table, _, _} = ours ->
          {table, ours!(ours, options[option])}
        end)

      {trial, trial_actions} = trial!(options[:trial])
      {model_run, model_run_actions} = model_run!(options[:model_run])

      %__MODULE__{
        tables: tables,
        trial: trial,
        trial_actions: trial_actions,
        model_run: model_run,
        model_run_actions: model_run_actions,
        call: [
          actor: options[:actor],
          tenant: options[:tenant],
          authorize?: Keyword.get(options, :authorize?, true)
        ]
      }
      |> tenant!(options)
    end

    defp ours!({option, _table, uses, attributes}, resource) do
      resource!(resource, option, "a resource with `use #{uses}, …`")
      Enum.each(attributes, &attribute!(resource, &1, "`use #{uses}, …` brings it"))

      for {action, type} <- [create: :create, sync: :update],
          do: action!(resource, action, type, "`use #{uses}, …` brings it")

      for type <- [:read, :destroy], do: primary!(resource, type)
      resource
    end

    defp trial!(given) do
      {resource, actions} = with_actions!(given, :trial, @trial_actions)
      resource!(resource, :trial, "the resource of your trials")
      primary!(resource, :read)

      Info.relationship(resource, :mlflow_run) ||
        mistaken(
          "#{inspect(resource)} has no relationship :mlflow_run: add " <>
            "`use MLflow.Ash.Trial, run: …` below its `use Ash.Resource`"
        )

      primary = with %{name: name} <- Info.primary_action(resource, :update), do: name
      actions = Map.put_new(actions, :update, primary)
      {resource, actions |> Map.put_new(:link, actions.update) |> Map.put_new(:report, primary)}
    end

    defp model_run!(nil), do: {nil, %{}}

    defp model_run!(given) do
      {resource, actions} = with_actions!(given, :model_run, @model_run_actions)
      resource!(resource, :model_run, "the resource of your searches")
      primary!(resource, :read)
      {resource, actions}
    end

    defp with_actions!({resource, actions}, option, known) do
      (is_list(actions) && Keyword.keyword?(actions)) ||
        mistaken(
          "#{option}: is a resource or {resource, actions}, got #{inspect({resource, actions})}"
        )

      resource!(resource, option, "a resource of yours")

      for {role, action} <- actions do
        known!(role, Keyword.keys(known), "#{option}:")
        action!(resource, action, known[role], "#{option}: names it as #{role}:")
      end

      {resource, Map.new(actions)}
    end

    defp with_actions!(resource, _option, _known), do: {resource, %{}}

    defp resource!(nil, option, what),
      do: mistaken("MLflow.Store.Ash needs #{option}:, #{what}")

    defp resource!(resource, option, what) do
      (is_atom(resource) and Code.ensure_loaded?(resource) and
         Spark.Dsl.is?(resource, Ash.Resource)) ||
        mistaken("#{option}: is #{what}, and #{inspect(resource)} is no Ash resource")
    end

    defp attribute!(resource, name, help) do
      Info.attribute(resource, name) ||
        mistaken("#{inspect(resource)} has no attribute #{inspect(name)}: #{help}")
    end

    defp action!(resource, name, type, help) do
      case Info.action(resource, name) do
        %{type: ^type} ->
          :ok

        nil ->
          mistaken(
            "#{inspect(resource)} has no action #{inspect(name)}: #{help}" <>
              nearest(resource, name, type)
          )

        %{type: other} ->
          mistaken(
            "#{inspect(name)} of #{inspect(resource)} is a #{other} action, not one to #{type}: #{help}"
          )
      end
    end

    defp nearest(resource, name, type) do
      case for %{type: ^type, name: action} <- Info.actions(resource), do: action do
        [] -> ""
        actions -> "; did you mean #{inspect(alike(name, actions))}?"
      end
    end

    defp primary!(resource, type) do
      Info.primary_action(resource, type) ||
        mistaken(
          "#{inspect(resource)} has no primary #{type} action: give it one, such as " <>
            "`defaults [#{inspect(type)}]`"
        )
    end

    defp tenant!(%{call: call} = handle, options) do
      for resource <- [handle.trial, handle.model_run | Map.values(handle.tables)],
          resource != nil,
          Info.multitenancy_strategy(resource) != nil,
          not Info.multitenancy_global?(resource),
          call[:tenant] == nil do
        mistaken(
          "#{inspect(resource)} is multitenant: give the store a tenant:, one instance for each"
        )
      end

      is_boolean(Keyword.get(options, :authorize?, true)) ||
        mistaken("authorize?: is true or false, got #{inspect(options[:authorize?])}")

      handle
    end

    defp known!(option, options, of) do
      option in options ||
        mistaken(
          "unknown option #{inspect(option)} for #{of}; did you mean #{inspect(alike(option, options))}?"
        )
    end

    defp alike(name, names), do: Enum.max_by(names, &String.jaro_distance("#{&1}", "#{name}"))

    @spec mistaken(String.t()) :: no_return
    defp mistaken(message), do: raise(ArgumentError, message)

    @doc "What the fields of the host's trials are called."
    @spec fields(t) :: Fields.t()
    def fields(%__MODULE__{trial: trial}), do: trial |> struct() |> Fields.of()
  end
end
