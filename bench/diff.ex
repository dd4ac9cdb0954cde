defmodule Bench.Diff do
  @moduledoc "How fast the engine compares trials with their runs, on one core, without the BEAM."

  alias Bench.{Cargo, Stats}

  def title, do: "diff: trials compared with their runs, on one core"

  def run(_context) do
    rows =
      for {what, count, seconds, per_second} <- Cargo.bench("diff") do
        [what, "#{round(count)}", Stats.format(seconds, 3), "#{round(per_second)}"]
      end

    [["", "count", "seconds", "per second"] | rows]
  end
end
