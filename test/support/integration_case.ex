defmodule MLflow.IntegrationCase do
  @moduledoc """
  Tests on whole servers, each of which must do the same: what stands in `each_server` runs once on
  the embedded one, and, tagged `:integration`, on each real MLflow server:

      each_server do
        test "answers its version", %{name: name, version: version} do
          assert {:ok, ^version} = MLflow.Client.version(name: name)
        end
      end
  """

  use ExUnit.CaseTemplate

  import ExUnit.Assertions

  using do
    quote do
      import MLflow.Case
      import MLflow.IntegrationCase
      # A loaded machine answers late, which is no failure of the client.
      @moduletag timeout: 180_000
    end
  end

  defmacro each_server(do: block) do
    quote do
      describe "on the embedded server:" do
        @describetag mlflow: :embedded
        unquote(block)
      end

      each_real_server(do: unquote(block))
    end
  end

  defmacro each_real_server(do: block) do
    for version <- MLflow.Servers.versions() do
      quote do
        describe unquote("on MLflow #{version}:") do
          @describetag :integration
          @describetag mlflow: unquote(version)
          unquote(block)
        end
      end
    end
  end

  setup %{mlflow: server} do
    uri = if server == :embedded, do: embedded_server(), else: MLflow.Servers.uri!(server)
    experiment = MLflow.Case.unique("mlflow_sync test ")

    name =
      MLflow.Case.start_instance(
        tracking_uri: uri,
        default_experiment: experiment,
        request_timeout: 30_000,
        total_timeout: 60_000,
        max_retries: 3
      )

    # The embedded server answers as this version.
    version = if server == :embedded, do: "3.17.2", else: server
    %{name: name, uri: uri, version: version, default_experiment: experiment}
  end

  @doc """
  Runs the short form of a proof, and fails with what does not hold. What is random in it follows
  from the seed of the test run.
  """
  def prove!(proof, uri) do
    directory = MLflow.Case.tmp_path("proof")
    seed = ExUnit.configuration()[:seed]
    # Only proofs that start a real server, or another process, need one.
    python = MLflow.Servers.python()
    context = Prove.Context.new(uri, directory, seed, python)
    outcome = proof.run(context, proof.size(:short))
    assert outcome.problems == [], "with --seed #{seed}, this does not hold: #{inspect(outcome)}"
    outcome
  end

  @doc "The address of a server of our own, which ends with the test."
  def embedded_server do
    name = MLflow.Case.unique_name()
    directory = MLflow.Case.tmp_path("server")
    File.mkdir_p!(directory)

    ExUnit.Callbacks.start_supervised!(
      {MLflow.Server,
       name: name,
       port: 0,
       database: Path.join(directory, "mlflow.db"),
       artifacts: Path.join(directory, "artifacts")}
    )

    {:ok, uri} = MLflow.Server.uri(name)
    uri
  end

  @doc "A new experiment's id."
  def new_experiment(name) do
    {:ok, experiment} =
      MLflow.Client.create_experiment(MLflow.Case.unique("mlflow_sync test "), name: name)

    experiment.experiment_id
  end

  @doc "A new run's id, in a new experiment."
  def new_run(name) do
    {:ok, run} = MLflow.Client.create_run(new_experiment(name), name: name)
    run.run_id
  end
end
