defmodule MLflow.Server.Settings do
  @moduledoc false
  # Every setting of a server in one table: its type, its default, and what it is for. Validation
  # and the docs read from here.

  # {key, type, default, what it is}
  @table [
    {:port, {:integer, 0..65_535}, 5000, "the port to listen on; 0 takes a free one"},
    {:host, :address, "127.0.0.1",
     "the address to listen on; other machines reach the server only on another than loopback's"},
    {:database, :string, "mlflow_server.db", "the SQLite file, made where there is none"},
    {:instance, :name, nil,
     "the instance whose embedded store the server shares, instead of a `database` of its own"},
    {:artifacts, :string, "mlartifacts", "the folder of the artifacts that clients send"},
    {:default_artifact_root, :string, "mlflow-artifacts:/",
     "where new experiments keep their artifacts; by default that folder, through the server"},
    {:username, :string, nil, "basic authentication, with a `password`"},
    {:password, :token, nil,
     "a string, or a function or `{module, function, args}` that returns one at the start"},
    {:token, :token, nil, "bearer authentication instead; given as a password is"},
    {:allowed_hosts, :strings, [],
     "names besides loopback's by which clients may call the server; \"*\" for any"},
    {:allowed_origins, :strings, [],
     "web pages besides the server's own that may ask it, such as \"https://lab.example.com\""},
    {:ui, :string, nil,
     "the folder of MLflow's web interface to serve, `server/js/build` of an installed package"},
    {:trials, :keyword, nil, "brings runs to an instance's trials: see below"},
    {:largest_request, {:integer, 1}, 33_554_432, "bytes of a request, but for artifacts"},
    {:largest_artifact, {:integer, 1}, 68_719_476_736, "bytes of an artifact that is uploaded"},
    {:request_timeout, {:integer, 1}, 30_000, "ms that a request may take"},
    {:idle_timeout, {:integer, 1}, 75_000, "ms that a connection may say nothing"},
    {:most_connections, {:integer, 1}, 1_000, "connections at once; more wait"},
    {:shutdown_timeout, {:integer, 1}, 10_000,
     "ms that requests under way may take when the server stops"}
  ]

  @trials [
    {:instance, :name, MLflow, "whose trials they are"},
    {:create, :boolean, false, "whether a run that is no trial's gets one"},
    {:quiet, {:integer, 0}, 250,
     "ms without news of a run before what was logged is brought over"},
    {:longest, {:integer, 0}, 5_000,
     "ms after which that happens though there is news all the time"}
  ]

  def types, do: types_of(@table)
  def defaults, do: defaults_of(@table)
  def trials_types, do: types_of(@trials)
  def trials_defaults, do: defaults_of(@trials)

  defp types_of(table), do: Enum.map(table, fn {key, type, _, _} -> {key, type} end)
  defp defaults_of(table), do: Map.new(table, fn {key, _, default, _} -> {key, default} end)

  @doc "The table of settings, for the module documentation."
  def markdown, do: markdown_of(@table)

  @doc "The table of those within `trials:`."
  def trials_markdown, do: markdown_of(@trials)

  defp markdown_of(table) do
    rows =
      for {key, _type, default, text} <- table,
          do: "| `#{key}` | `#{inspect(default)}` | #{text} |\n"

    "| setting | default | what it is |\n|---|---|---|\n#{rows}"
  end
end
