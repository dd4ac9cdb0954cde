defmodule MLflow.CLI.Doctor do
  @moduledoc false
  # `mix mlflow.doctor`, but for Mix: reads the command line, has the examination made and answers
  # the exit status.

  alias MLflow.CLI.{Options, Output}
  alias MLflow.Doctor.Report

  @switches [
    instance: :string,
    tracking_uri: :string,
    database: :string,
    write_check: :boolean,
    experiment: :string,
    timeout: :integer,
    json: :boolean
  ]

  @well 0
  @problems 1
  @misused 2

  @help """
  Looks at all that a sync needs, and says what to do about what is not as it should be.

      mix mlflow.doctor                   # changes nothing, neither here nor on the server
      mix mlflow.doctor --write-check     # creates a run, logs to it, reads it back, deletes it

  It looks at the configuration (where each setting comes from; no secret shows), the VM and its
  packages, the database and its disk, the jobs, the outbox, the way to the server, the server, the
  credentials, the default experiment and the clocks. It needs none of them to be in order.

  ## Options

    * `--write-check` - try whether what a sync writes arrives. The run goes to the default
      experiment, which is created where it is missing, and is deleted again
    * `--experiment ID_OR_NAME` - where the write check does that
    * `--tracking-uri URI`, `--database PATH` - look at these instead of what is configured
    * `--instance NAME` - start the application, and look at its instance of this name (such as
      `MyApp.MLflow`)
    * `--timeout SECONDS` - for each request to the server (10); none is repeated
    * `--json` - say it all in one line that is a JSON object
    * `--help` - show this

  The exit status is 0 when nothing keeps a sync from working, 1 when there are problems and 2 when
  the options make no sense.
  """

  @doc "The task's help, which is its documentation too."
  def help, do: @help

  @doc "Runs the task and answers its exit status; `prepare` as for `MLflow.CLI.Sync.run/3`."
  @spec run([String.t()], (keyword -> :ok | {:error, String.t()}), Output.t()) :: 0..2
  def run(args, prepare, output \\ Output.standard()) do
    with {:ok, options} <- Options.parse(args, @switches),
         :ok <- check(options),
         where = [instance: options[:instance], settings: settings(options)],
         :ok <- prepare.([quiet: options[:json] == true] ++ where) do
      {verdict, findings} = options |> doctor_options() |> MLflow.Doctor.run()

      if options[:json],
        do: Output.json(output, Report.to_map(verdict, findings)),
        else: Report.print(output, findings)

      if verdict == :problems, do: @problems, else: @well
    else
      :help ->
        Output.puts(output, @help)
        @well

      {:error, message} ->
        Output.error(output, message, "mix help mlflow.doctor, or --help, shows the options")
        @misused
    end
  end

  defp settings(options), do: Keyword.take(options, [:tracking_uri, :database])

  defp check(options) do
    cond do
      options[:experiment] && !options[:write_check] ->
        {:error, "--experiment says where the write check writes: give --write-check too"}

      options[:instance] && settings(options) != [] ->
        {:error, "an --instance has its own settings: leave out --tracking-uri and --database"}

      true ->
        :ok
    end
  end

  defp doctor_options(options) do
    name = if options[:instance], do: [name: Module.concat([options[:instance]])], else: []
    timeout = if options[:timeout], do: [timeout: options[:timeout] * 1_000], else: []

    settings(options) ++ Keyword.take(options, [:write_check, :experiment]) ++ name ++ timeout
  end
end
