defmodule MLflow.Doctor.Secrets do
  @moduledoc false
  # Settings as they may be shown.

  @hidden "[hidden]"
  @secrets [:password, :token]
  @proxies [:http_proxy, :https_proxy]

  @doc "A setting's value as text, without what is nobody's business."
  @spec shown(atom, term) :: String.t()
  def shown(_key, nil), do: "nothing"
  def shown(key, value) when key in @secrets and is_binary(value), do: @hidden
  def shown(:token, _function), do: "a function"
  def shown(key, value) when key in @proxies, do: value |> without_userinfo() |> inspect()
  def shown(_key, value) when is_binary(value), do: value |> address() |> inspect()
  def shown(_key, value) when is_map(value), do: value |> Enum.sort() |> inspect()
  def shown(_key, value), do: inspect(value)

  defp address(text) do
    if String.contains?(text, "://") do
      [address | query] = text |> without_userinfo() |> String.split("?", parts: 2)
      if query == [], do: address, else: address <> "?" <> @hidden
    else
      text
    end
  end

  # Up to the last @, so that a password with a stray slash in it stays hidden too.
  defp without_userinfo(address) do
    case Regex.run(~r{\A([^@]*?://)?.*@(.*)\z}s, address) do
      [_, scheme, rest] -> scheme <> @hidden <> "@" <> rest
      nil -> address
    end
  end
end
