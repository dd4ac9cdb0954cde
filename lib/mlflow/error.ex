defmodule MLflow.Error do
  @moduledoc """
  The one error that every function of this library returns.

  Its `kind` tells what to do next, so that callers and job queues need not read messages:

  | kind | what happened | retryable |
  |---|---|---|
  | `:connect` | the request never left: refused, unknown host, proxy unreachable, or the circuit is open (see `MLflow.Client.limits/1`) | yes |
  | `:tls` | TLS could not be agreed on | no |
  | `:connection_lost` | the connection broke after the request left; its outcome is unknown | yes |
  | `:timeout` | no answer before the deadline; the outcome is unknown | yes |
  | `:unauthenticated` | no or wrong credentials (401), or no token to be had | no |
  | `:forbidden` | the credentials do not suffice (403) | no |
  | `:not_found` | no such experiment, run, trial or endpoint (404) | no |
  | `:invalid` | the request's content was refused, here or by the server (400) | no |
  | `:already_exists` | the name is taken | no |
  | `:conflict` | another change, or another worker, got there first (409) | yes |
  | `:rate_limited` | too many requests (429), or held back because of that; see `retry_after` | yes |
  | `:unavailable` | the server is there but not able now (502, 503, 504) | yes |
  | `:server` | the server failed (any other 5xx) | yes |
  | `:not_mlflow` | what answered does not speak MLflow's API | yes |
  | `:bad_response` | an MLflow answer that is cut short or malformed | yes |
  | `:disabled` | the instance is switched off (`enabled: false`) | no |
  | `:config` | the configuration does not make sense | no |
  | `:store` | the local database could not be read or written | yes |
  | `:overloaded` | more work than the store's buffer holds | yes |
  | `:canceled` | given up because its caller went away | yes |
  | `:crashed` | a job's own code raised | yes |
  | `:bug` | ours to mend | no |

      iex> {:error, %MLflow.Error{kind: :not_found} = error} = MLflow.Client.get_run(run_id)
      iex> Exception.message(error)
      "runs/get: Run with id=… not found"
  """

  @type kind ::
          :connect
          | :tls
          | :connection_lost
          | :timeout
          | :unauthenticated
          | :forbidden
          | :not_found
          | :invalid
          | :already_exists
          | :conflict
          | :rate_limited
          | :unavailable
          | :server
          | :not_mlflow
          | :bad_response
          | :disabled
          | :config
          | :store
          | :overloaded
          | :canceled
          | :crashed
          | :bug

  @typedoc """
    * `operation` - what was tried: MLflow's endpoint (`"runs/create"`) or a part of this library
    * `message` - what went wrong and, where that is known, what to do
    * `status` - the HTTP status, when there was an answer
    * `code` - MLflow's own `error_code`
    * `retry_after` - how long the server asked to be left alone, or until it is looked for again
      while it does not answer at all, in ms
    * `retryable` - whether the same call may succeed later with nothing changed
    * `attempts` - how many times the request was sent
  """
  @type t :: %__MODULE__{
          kind: kind,
          operation: String.t(),
          message: String.t(),
          status: pos_integer | nil,
          code: String.t() | nil,
          retry_after: non_neg_integer | nil,
          retryable: boolean,
          attempts: non_neg_integer
        }

  # Job tables keep an error as it is inspected, for people to read.
  @derive {Inspect, optional: [:operation, :status, :code, :retry_after, :retryable, :attempts]}
  defexception kind: :bug,
               operation: "",
               message: "",
               status: nil,
               code: nil,
               retry_after: nil,
               retryable: false,
               attempts: 0

  @impl true
  def message(%__MODULE__{operation: "", message: message}), do: message
  def message(%__MODULE__{operation: operation, message: message}), do: "#{operation}: #{message}"

  @doc false
  def new(kind, operation, message, fields \\ []) do
    struct!(__MODULE__, [kind: kind, operation: operation, message: message] ++ fields)
  end

  @doc false
  def bang!(:ok), do: :ok
  def bang!({:ok, value}), do: value
  def bang!({:error, %__MODULE__{} = error}), do: raise(error)

  @doc false
  # What becomes of an attempt that ended with this error: a later one, one after the time that was
  # asked for, or none.
  @spec verdict(t) :: :error | :snooze | :cancel
  def verdict(%__MODULE__{retry_after: ms}) when ms != nil, do: :snooze
  def verdict(%__MODULE__{retryable: true}), do: :error
  def verdict(%__MODULE__{}), do: :cancel

  @doc false
  # What a job keeps of its error: JSON-ready, and read back by `from_map/1`.
  def to_map(%__MODULE__{} = error) do
    %{
      "kind" => Atom.to_string(error.kind),
      "message" => message(error),
      "retryable" => error.retryable
    }
  end

  @kinds ~w(connect tls connection_lost timeout unauthenticated forbidden not_found invalid
            already_exists conflict rate_limited unavailable server not_mlflow bad_response
            disabled config store overloaded canceled crashed bug)a

  @doc false
  def from_map(%{"message" => message} = map) do
    kind = Enum.find(@kinds, :bug, &(Atom.to_string(&1) == map["kind"]))
    new(kind, "", message, retryable: map["retryable"] == true)
  end
end
