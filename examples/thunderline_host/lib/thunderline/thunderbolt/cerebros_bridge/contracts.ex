defmodule Thunderline.Thunderbolt.CerebrosBridge.Contracts do
  @moduledoc "What the training bridge hands over."

  defmodule RunStartedV1 do
    @moduledoc "A search began."
    defstruct ~w(run_id dataset_id search_space objective pulse_id budget parameters tau
                 correlation_id timestamp extra)a
  end

  defmodule TrialReportedV1 do
    @moduledoc "A trial ended."
    defstruct ~w(trial_id run_id pulse_id candidate_id status metrics parameters artifact_uri
                 duration_ms rank warnings spectral_norm mlflow_run_id)a
  end

  defmodule RunFinalizedV1 do
    @moduledoc "A search ended."
    defstruct ~w(run_id pulse_id status metrics best_trial_id duration_ms returncode artifact_refs
                 warnings stdout_excerpt payload)a
  end
end
