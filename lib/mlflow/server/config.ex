defmodule MLflow.Server.Config do
  @moduledoc false
  # One validated configuration per server. Secrets stand in it until the server has started, and no
  # longer.

  alias MLflow.Config.{Check, Secret}
  alias MLflow.Error
  alias MLflow.Server.Settings

  @derive {Inspect, except: [:password, :token]}
  defstruct [:name | Map.keys(Settings.defaults())]

  @type t :: %__MODULE__{}

  @whose "MLflow.Server"

  @doc "Validates options; raises `ArgumentError` with what to do."
  @spec new(keyword) :: t
  def new(options) do
    {name, options} = Keyword.pop(options, :name, MLflow.Server)
    is_atom(name) || raise ArgumentError, ":name must be an atom, got #{inspect(name)}"
    given = Enum.reject(options, fn {_key, value} -> value == nil end)
    Check.check!(given, Settings.types(), @whose)
    check_together!(given)

    Settings.defaults()
    |> Map.merge(Map.new(given))
    |> Map.update!(:trials, &trials/1)
    |> Map.put(:name, name)
    |> then(&struct!(__MODULE__, &1))
  end

  defp check_together!(given) do
    both = fn one, other -> given[one] != nil and given[other] != nil end

    if both.(:instance, :database),
      do: refuse("both :instance and :database are given; the instance's database is used by it")

    if both.(:username, :token), do: refuse("both :username and :token are given; choose one")

    if given[:username] == nil != (given[:password] == nil),
      do: refuse(":username and :password go together; give both or neither")
  end

  defp trials(nil), do: nil

  defp trials(given) do
    Check.check!(given, Settings.trials_types(), "#{@whose}'s :trials")
    Map.merge(Settings.trials_defaults(), Map.new(given))
  end

  defp refuse(message), do: raise(ArgumentError, message)

  @doc "What the native server is started with."
  @spec native(t) :: {:ok, map} | {:error, Error.t()}
  def native(%__MODULE__{} = config) do
    with {:ok, ip} <- ip(config.host),
         {:ok, auth} <- auth(config) do
      {:ok,
       config
       |> Map.take(
         ~w(port artifacts default_artifact_root allowed_hosts allowed_origins ui largest_request
                      largest_artifact request_timeout idle_timeout most_connections
                      shutdown_timeout)a
       )
       |> Map.merge(%{ip: ip, auth: auth})}
    end
  end

  @doc "The configuration without its secrets."
  @spec without_secrets(t) :: t
  def without_secrets(%__MODULE__{} = config), do: %{config | password: nil, token: nil}

  defp ip(host) when is_tuple(host), do: {:ok, host |> :inet.ntoa() |> to_string()}

  defp ip(host) do
    name = String.to_charlist(host)

    with {:error, _} <- :inet.parse_address(name),
         {:error, _} <- :inet.getaddr(name, :inet),
         {:error, _} <- :inet.getaddr(name, :inet6) do
      message = "host: there is no address #{inspect(host)}; give one of this machine's"
      {:error, Error.new(:config, "server", message)}
    else
      {:ok, address} -> ip(address)
    end
  end

  defp auth(%{token: token}) when token != nil do
    with {:ok, token} <- Secret.read(token, :token), do: {:ok, {:bearer, token}}
  end

  defp auth(%{username: username, password: password}) when username != nil do
    with {:ok, password} <- Secret.read(password, :password),
         do: {:ok, {:basic, username, password}}
  end

  defp auth(_config), do: {:ok, :none}
end
