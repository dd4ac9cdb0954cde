defmodule Mix.Tasks.Mlflow.Gen.MigrationTest do
  use MLflow.Case, async: false

  alias Mix.Tasks.Mlflow.Gen.Migration

  setup do
    shell = Mix.shell()
    Mix.shell(Mix.Shell.Process)
    on_exit(fn -> Mix.shell(shell) end)
    %{folder: "x" |> tmp_path() |> Path.dirname()}
  end

  defp said do
    receive do
      {:mix_shell, :info, [text]} -> text
    after
      0 -> ""
    end
  end

  test "--help tells the options" do
    Migration.run(["--help"])
    assert said() =~ "--model-runs"
  end

  test "a mistaken option names the right one" do
    assert_raise Mix.Error, ~r/did you mean --trials/, fn -> Migration.run(["--trails", "x"]) end
    assert_raise Mix.Error, ~r/takes no argument/, fn -> Migration.run(["x"]) end
    assert_raise Mix.Error, ~r/uuid, bigint, text/, fn -> Migration.run(["--key-type", "x"]) end
  end

  if Code.ensure_loaded?(MLflow.Migration) do
    @tag :ecto
    test "writes the migration once", %{folder: folder} do
      arguments =
        ~w(--repo MyApp.Repo --trials cerebros_model_trials --model-runs cerebros_model_runs
           --key-type bigint --prefix tenant --migrations-path) ++ [folder]

      Migration.run(arguments)
      assert said() =~ "add_mlflow_tables_in_tenant.exs"
      assert [path] = Path.wildcard(Path.join(folder, "*_add_mlflow_tables_in_tenant.exs"))
      source = File.read!(path)
      assert source =~ "defmodule MyApp.Repo.Migrations.AddMlflowTablesInTenant do"
      assert source =~ ~s(trials: "cerebros_model_trials")
      assert source =~ "key_type: :bigint"
      assert source =~ ~s[MLflow.Migration.down(version: 1, prefix: "tenant")]
      assert [{module, _}] = Code.compile_string(source)
      assert function_exported?(module, :up, 0)

      Migration.run(arguments)
      assert said() =~ "nothing to do"
      assert [^path] = Path.wildcard(Path.join(folder, "*.exs"))
    end

    @tag :ecto
    test "tells the tables of one schema from those of another", %{folder: folder} do
      names = fn ->
        for path <- Path.wildcard(Path.join(folder, "*.exs")),
            do: path |> Path.basename() |> String.replace(~r/^\d+_/, "")
      end

      for prefix <- [[], ~w(--prefix one), ~w(--prefix tenant-2), ~w(--prefix one), []] do
        Migration.run(~w(--repo MyApp.Repo --migrations-path) ++ [folder | prefix])
      end

      assert Enum.sort(names.()) ==
               ~w(add_mlflow_tables.exs add_mlflow_tables_in_one.exs add_mlflow_tables_in_tenant_2.exs)

      # One that code names may be any of them.
      File.write!(Path.join(folder, "4_x.exs"), "MLflow.Migration.up(version: 1, prefix: mine)")
      Migration.run(~w(--repo MyApp.Repo --prefix three --migrations-path) ++ [folder])
      assert length(names.()) == 4
    end

    @tag :ecto
    test "writes only the step that is missing", %{folder: folder} do
      alias MLflow.Migration.Generator
      options = [repo: MyApp.Repo, path: folder]
      {:ok, first} = Generator.write([current: 1] ++ options)
      assert {:ok, second} = Generator.write([current: 3] ++ options)
      assert second =~ "upgrade_mlflow_tables_to_v3"
      assert File.read!(second) =~ "MLflow.Migration.up(version: 3)"
      assert File.read!(second) =~ "MLflow.Migration.down(version: 2)"
      assert File.read!(first) =~ "MLflow.Migration.down(version: 1)"
      assert Generator.installed_version(folder) == 3
    end
  else
    test "says that Ecto is missing", %{folder: folder} do
      assert_raise Mix.Error, ~r/needs Ecto/, fn ->
        Migration.run(["--repo", "MyApp.Repo", "--migrations-path", folder])
      end
    end
  end
end
