if Code.ensure_loaded?(Igniter) do
  defmodule Mix.Tasks.MlflowSync.Install do
    @shortdoc "Wires MLflow into an application that has Ecto or Ash, and Oban"

    @moduledoc """
    #{@shortdoc}.

        mix igniter.install mlflow_sync --trial MyApp.Trial
        mix mlflow_sync.install --trial MyApp.Training.ModelTrial --domain MyApp.Training

    Puts the instance into the application's supervision tree, between its repo and its Oban, and
    generates the migration of the tables. With `--domain`, an Ash domain, it also defines the five
    resources beside the trial, and registers them.

    Without `--trial` there is nothing to wire: trials and jobs are kept in the embedded store.

    ## Options

      * `--trial` - the Ecto schema or Ash resource of the trials
      * `--model-run` - that of the searches they belong to
      * `--domain` - the Ash domain of the trials, where they are an Ash resource
      * `--repo` - the repo; default: the application's only one
    """

    use Igniter.Mix.Task

    alias Sourceror.Zipper

    @options [:trial, :model_run, :domain, :repo]

    @resources [
      Experiment: [:model_run, :run],
      Run: [:experiment, :trial, :model_run],
      Point: [:run],
      SyncAttempt: [],
      Conflict: [:attempt]
    ]

    @impl Igniter.Mix.Task
    def info(_argv, _composing_task) do
      %Igniter.Mix.Task.Info{
        group: :mlflow_sync,
        example: "mix mlflow_sync.install --trial MyApp.Trial",
        schema: Enum.map(@options, &{&1, :string})
      }
    end

    @impl Igniter.Mix.Task
    def igniter(igniter) do
      # Igniter's own options are among them.
      options = igniter.args.options |> Keyword.take(@options) |> Map.new(&parse/1)

      if options[:trial],
        do: wire(igniter, options),
        else: Igniter.add_notice(igniter, embedded())
    end

    defp wire(igniter, options) do
      case missing(options) || repo(igniter, options) do
        missing when is_binary(missing) ->
          Igniter.add_issue(igniter, missing)

        {igniter, nil} ->
          Igniter.add_issue(igniter, "no Ecto repo was found: name it with --repo MyApp.Repo")

        {igniter, repo} ->
          options = Map.put(options, :repo, repo)

          igniter
          |> own_tree()
          |> define_resources(options)
          |> add_child(options)
          |> Igniter.Libs.Ecto.gen_migration(repo, "add_mlflow_tables",
            body: migration(),
            on_exists: :skip
          )
          |> Igniter.add_notice(next_steps(options))
      end
    end

    defp missing(options) do
      cond do
        not Code.ensure_loaded?(MLflow.Migration) ->
          "the tables need Ecto: add {:ecto_sql, \"~> 3.10\"} and {:postgrex, \">= 0.17.0\"} to the dependencies"

        options[:domain] && not Code.ensure_loaded?(Ash.Domain.Igniter) ->
          "--domain names an Ash domain, and Ash is not there: add {:ash, \"~> 3.5\"} and " <>
            "{:ash_postgres, \"~> 2.6\"} to the dependencies"

        true ->
          nil
      end
    end

    defp repo(igniter, %{repo: repo}), do: {igniter, repo}
    defp repo(igniter, _options), do: Igniter.Libs.Ecto.select_repo(igniter)

    defp own_tree(igniter) do
      Igniter.Project.Config.configure(
        igniter,
        "config.exs",
        :mlflow_sync,
        [:default_instance],
        false
      )
    end

    defp add_child(igniter, options) do
      child =
        {MLflow, {:code, quote(do: [store: unquote(store(options)), queue: unquote(queue())])}}

      igniter
      |> Igniter.Project.Application.add_new_child(child, after: [options.repo])
      |> before_oban()
    end

    # Igniter skips the child that follows those that ours is to follow, and that may be Oban.
    defp before_oban(igniter) do
      with module when module != nil <- Igniter.Project.Application.app_module(igniter),
           module = if(is_tuple(module), do: elem(module, 0), else: module),
           {:ok, igniter} <-
             Igniter.Project.Module.find_and_update_module(igniter, module, &move_child/1) do
        igniter
      else
        nil -> igniter
        {:error, igniter} -> igniter
      end
    end

    defp move_child(zipper) do
      case Zipper.find(zipper, &behind_oban?/1) do
        nil -> {:ok, zipper}
        found -> {:ok, Zipper.update(found, &put_before_oban/1)}
      end
    end

    defp behind_oban?({:__block__, _, [children]}) when is_list(children) do
      behind = Enum.drop_while(children, &(child_module(&1) != Oban))
      Enum.any?(behind, &(child_module(&1) == MLflow))
    end

    defp behind_oban?(_node), do: false

    defp put_before_oban({:__block__, meta, [children]}) do
      {[ours], others} = Enum.split_with(children, &(child_module(&1) == MLflow))
      {earlier, later} = Enum.split_while(others, &(child_module(&1) != Oban))
      {:__block__, meta, [earlier ++ [ours | later]]}
    end

    defp child_module({:__block__, _, [{{:__aliases__, _, _} = module, _options}]}),
      do: child_module(module)

    defp child_module({:__aliases__, _, [first | _] = parts}) when is_atom(first),
      do: Module.concat(parts)

    defp child_module(_child), do: nil

    defp store(%{domain: _} = options) do
      resources = for {name, _} <- @resources, do: {key(name), resource(options, name)}
      quote(do: {MLflow.Store.Ash, unquote(resources ++ host(options))})
    end

    defp store(options),
      do: quote(do: {MLflow.Store.Ecto, unquote([repo: options.repo] ++ host(options))})

    defp host(options), do: options |> Map.take([:trial, :model_run]) |> Map.to_list()

    defp queue,
      do: if(Code.ensure_loaded?(Oban), do: MLflow.Queue.Oban, else: MLflow.Queue.Embedded)

    defp define_resources(igniter, %{domain: domain} = options) do
      Enum.reduce(@resources, igniter, fn {name, references}, igniter ->
        resource = resource(options, name)

        igniter
        |> Igniter.Project.Module.find_and_update_or_create_module(
          resource,
          definition(name, references, options),
          &{:ok, &1}
        )
        |> register(domain, resource)
      end)
    end

    defp define_resources(igniter, _options), do: igniter

    # A host may have Igniter without Ash, or without Ecto.
    defp register(igniter, domain, resource),
      do: apply(Ash.Domain.Igniter, :add_resource_reference, [igniter, domain, resource])

    defp definition(name, references, options) do
      given = Map.take(options, [:domain, :repo, :trial, :model_run])
      ours = for {other, _} <- @resources, into: %{}, do: {key(other), resource(options, other)}
      references = Map.take(Map.merge(given, ours), [:domain, :repo | references])

      lines =
        Enum.map_join(references, ",\n  ", fn {key, module} -> "#{key}: #{inspect(module)}" end)

      "use MLflow.Ash.#{name},\n  #{lines}\n"
    end

    defp key(:SyncAttempt), do: :attempt
    defp key(name), do: name |> Atom.to_string() |> Macro.underscore() |> String.to_atom()

    # Beside the trial: `MyApp.Training.ModelTrial` gives `MyApp.Training.MLflow.Run`.
    defp resource(%{trial: trial}, name) do
      trial
      |> Module.split()
      |> List.replace_at(-1, "MLflow")
      |> Module.concat()
      |> Module.concat(name)
    end

    defp migration do
      """
      def up, do: MLflow.Migration.up(version: #{apply(MLflow.Migration, :current_version, [])})

      def down, do: MLflow.Migration.down(version: 1)
      """
    end

    defp parse({option, name}), do: {option, Igniter.Project.Module.parse(name)}

    defp embedded do
      """
      MLflow works as it is: trials and jobs are kept in mlflow_sync.db. Set MLFLOW_TRACKING_URI, and
      try MLflow.Client.health() in IEx. To keep them in your own tables, run
      mix mlflow_sync.install --trial MyApp.Trial.
      """
    end

    defp next_steps(options) do
      """
      Next: add `mlflow_sync: 8` to the queues of your Oban#{if options[:domain], do: ", add `use MLflow.Ash.Trial, run: #{inspect(resource(options, :Run))}` to #{inspect(options.trial)}"},
      name the tables in the migration where foreign keys are wanted (trials:, model_runs:), and run
      mix ecto.migrate.
      """
    end
  end
end
