defmodule MLflow.Migration.Generator do
  @moduledoc false
  # The text of a migration, and which step it takes from what a folder of migrations has already.

  @type options :: [
          repo: module,
          path: String.t(),
          current: pos_integer,
          trials: String.t() | nil,
          model_runs: String.t() | nil,
          prefix: String.t() | nil,
          key_type: String.t() | nil
        ]

  @doc "Writes the next migration; answers its path, or the version that is there and needs none."
  @spec write(options) :: {:ok, Path.t()} | {:nothing_to_do, pos_integer}
  def write(options) do
    installed = installed_version(options[:path], options[:prefix])

    if installed >= options[:current] do
      {:nothing_to_do, installed}
    else
      name = name(installed, options[:current]) <> place(options[:prefix])
      path = Path.join(options[:path], "#{timestamp()}_#{name}.exs")
      File.mkdir_p!(options[:path])
      File.write!(path, source(name, installed, options))
      {:ok, path}
    end
  end

  @doc """
  The version that the folder's migrations lead to for the tables of a schema (`nil`: the default
  one); 0 where there is none of ours.
  """
  @spec installed_version(Path.t(), String.t() | nil) :: non_neg_integer
  def installed_version(folder, prefix \\ nil) do
    folder
    |> Path.join("*.exs")
    |> Path.wildcard()
    |> Enum.flat_map(&versions_in(File.read!(&1), prefix))
    |> Enum.max(fn -> 0 end)
  end

  # A call that names no version goes to the one that was the newest then, which is the first at least.
  defp versions_in(source, prefix) do
    for [_, arguments] <- Regex.scan(~r/MLflow\.Migration\.up\((.*?)\)/s, source),
        about?(arguments, prefix) do
      case Regex.run(~r/version:\s*(\d+)/, arguments) do
        [_, version] -> String.to_integer(version)
        nil -> 1
      end
    end
  end

  # A prefix that is no text here, but code, may be any.
  defp about?(arguments, prefix) do
    case Regex.run(~r/prefix:\s*(?:"([^"]*)")?/, arguments) do
      nil -> prefix == nil
      [_said] -> true
      [_said, name] -> name == prefix
    end
  end

  # Ecto takes no two migrations of one name.
  defp place(nil), do: ""
  defp place(prefix), do: "_in_" <> (prefix |> String.downcase() |> String.replace(~r/\W/, "_"))

  defp name(0, _current), do: "add_mlflow_tables"
  defp name(_installed, current), do: "upgrade_mlflow_tables_to_v#{current}"

  defp source(name, installed, options) do
    module = Module.concat([options[:repo], Migrations, Macro.camelize(name)])

    """
    defmodule #{inspect(module)} do
      use Ecto.Migration

      def up, do: MLflow.Migration.up(#{arguments(options[:current], options)})

      def down, do: MLflow.Migration.down(#{down(installed + 1, options)})
    end
    """
    |> Code.format_string!()
    |> IO.iodata_to_binary()
    |> Kernel.<>("\n")
  end

  defp arguments(version, options) do
    for {option, value} <- [{:version, version} | named(options)], value != nil do
      "#{option}: #{if option == :key_type, do: ":" <> value, else: inspect(value)}"
    end
    |> Enum.join(", ")
  end

  defp down(version, options), do: arguments(version, Keyword.take(options, [:prefix]))

  defp named(options),
    do: for(option <- [:prefix, :trials, :model_runs, :key_type], do: {option, options[option]})

  defp timestamp, do: Calendar.strftime(DateTime.utc_now(), "%Y%m%d%H%M%S")
end
