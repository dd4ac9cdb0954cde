defmodule MLflow.Doctor.EmbeddedServer do
  @moduledoc false
  # The servers in this VM that have to do with the instance: it asks them, shares its store with
  # them, or has their runs as trials.

  @behaviour MLflow.Doctor.Area

  alias MLflow.Doctor.Finding
  alias MLflow.Server.{Linking, Listener}

  @area :embedded_server

  @impl true
  def examine(context) do
    servers = Enum.filter(Listener.running(), &concerns?(&1, context))
    {Enum.flat_map(servers, &findings(&1, context)), context}
  end

  defp concerns?(%{config: server} = running, %{name: name, config: config}),
    do: name in [server.instance, trials_of(server)] or running.uri == config.tracking_uri

  defp trials_of(%{trials: nil}), do: nil
  defp trials_of(%{trials: %{instance: instance}}), do: instance

  defp findings(running, context) do
    [
      Finding.ok(
        @area,
        "#{inspect(running.config.name)} serves at #{running.uri}, over #{kept(running.config)}"
      )
    ] ++ open(running) ++ trials(running, context)
  end

  defp kept(%{instance: nil, database: path}), do: Path.expand(path)
  defp kept(%{instance: instance}), do: "the database of #{inspect(instance)}"

  defp open(%{secured?: false, loopback?: false} = running) do
    [
      Finding.warning(
        @area,
        "#{inspect(running.config.name)} can be asked by whoever reaches #{running.uri}",
        advice: "give it a username and a password, or a token, or loopback's address as host"
      )
    ]
  end

  defp open(_running), do: []

  # What the trials of an instance that asks elsewhere would be brought from, is not here.
  defp trials(%{config: server} = running, %{name: name, config: config}) do
    with ^name <- trials_of(server),
         {:error, error} <- Linking.check_way(config.tracking_uri, running.uri) do
      [Finding.error(@area, "the runs of #{inspect(server.name)} do not become trials", error)]
    else
      _ -> []
    end
  end
end
