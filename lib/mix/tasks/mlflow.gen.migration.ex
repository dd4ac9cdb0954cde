defmodule Mix.Tasks.Mlflow.Gen.Migration do
  @shortdoc "Writes the migration for the tables of runs in your own database"
  @moduledoc """
  Writes the Ecto migration for the tables that `MLflow.Store.Ecto` and `MLflow.Store.Ash` keep runs in.

      mix mlflow.gen.migration --trials cerebros_model_trials --model-runs cerebros_model_runs
      mix ecto.migrate

  Where the migrations have the tables already, it writes the step to the version of this release, and
  nothing where there is none. Tables `mlflow_experiments` and `mlflow_runs` of your own are upgraded in
  place: see `MLflow.Migration`.

  ## Options

    * `--repo MyApp.Repo` (`-r`) - the repo; the application's first by default
    * `--trials TABLE` - the table of your trials, for a foreign key to it
    * `--model-runs TABLE` - the same for your searches
    * `--key-type TYPE` - the type of their keys: `uuid` (the default), `bigint` or `text`
    * `--prefix SCHEMA` - the PostgreSQL schema that the tables are to be in
    * `--migrations-path PATH` - the folder of the migrations
    * `--help` (`-h`) - this text
  """

  use Mix.Task

  alias MLflow.Migration.Generator

  @switches [
    repo: :string,
    trials: :string,
    model_runs: :string,
    key_type: :string,
    prefix: :string,
    migrations_path: :string,
    help: :boolean
  ]

  @key_types ~w(uuid bigint text)

  @impl true
  def run(arguments) do
    options = parse!(arguments)

    cond do
      options[:help] -> Mix.shell().info(@moduledoc)
      not Code.ensure_loaded?(MLflow.Migration) -> Mix.raise(without_ecto())
      true -> write(options, arguments)
    end
  end

  defp parse!(arguments) do
    case OptionParser.parse(arguments, strict: @switches, aliases: [r: :repo, h: :help]) do
      {options, [], []} ->
        check_key_type!(options[:key_type])
        options

      {_options, _, [{option, _} | _]} ->
        Mix.raise(
          "mlflow.gen.migration has no option #{option}; did you mean #{nearest(option)}? See --help"
        )

      {_options, [extra | _], []} ->
        Mix.raise("mlflow.gen.migration takes no argument #{inspect(extra)}; see --help")
    end
  end

  defp nearest(option) do
    @switches
    |> Keyword.keys()
    |> Enum.map(&("--" <> String.replace("#{&1}", "_", "-")))
    |> Enum.max_by(&String.jaro_distance(&1, option))
  end

  defp check_key_type!(type) do
    type in [nil | @key_types] ||
      Mix.raise("--key-type is one of #{Enum.join(@key_types, ", ")}, got #{inspect(type)}")
  end

  defp write(options, arguments) do
    repo = repo!(options, arguments)

    options =
      options
      |> Keyword.merge(
        repo: repo,
        path: options[:migrations_path] || default_path(repo),
        current: apply(MLflow.Migration, :current_version, [])
      )

    case Generator.write(options) do
      {:ok, path} ->
        Mix.shell().info("* creating #{Path.relative_to_cwd(path)}\n\nRun it: mix ecto.migrate")

      {:nothing_to_do, version} ->
        Mix.shell().info(
          "The migrations have version #{version} already: there is nothing to do."
        )
    end
  end

  defp repo!(options, arguments) do
    case options[:repo] do
      nil ->
        arguments = Enum.reject(arguments, &String.starts_with?(&1, "-"))
        Mix.Task.run("app.config", [])
        Mix.Ecto |> apply(:parse_repo, [arguments]) |> first_repo!()

      name ->
        Mix.Task.run("app.config", [])
        Module.concat([name])
    end
  end

  defp first_repo!([repo | _]), do: repo

  defp first_repo!([]),
    do:
      Mix.raise("no repo is configured (config :my_app, ecto_repos: [...]): name it with --repo")

  defp default_path(repo) do
    if Code.ensure_loaded?(repo) and function_exported?(repo, :config, 0) do
      Path.join(apply(Mix.EctoSQL, :source_repo_priv, [repo]), "migrations")
    else
      Mix.raise("#{inspect(repo)} is no Ecto repo: check --repo, or give --migrations-path")
    end
  end

  defp without_ecto do
    "mlflow.gen.migration needs Ecto: add {:ecto_sql, \"~> 3.10\"} and {:postgrex, \">= 0.17.0\"} to the " <>
      "dependencies in mix.exs, and run mix deps.get. The embedded store needs neither"
  end
end
