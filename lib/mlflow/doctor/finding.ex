defmodule MLflow.Doctor.Finding do
  @moduledoc """
  One thing that `MLflow.Doctor` found.

    * `area` - what was looked at: `:configuration`, `:store`, `:server`, …
    * `level` - `:ok`, `:info` (worth knowing), `:warning` (works, but look at it) or `:problem`
    * `title` - what was found, in a line
    * `detail` - more of it, or `nil`
    * `advice` - what to do about it, or `nil` where nothing is to be done
  """

  @type level :: :ok | :info | :warning | :problem

  @type t :: %__MODULE__{
          area: atom,
          level: level,
          title: String.t(),
          detail: String.t() | nil,
          advice: String.t() | nil
        }

  @enforce_keys [:area, :level, :title]
  defstruct [:area, :level, :title, :detail, :advice]

  for level <- [:ok, :info, :warning, :problem] do
    @doc false
    def unquote(level)(area, title, fields \\ []),
      do: struct!(__MODULE__, [area: area, level: unquote(level), title: title] ++ fields)
  end

  @doc false
  # An error of ours as a problem.
  def error(area, title, %MLflow.Error{} = error) do
    problem(area, title,
      detail: Exception.message(error),
      advice: MLflow.CLI.Advice.of(error)
    )
  end
end
