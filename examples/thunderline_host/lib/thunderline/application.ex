defmodule Thunderline.Application do
  @moduledoc false

  use Application

  # Oban last: when its queues begin, what their jobs need is there, and when the application stops
  # they end first.
  @impl true
  def start(_type, _args) do
    children = [
      Thunderline.Repo,
      {MLflow, Application.fetch_env!(:thunderline_host, MLflow)},
      {Oban, Application.fetch_env!(:thunderline_host, Oban)}
    ]

    Supervisor.start_link(children, strategy: :one_for_one, name: Thunderline.Supervisor)
  end
end
