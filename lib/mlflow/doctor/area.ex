defmodule MLflow.Doctor.Area do
  @moduledoc false
  # One part of what is looked at. What it learned that the others need goes into the context.

  alias MLflow.Doctor.{Context, Finding}

  @callback examine(Context.t()) :: {[Finding.t()], Context.t()}
end
