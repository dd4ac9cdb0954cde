defmodule MLflow.MixProject do
  use Mix.Project

  @version "0.1.0"

  def project do
    [
      app: :mlflow_sync,
      version: @version,
      elixir: "~> 1.14",
      description:
        "Keeps the trials of an Elixir application and the runs of an MLflow server the same",
      compilers: [:mlflow_native] ++ Mix.compilers(),
      elixirc_paths: elixirc_paths(Mix.env()),
      start_permanent: Mix.env() == :prod,
      deps: deps(),
      # Where telemetry comes by another way than Hex, Mix cannot know that it is meant to be there.
      xref: [exclude: [:telemetry]],
      package: package()
    ]
  end

  def application do
    [
      mod: {MLflow.Application, []},
      # Listed as optional, so that it is started first where a host brings it.
      extra_applications: [:logger, telemetry: :optional]
    ]
  end

  defp elixirc_paths(:test), do: ["lib", "test/support", "prove"]
  defp elixirc_paths(_), do: ["lib"]

  # Without the Hex archive Mix cannot even read a Hex dependency, and none is needed: the
  # embedded store and queue do the whole job.
  defp deps do
    if Code.ensure_loaded?(Hex) do
      [
        {:oban, "~> 2.17", optional: true},
        {:ash, "~> 3.5", optional: true},
        {:ash_postgres, "~> 2.6", optional: true},
        {:ecto_sql, "~> 3.10", optional: true},
        {:postgrex, ">= 0.17.0", optional: true},
        {:jason, "~> 1.4", optional: true},
        {:telemetry, "~> 1.0", optional: true},
        {:igniter, "~> 0.6", optional: true, only: [:dev, :prod]},
        {:simple_sat, "~> 0.1", only: :test, runtime: false},
        {:ecto_sqlite3, ">= 0.12.0", only: :test, runtime: false}
      ]
    else
      []
    end
  end

  defp package do
    [
      licenses: ["Apache-2.0"],
      links: %{},
      files:
        ~w(lib native Cargo.toml Cargo.lock clippy.toml mix.exs README.md CHANGELOG.md LICENSE)
    ]
  end
end

defmodule Mix.Tasks.Compile.MlflowNative do
  @moduledoc """
  Builds the NIF with cargo into `priv/native/`, and only when a Rust source changed.

  It lives in `mix.exs` because a compiler must exist before the project's own modules do.
  """
  use Mix.Task.Compiler

  @minimum "1.91.0"
  @library "mlflow_nif"

  @impl true
  def run(_args) do
    if stale?(), do: build(), else: {:noop, []}
  end

  @impl true
  def manifests, do: [manifest()]

  @impl true
  def clean do
    File.rm(manifest())
    File.rm_rf!("priv/native")
    :ok
  end

  # The stamp holds what the library was built from, so that a checkout of another branch, which
  # may leave older files behind, rebuilds too.
  defp stale?, do: not File.exists?(target()) or File.read(manifest()) != {:ok, fingerprint()}

  defp build do
    with :ok <- check_cargo(),
         :ok <- cargo_build() do
      install()
      {:ok, []}
    else
      {:error, message} ->
        Mix.shell().error(message)
        {:error, [diagnostic(message)]}
    end
  end

  defp check_cargo do
    with cargo when is_binary(cargo) <- System.find_executable("cargo"),
         {"cargo " <> version, 0} <- System.cmd(cargo, ["--version"], stderr_to_stdout: true) do
      installed = version |> String.split([" ", "\n"]) |> hd()

      if Version.compare(installed, @minimum) == :lt do
        {:error,
         "mlflow_sync needs Rust #{@minimum} or newer to build its NIF, and cargo is " <>
           "#{installed}: run `rustup update stable`."}
      else
        :ok
      end
    else
      _ ->
        {:error,
         "mlflow_sync builds its NIF with Rust, and no working `cargo` was found: install Rust " <>
           "#{@minimum} or newer (https://rustup.rs) and make sure `cargo` is on the PATH."}
    end
  end

  defp cargo_build do
    Mix.shell().info("Compiling the NIF (cargo build --release)")
    args = ~w(build --release --locked --package #{@library} --target-dir #{target_dir()})

    case System.cmd("cargo", args,
           cd: root(),
           into: IO.stream(:stdio, :line),
           stderr_to_stdout: true
         ) do
      {_, 0} ->
        :ok

      {_, status} ->
        {:error, "cargo could not build the NIF (exit status #{status}); its output is above."}
    end
  end

  # Renamed into place, never written over: a running VM keeps the old file mapped.
  defp install do
    File.mkdir_p!(Path.dirname(target()))
    temporary = target() <> ".#{System.pid()}"
    File.cp!(built(), temporary)
    File.rename!(temporary, target())
    File.mkdir_p!(Path.dirname(manifest()))
    File.write!(manifest(), fingerprint())
  end

  defp fingerprint do
    for path <- sources(), into: "" do
      %File.Stat{mtime: mtime, size: size} = File.stat!(path, time: :posix)
      "#{Path.relative_to(path, root())} #{mtime} #{size}\n"
    end
  end

  defp sources do
    ["Cargo.toml", "Cargo.lock", "native/*/Cargo.toml", "native/*/{src,migrations}/**/*.{rs,sql}"]
    |> Enum.flat_map(&Path.wildcard(Path.join(root(), &1)))
    |> Enum.sort()
  end

  defp diagnostic(message) do
    %Mix.Task.Compiler.Diagnostic{
      compiler_name: "mlflow_native",
      file: Path.join(root(), "Cargo.toml"),
      message: message,
      position: 0,
      severity: :error
    }
  end

  defp built, do: Path.join([target_dir(), "release", "lib#{@library}#{built_extension()}"])
  defp built_extension, do: if(match?({:unix, :darwin}, :os.type()), do: ".dylib", else: ".so")
  defp target, do: Path.join([root(), "priv", "native", "#{@library}.so"])
  defp target_dir, do: Path.join(root(), "target")
  defp manifest, do: Path.join(Mix.Project.manifest_path(), "compile.mlflow_native")
  defp root, do: Path.dirname(Mix.Project.project_file())
end
