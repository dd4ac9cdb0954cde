defprotocol MLflow.Trackable do
  @moduledoc """
  How a record of yours becomes an `MLflow.Trial`.

  A struct or Ash record that has the fields of Thunderline's trials, in either of their shapes (see
  `MLflow.ModelTrial`), needs nothing. One whose fields are called otherwise derives the protocol and
  names them:

      defmodule MyApp.Training do
        @derive {MLflow.Trackable,
                 name: :title, status: :state, statuses: [done: :finished, broken: :failed],
                 params: [:config, :seed], metrics: [:scores, :loss]}
        defstruct [:id, :title, :state, :config, :seed, :scores, :loss]
      end

  or, for a module that is defined elsewhere, such as an Ash resource,

      require Protocol
      Protocol.derive(MLflow.Trackable, MyApp.Training, name: :title)

  Anything else is an implementation of one function:

      defimpl MLflow.Trackable, for: MyApp.Training do
        def to_trial(training) do
          %MLflow.Trial{
            id: training.id,
            name: training.title,
            status: if(training.done?, do: :finished, else: :running),
            params: %{"lr" => to_string(training.lr)},
            points: [{"loss", training.loss, nil, nil}]
          }
        end
      end

  ## Options of the derivation

  `MLflow.Trackable.Fields` lists them. Each names a field; those that are not given have
  Thunderline's names where the struct has such fields.

  A store over your own tables asks for the trial whenever it syncs. The `points` that the record
  itself tells, `{key, value, step, timestamp}` with `nil` for a step or time that it does not know,
  are recorded then, once, with the time they keep.
  """

  @fallback_to_any true

  @doc "The trial in MLflow's terms."
  @spec to_trial(t) :: MLflow.Trial.t()
  def to_trial(record)
end

defimpl MLflow.Trackable, for: Any do
  alias MLflow.Trackable.{Fields, Record}

  defmacro __deriving__(module, struct, options) do
    fields = Fields.new(options, Map.keys(struct), module)

    quote do
      defimpl MLflow.Trackable, for: unquote(module) do
        def to_trial(record), do: MLflow.Trackable.Record.to_trial(record, __fields__())
        def __fields__, do: unquote(Macro.escape(fields))
      end
    end
  end

  def to_trial(record) do
    Fields.thunderline?(record) || raise ArgumentError, unknown(record)
    Record.to_trial(record, Fields.thunderline())
  end

  defp unknown(%module{}) do
    "#{inspect(module)} is no trial that MLflow knows: it has not Thunderline's fields (:status, and " <>
      ":metrics, :parameters or :hyperparameters); derive or implement MLflow.Trackable for it"
  end

  defp unknown(other), do: "a trial is a struct, got #{inspect(other)}"
end
