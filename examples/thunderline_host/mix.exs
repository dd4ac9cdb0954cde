defmodule Thunderline.MixProject do
  use Mix.Project

  def project do
    [
      app: :thunderline_host,
      version: "0.1.0",
      elixir: "~> 1.14",
      elixirc_paths: if(Mix.env() == :test, do: ["lib", "test/support"], else: ["lib"]),
      consolidate_protocols: Mix.env() != :dev,
      deps: deps(),
      aliases: aliases()
    ]
  end

  def application do
    [mod: {Thunderline.Application, []}, extra_applications: [:logger]]
  end

  defp deps do
    [
      {:mlflow_sync, path: "../.."},
      {:ash, "~> 3.5"},
      {:ash_postgres, "~> 2.6"},
      {:simple_sat, "~> 0.1"},
      {:oban, "~> 2.17"},
      {:jason, "~> 1.4"},
      {:postgrex, ">= 0.17.0"}
    ]
  end

  defp aliases do
    [
      setup: ["deps.get", "ecto.create", "ecto.migrate"],
      test: ["ecto.create --quiet", "ecto.migrate --quiet", "test"]
    ]
  end
end
