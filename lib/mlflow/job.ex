defmodule MLflow.Job do
  @moduledoc """
  A job of the embedded queue.

  `state` is one of `:scheduled` (waits for its time), `:available`, `:executing`, `:retryable`
  (failed, waits for its next attempt), `:completed`, `:cancelled` (trying again cannot help) and
  `:discarded` (out of attempts). `errors` holds one map per failed attempt (`"attempt"`, `"at"`
  in ms, `"kind"`, `"message"`), `result` what a completed job reports. `priority` runs from 0,
  the most urgent, to 9.

  `conflict?` says that an equal job was waiting already, and that this is it.
  """

  @states [:scheduled, :available, :executing, :retryable, :completed, :cancelled, :discarded]

  @type state ::
          :scheduled
          | :available
          | :executing
          | :retryable
          | :completed
          | :cancelled
          | :discarded

  @type t :: %__MODULE__{
          id: pos_integer,
          action: String.t(),
          args: map,
          state: state,
          priority: 0..9,
          attempt: non_neg_integer,
          max_attempts: pos_integer,
          errors: [map],
          result: map | nil,
          scheduled_at: DateTime.t(),
          inserted_at: DateTime.t(),
          attempted_at: DateTime.t() | nil,
          finished_at: DateTime.t() | nil,
          conflict?: boolean
        }

  defstruct [
    :id,
    :action,
    :args,
    :state,
    :priority,
    :attempt,
    :max_attempts,
    :errors,
    :result,
    :scheduled_at,
    :inserted_at,
    :attempted_at,
    :finished_at,
    conflict?: false
  ]

  @doc "The states there are."
  @spec states() :: [state]
  def states, do: @states

  @doc "Whether nothing more will happen to the job by itself."
  @spec finished?(t) :: boolean
  def finished?(%__MODULE__{state: state}), do: state in [:completed, :cancelled, :discarded]

  @times ~w(scheduled_at inserted_at attempted_at finished_at)a

  @doc false
  def load(nil), do: nil

  def load(row) do
    fields = Map.keys(%__MODULE__{}) -- [:__struct__, :conflict?]
    struct(__MODULE__, Map.new(fields, &{&1, load_field(&1, row[Atom.to_string(&1)])}))
  end

  defp load_field(_field, nil), do: nil
  defp load_field(field, ms) when field in @times, do: DateTime.from_unix!(ms, :millisecond)
  defp load_field(:state, name), do: Enum.find(@states, &(Atom.to_string(&1) == name))
  defp load_field(_field, value), do: value
end
