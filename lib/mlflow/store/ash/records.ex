if Code.ensure_loaded?(Ash) do
  defmodule MLflow.Store.Ash.Records do
    @moduledoc false
    # The host's own trials and searches: what may be written of them, and writing it by the actions that
    # the host named.

    alias Ash.Resource.Info
    alias MLflow.Store.Ash.{Failure, Options, Rows, Values}

    @spec trial_fields(Options.t()) :: map
    def trial_fields(%Options{trial: trial} = handle) do
      all = for %{name: name} <- Info.attributes(trial), do: name
      fields = Options.fields(handle)

      %{
        all: all,
        writable: accepted(trial, handle.trial_actions.update),
        key: key(trial),
        trial_id: known(fields.trial_id, all),
        model_run_id: known(fields.model_run_id, all),
        updated_at: known(fields.updated_at, all)
      }
    end

    defp known(name, names), do: if(name in names, do: name)

    defp key(resource) do
      case Info.primary_key(resource) do
        [key] -> key
        _several -> :id
      end
    end

    defp accepted(_resource, nil), do: []
    defp accepted(resource, action), do: Info.action(resource, action).accept

    @doc "Writes a trial by the action for `why`; what that does not accept is left out."
    def update_trial(%Options{trial: trial} = handle, record, changes, why) do
      action = action(handle, why)
      changes = changes |> Map.take(accepted(trial, action)) |> Values.fitting(trial)

      if action == nil or changes == %{},
        do: {:ok, record},
        else: update(handle, trial, record, changes, action)
    end

    defp action(handle, :pull), do: handle.trial_actions.update
    defp action(handle, :link), do: handle.trial_actions.link

    # Where the host writes its trials itself, so it does again.
    defp action(handle, :report), do: handle.trial_actions[:create] && handle.trial_actions.report

    defp update(handle, resource, record, changes, action) do
      Failure.guard(resource, action, fn ->
        Ash.update(record, changes, [action: action] ++ handle.call)
      end)
    end

    def create_trial(%Options{trial: trial, trial_actions: actions} = handle, attrs),
      do: create(handle, trial, attrs, actions[:create])

    defp create(_handle, _resource, _attrs, nil), do: :unsupported

    defp create(handle, resource, attrs, action) do
      attrs = attrs |> Map.take(accepted(resource, action)) |> Values.fitting(resource)

      Failure.guard(resource, action, fn ->
        Ash.create(resource, attrs, [action: action] ++ handle.call)
      end)
    end

    @doc "Keeps a search, found by its `run_id` or created, by the host's actions."
    def put_model_run(%Options{model_run: nil}, _attrs), do: :unsupported

    def put_model_run(%Options{model_run: resource, model_run_actions: actions} = handle, attrs) do
      with {:ok, found} <- find_model_run(handle, attrs.run_id),
           {:ok, record} <- put_found(handle, resource, found, attrs, actions) do
        {:ok, record |> Map.fetch!(key(resource)) |> to_string()}
      end
    end

    defp find_model_run(%Options{model_run: resource} = handle, run_id) do
      action = Info.primary_action(resource, :read).name

      Failure.guard(resource, action, fn ->
        resource |> Rows.matching(run_id: run_id) |> Rows.read(1, handle.call)
      end)
    end

    defp put_found(handle, resource, [], attrs, actions),
      do: create(handle, resource, attrs, actions[:create])

    defp put_found(handle, resource, [record], attrs, actions) do
      changes =
        attrs
        |> Map.delete(:run_id)
        |> Map.take(accepted(resource, actions[:update]))
        |> Values.fitting(resource)

      if changes == %{},
        do: {:ok, record},
        else: update(handle, resource, record, changes, actions[:update])
    end
  end
end
