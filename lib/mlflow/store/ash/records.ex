if Code.ensure_loaded?(Ash) do
  defmodule MLflow.Store.Ash.Records do
    @moduledoc false
    # The host's own trials and searches: what may be written of them, and writing it by the actions that
    # the host named.

    alias Ash.Resource.Info
    alias MLflow.Store.Ash.{Failure, Options, Rows}

    @times [:utc_datetime, :utc_datetime_usec, :naive_datetime]

    @doc "A text as a value of an attribute."
    def cast(resource, field, text) do
      with %{type: type, constraints: constraints} <- Info.attribute(resource, field),
           true <- speakable?(text),
           {:ok, value} <- Ash.Type.cast_input(type, text, constraints),
           {:ok, value} <- Ash.Type.apply_constraints(type, value, constraints) do
        {:ok, value}
      else
        _ -> :error
      end
    end

    # No database keeps what is not text.
    defp speakable?(text) when is_binary(text),
      do: String.valid?(text) and not String.contains?(text, <<0>>)

    defp speakable?(_value), do: true

    @spec trial_fields(Options.t()) :: map
    def trial_fields(%Options{trial: trial} = handle) do
      all = for %{name: name} <- Info.attributes(trial), do: name
      fields = Options.fields(handle)

      %{
        all: all,
        writable: accepted(trial, handle.trial_actions.update),
        key: key(trial),
        trial_id: known(fields.trial_id, all),
        model_run_id: known(fields.model_run_id, all)
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
      changes = changes |> Map.take(accepted(trial, action)) |> fitting(trial)

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
      attrs = attrs |> Map.take(accepted(resource, action)) |> fitting(resource)

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
        |> fitting(resource)

      if changes == %{},
        do: {:ok, record},
        else: update(handle, resource, record, changes, actions[:update])
    end

    # A status that the host's trials cannot have is not written, and a time is what the attribute takes.
    defp fitting(changes, resource) do
      for {field, value} <- changes,
          value = in_time(Info.attribute(resource, field), value),
          fits?(resource, field, value),
          into: %{},
          do: {field, value}
    end

    defp fits?(_resource, _field, nil), do: true

    defp fits?(resource, field, value) when is_atom(value) and not is_boolean(value),
      do: cast(resource, field, value) != :error

    defp fits?(_resource, _field, _value), do: true

    defp in_time(attribute, ms) when is_integer(ms) do
      if Ash.Type.storage_type(attribute.type, attribute.constraints) in @times,
        do: DateTime.from_unix!(ms, :millisecond),
        else: ms
    end

    defp in_time(_attribute, value), do: value
  end
end
