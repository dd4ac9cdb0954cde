defmodule Prove.Context do
  @moduledoc "Where a proof runs, and what it calls its own."

  @doc """
  Names, a store and an experiment that no other proof uses.

    * `uri` - the MLflow server
    * `directory` - for the store
    * `seed` - of all that is random
    * `command` - MLflow's own command, for proofs that start a server
  """
  @spec new(String.t(), Path.t(), integer, Path.t() | nil) :: map
  def new(uri, directory, seed, command) do
    unique = "#{System.os_time(:microsecond)}x#{System.unique_integer([:positive])}"

    %{
      uri: uri,
      directory: directory,
      seed: seed,
      command: command,
      name: Module.concat(Prove, "Instance#{unique}"),
      database: Path.join(directory, "trials-#{unique}.db"),
      experiment: "prove #{unique}"
    }
  end
end
