defmodule MLflow.Config.Secret do
  @moduledoc false
  # A secret as it is when it is needed: a text, or what a function of the application's answers.

  alias MLflow.Error

  @type t :: String.t() | (() -> term) | {module, atom, list}

  @doc "The text; `setting` is the setting that gives it."
  @spec read(t, atom) :: {:ok, String.t()} | {:error, Error.t()}
  def read(text, _setting) when is_binary(text), do: {:ok, text}
  def read({m, f, a}, setting), do: read(fn -> apply(m, f, a) end, setting)

  def read(fun, setting) do
    case fun.() do
      text when is_binary(text) -> {:ok, text}
      {:ok, text} when is_binary(text) -> {:ok, text}
      {:error, reason} -> none(setting, "answered #{inspect(reason)}")
      _ -> none(setting, "must return a string, {:ok, string} or {:error, reason}")
    end
  rescue
    exception -> none(setting, "raised #{Exception.message(exception)}")
  catch
    kind, reason -> none(setting, "ended with #{Exception.format_banner(kind, reason)}")
  end

  @doc "The same secret, but nothing that inspects it can show it."
  @spec hide(t) :: t
  def hide(text) when is_binary(text), do: fn -> text end
  def hide(other), do: other

  defp none(setting, what) do
    message = "the #{inspect(setting)} function #{what}"
    {:error, Error.new(:unauthenticated, Atom.to_string(setting), message)}
  end
end
