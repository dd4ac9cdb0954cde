defmodule MLflow.Contracts do
  @moduledoc """
  The training bridge's contracts, as structs of the shape that its host defines.
  """

  defmodule RunStartedV1 do
    @moduledoc false
    defstruct ~w(run_id dataset_id search_space objective pulse_id budget parameters tau
                 correlation_id timestamp extra)a
  end

  defmodule TrialReportedV1 do
    @moduledoc false
    defstruct ~w(trial_id run_id pulse_id candidate_id status metrics parameters artifact_uri
                 duration_ms rank warnings spectral_norm mlflow_run_id)a
  end

  defmodule RunFinalizedV1 do
    @moduledoc false
    defstruct ~w(run_id pulse_id status metrics best_trial_id duration_ms returncode artifact_refs
                 warnings stdout_excerpt payload)a
  end
end
