defmodule MLflow.Doctor.Configuration do
  @moduledoc false
  # Every setting that is not the default, where it came from, and what does not fit together.

  @behaviour MLflow.Doctor.Area

  alias MLflow.{Config, Config.Settings, Policy}
  alias MLflow.Doctor.{Finding, Secrets}

  @area :configuration

  @impl true
  def examine(%{config: nil, error: error} = context) do
    problem =
      Finding.problem(@area, "the configuration makes no sense",
        detail: Exception.message(error),
        advice: "mend that; nothing else can be checked before"
      )

    {[problem], %{context | halted?: true}}
  end

  def examine(%{config: config} = context),
    do: {[whose(context) | settings(context)] ++ Enum.flat_map(checks(), & &1.(config)), context}

  defp whose(%{running: nil, name: name}),
    do: Finding.info(@area, "#{inspect(name)} does not run here: examined by its configuration")

  defp whose(%{name: name}), do: Finding.ok(@area, "#{inspect(name)} runs in this VM")

  defp settings(%{config: config} = context) do
    defaults = defaults(config)

    changed =
      for key <- Settings.keys(),
          value = Map.fetch!(config, key),
          # Where the server is, is worth knowing in any case.
          key == :tracking_uri or value != defaults[key],
          do: setting(key, value, source(key, value, context))

    if match?([_only_uri], changed),
      do: changed ++ [Finding.info(@area, "every other setting has its default")],
      else: changed
  end

  # As far as they follow from other settings.
  defp defaults(config) do
    Map.merge(Settings.defaults(), %{
      policy: Policy.complete([]),
      outbox: config.database <> ".outbox"
    })
  end

  defp setting(key, value, source),
    do: Finding.info(@area, "#{key}: #{Secrets.shown(key, value)} (#{source})")

  # In the order in which they win. What a running instance was started with is not to be asked,
  # and so is what remains.
  defp source(key, value, context) do
    default_instance? = context.name == MLflow

    cond do
      context.settings[key] != nil -> "given as an option"
      default_instance? and Application.get_env(:mlflow_sync, key) != nil -> "config :mlflow_sync"
      variable = variable(key) -> variable
      key in [:username, :password] and not default_instance? -> "given as an option"
      key in [:username, :password] -> "part of tracking_uri"
      value == Map.fetch!(defaults(context.config), key) -> "the default"
      true -> "given as an option"
    end
  end

  defp variable(key) do
    {_, _, _, variables, _} = List.keyfind(Settings.table(), key, 0)

    Enum.find_value(variables, fn {variable, _reader} ->
      if System.get_env(variable) not in [nil, ""], do: variable
    end)
  end

  defp checks,
    do: [&disabled/1, &tls/1, &plain_text/1, &timeouts/1, &automatic/1, &two_credentials/1]

  defp disabled(%Config{enabled: true}), do: []

  defp disabled(_config) do
    [
      Finding.warning(
        @area,
        "MLflow is switched off: nothing is sent, and the server not looked at",
        advice: "set `enabled: true` or MLFLOW_ENABLED=true, and unset TL_DISABLE_MLFLOW"
      )
    ]
  end

  defp tls(%Config{insecure_tls: true}) do
    [
      Finding.warning(@area, "any certificate is accepted, so that anybody can be the server",
        advice: "name the server's CA with server_cert_path, and take insecure_tls away"
      )
    ]
  end

  defp tls(_config), do: []

  @loopback ~w(localhost 127.0.0.1 ::1)

  defp plain_text(%Config{} = config) do
    uri = URI.parse(config.tracking_uri)
    credentials? = config.username != nil or config.token != nil

    if credentials? and uri.scheme == "http" and uri.host not in @loopback do
      [
        Finding.warning(@area, "credentials travel over http, for everybody on the way to read",
          advice: "give the server's https:// address as tracking_uri"
        )
      ]
    else
      []
    end
  end

  defp timeouts(%Config{request_timeout: request, total_timeout: total}) when request > total do
    [
      Finding.warning(
        @area,
        "request_timeout (#{request} ms) is longer than total_timeout (#{total} ms)",
        detail:
          "total_timeout ends a request with all its retries, so that none is ever repeated.",
        advice: "set total_timeout to a few times request_timeout"
      )
    ]
  end

  defp timeouts(_config), do: []

  defp automatic(%Config{auto_sync: auto?, sync_interval: interval} = config)
       when config.enabled and (not auto? or interval == 0) do
    [
      Finding.info(@area, "nothing is synced by itself (auto_sync or sync_interval is off)",
        advice: "queue the syncs yourself, or run mix mlflow.sync --all from time to time"
      )
    ]
  end

  defp automatic(_config), do: []

  defp two_credentials(%Config{username: user, token: token}) when user != nil and token != nil do
    [
      Finding.info(@area, "both a username and a token are given: the username counts",
        advice: "take one of them away"
      )
    ]
  end

  defp two_credentials(_config), do: []
end
