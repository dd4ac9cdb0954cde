defmodule MLflow.CLI.Sync do
  @moduledoc false
  # `mix mlflow.sync`, but for Mix: reads the command line, has the work done and answers the exit
  # status.

  alias MLflow.{Error, Instance}
  alias MLflow.CLI.{Advice, Options, Output, Progress, Session, Text}
  alias MLflow.CLI.Sync.{Plans, Report, Targets, Work}

  @switches [
    trial: [:string, :keep],
    experiment: [:string, :keep],
    all: :boolean,
    dry_run: :boolean,
    instance: :string,
    tracking_uri: :string,
    database: :string,
    timeout: :integer,
    quiet: :boolean,
    json: :boolean
  ]

  @done 0
  @failed 1
  @misused 2

  @help """
  Brings trials and MLflow's runs in step, now.

      mix mlflow.sync --all                          # all that wants a sync
      mix mlflow.sync --trial t1 --trial t2          # two trials, to MLflow
      mix mlflow.sync --experiment iris --dry-run    # what would happen, and nothing does

  ## What to sync

    * `--trial ID` - a trial, by its `id` or `trial_id`, to MLflow; may be repeated
    * `--experiment ID_OR_NAME` - a whole experiment, both ways; may be repeated
    * `--all` - every trial that is new, unfinished, changed or failed to sync, then the default
      experiment and every other that is known here

  ## How

    * `--dry-run` - show field by field what would be done, and write nothing, neither here nor to
      MLflow
    * `--timeout SECONDS` - stop after that long; what is not done by then counts as failed
    * `--quiet` - say nothing but conflicts and errors
    * `--json` - end with one line of output that is a JSON object, and say nothing else
    * `--help` - show this

  ## Where

    * `--tracking-uri URI`, `--database PATH` - another server or database than is configured; a
      database belongs to one server
    * `--instance NAME` - start the application, and use its instance of this name (such as
      `MyApp.MLflow`) with its settings

  Without `--instance` the task has the settings of the default instance, from `config
  :mlflow_sync` and the environment, and the application is not started (unless a `store:` or a
  `token:` of its own says that it must be). Nothing is queued and no job is run: the task works
  beside a running application, and what both are at is done once.

  ## What it answers

  The exit status is 0 when all went well, 1 when something failed and 2 when the options make no
  sense. What failed can be tried again by running the task again; what was done is not done twice.
  It may be stopped at any time: what was under way then, the next run mends. SIGTERM ends it with
  143. Ctrl-C is the VM's: it brings up a menu, and once more ends the VM, with status 0. With
  `ELIXIR_ERL_OPTIONS=+Bd` it ends the task at once, as an interrupted command ends.
  """

  @doc "The task's help, which is its documentation too."
  def help, do: @help

  @doc """
  Runs the task and answers its exit status. `prepare`, as `MLflow.CLI.Host.prepare/1`, is
  called before anything of the application is needed.
  """
  @spec run([String.t()], (keyword -> :ok | {:error, String.t()}), Output.t()) :: 0..2
  def run(args, prepare, output \\ Output.standard()) do
    with {:ok, options} <- Options.parse(args, @switches),
         :ok <- check(options),
         silent? = options[:quiet] == true or options[:json] == true,
         where = [instance: options[:instance], settings: settings(options)],
         :ok <- prepare.([quiet: silent?] ++ where) do
      output |> sync(options, silent?) |> answer(output, options)
    else
      :help -> Output.puts(output, @help) && @done
      {:error, message} -> misused(output, message)
    end
  end

  defp check(options) do
    settings = settings(options)

    cond do
      not Enum.any?([:trial, :experiment, :all], &options[&1]) ->
        {:error, "what is there to sync? Give --trial ID, --experiment ID_OR_NAME or --all"}

      options[:instance] != nil and settings != [] ->
        {:error, "an --instance has its own settings: leave out --tracking-uri and --database"}

      true ->
        :ok
    end
  end

  defp settings(options), do: Keyword.take(options, [:tracking_uri, :database])

  defp misused(output, message) do
    Output.error(output, message, "mix help mlflow.sync, or --help, shows the options")
    @misused
  end

  defp sync(output, options, silent?) do
    name = options[:instance] && Module.concat([options[:instance]])

    where = [instance: name, settings: settings(options), create?: !options[:dry_run]]

    with {:ok, session} <- Session.open(where) do
      try do
        with {:ok, instance} <- Instance.fetch_enabled(name: session.instance.name),
             {:ok, targets} <- Targets.choose(instance, options) do
          {:ok, work(instance, targets, options, unless(silent?, do: output))}
        end
      after
        Session.close(session)
      end
    end
  end

  defp work(instance, targets, options, progress_output) do
    action = if options[:dry_run], do: :plan, else: :sync
    began = now()
    deadline = if options[:timeout], do: began + options[:timeout] * 1_000
    if progress_output, do: announce(progress_output, instance, targets, action)
    progress = Progress.new(progress_output, length(targets))
    {outcomes, progress} = Work.carry_out(instance, action, targets, deadline, progress)
    Progress.close(progress)
    %{outcomes: outcomes, ms: now() - began, tracking_uri: instance.config.tracking_uri}
  end

  # A server that does not answer is waited for, and one should know which.
  defp announce(output, instance, targets, action) do
    doing = if action == :plan, do: "Comparing", else: "Syncing"
    targets = Text.count(length(targets), "target")
    Output.warn(output, "#{doing} #{targets} with #{instance.config.tracking_uri}")
  end

  defp answer({:ok, result}, output, options) do
    report = if options[:dry_run], do: Plans, else: Report

    if options[:json],
      do: Output.json(output, report.to_map(result)),
      else: report.print(output, result, options[:quiet] == true)

    if Enum.any?(result.outcomes, &Work.failed?/1), do: @failed, else: @done
  end

  defp answer({:error, %Error{} = error}, output, options) do
    if options[:json],
      do: Output.json(output, %{"ok" => false, "error" => Error.to_map(error)}),
      else: Output.error(output, Exception.message(error), Advice.of(error))

    @failed
  end

  defp now, do: System.monotonic_time(:millisecond)
end
