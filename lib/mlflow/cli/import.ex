defmodule MLflow.CLI.Import do
  @moduledoc false
  # `mix mlflow.import`, but for Mix: reads the command line, has the import made and answers the
  # exit status.

  alias MLflow.CLI.{Advice, Options, Output, Progress, Text}
  alias MLflow.{Error, Native}

  @switches [database: :string]

  @well 0
  @failed 1
  @misused 2

  @help """
  Takes over what MLflow keeps, for the embedded tracking server to serve.

      mix mlflow.import mlflow.db                      # an SQLite database of MLflow's
      mix mlflow.import mlruns --database /srv/lab.db  # or the folder of a file store

  Experiments, runs with their whole histories, datasets, logged models and the registry come, and
  keep their ids. Artifacts stay where they are, and what refers to them with them. The source is
  only read. What is there already is left as it is, so that an import may be repeated, and one that
  broke off goes on.

  ## Options

    * `--database PATH` - the server's SQLite file (mlflow_server.db), made where there is none
    * `--help` - show this

  The exit status is 0 when all has been taken over, 1 when something went wrong and 2 when the
  options make no sense.
  """

  @doc "The task's help, which is its documentation too."
  def help, do: @help

  @doc "Runs the task and answers its exit status; `prepare` as for `MLflow.CLI.Sync.run/3`."
  @spec run([String.t()], (keyword -> :ok | {:error, String.t()}), Output.t()) :: 0..2
  def run(args, prepare, output \\ Output.standard()) do
    with {:ok, options} <- Options.parse(args, @switches, :source),
         :ok <- prepare.(alone: true) do
      database = options[:database] || MLflow.Server.Settings.defaults().database
      take_over(options[:source], database, output)
    else
      :help ->
        Output.puts(output, @help)
        @well

      {:error, message} ->
        Output.error(output, message, "mix help mlflow.import, or --help, shows the options")
        @misused
    end
  end

  defp take_over(source, database, output) do
    with :ok <- check_there(source),
         {:ok, store} <- Native.store_open(database),
         imported = Native.store_import(store, source, &show(output, &1)),
         :ok <- Native.store_close(store),
         {:ok, summary} <- imported do
      Progress.close(%Progress{output: output})
      report(summary, database, output)
      @well
    else
      {:error, error} ->
        Progress.close(%Progress{output: output})
        Output.error(output, Exception.message(error), Advice.of(error))
        @failed
    end
  end

  # Before a database is made for what never comes.
  defp check_there(source) do
    if File.exists?(source) do
      :ok
    else
      message =
        "there is nothing at #{source}: give the path of MLflow's database or mlruns folder"

      {:error, Error.new(:invalid, "import", message)}
    end
  end

  # On a terminal a bar for each kind of thing; elsewhere nothing: a million runs are no news.
  defp show(output, {table, done, total}),
    do: Progress.show(%Progress{output: output, done: done, total: total}, noun(table))

  defp noun(table), do: String.replace(table, "_", " ")

  defp report(summary, database, output) do
    rows =
      for kind <- [:experiments, :runs, :logged_models, :registered_models, :model_versions] do
        %{imported: imported, present: present} = Map.fetch!(summary, kind)

        [
          noun("#{kind}"),
          "#{imported} new",
          if(present > 0, do: "#{present} there before", else: "")
        ]
      end

    rows = rows ++ [["metric points", "#{summary.metric_points} new", ""]]
    Output.heading(output, "Taken over into #{Path.expand(database)}")
    Output.puts(output, rows |> Text.columns(2) |> Enum.intersperse("\n"))

    for {old, new} <- summary.renamed,
        do: Output.puts(output, "  experiment #{Text.value(old)} is #{Text.value(new)} here")

    for {what, count} <- summary.left_out,
        do: Output.puts(output, "  left out: #{count} #{noun(what)}")
  end
end
