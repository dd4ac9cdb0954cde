defmodule Prove.Context do
  @moduledoc "Where a proof runs, and what it calls its own."

  @doc """
  Names, a store and an experiment that no other proof uses.

    * `uri` - the MLflow server
    * `directory` - for the store
    * `seed` - of all that is random
    * `python` - one that has MLflow, for proofs that start a server, or a process that is no VM
  """
  @spec new(String.t(), Path.t(), integer, Path.t()) :: map
  def new(uri, directory, seed, python) do
    File.mkdir_p!(directory)
    unique = "#{System.os_time(:microsecond)}x#{System.unique_integer([:positive])}"

    %{
      uri: uri,
      directory: directory,
      seed: seed,
      python: python,
      name: Module.concat(Prove, "Instance#{unique}"),
      database: Path.join(directory, "trials-#{unique}.db"),
      experiment: "prove #{unique}"
    }
  end
end
