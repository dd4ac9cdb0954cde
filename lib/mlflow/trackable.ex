defprotocol MLflow.Trackable do
  @moduledoc """
  How a record of yours becomes an `MLflow.Trial`.

  Both shapes of Thunderline's trials are served by `MLflow.ModelTrial`; a record of your own
  needs one function:

      defimpl MLflow.Trackable, for: MyApp.Training do
        def to_trial(training) do
          %MLflow.Trial{
            id: training.id,
            name: training.title,
            status: if(training.done?, do: :finished, else: :running),
            params: %{"lr" => to_string(training.lr)}
          }
        end
      end
  """

  @doc "The trial in MLflow's terms."
  @spec to_trial(t) :: MLflow.Trial.t()
  def to_trial(record)
end
