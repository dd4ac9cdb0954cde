defmodule MLflow.Config.Check do
  @moduledoc false
  # Settings against the types in their table, with messages that say what to write instead.

  @secrets [:password, :token]

  @doc """
  Raises an `ArgumentError` unless each setting is one of `types` and of its type; `whose` is whom
  the settings are for.
  """
  @spec check!(keyword, keyword, String.t()) :: :ok
  def check!(settings, types, whose) do
    Enum.each(settings, fn {key, value} ->
      Keyword.has_key?(types, key) || raise ArgumentError, unknown(key, types, whose)
      type = types[key]
      valid?(type, value) || raise ArgumentError, wrong(key, type, value)
    end)
  end

  defp valid?(:string, value), do: is_binary(value) and value != ""
  defp valid?(:strings, value), do: is_list(value) and Enum.all?(value, &valid?(:string, &1))
  defp valid?(:boolean, value), do: is_boolean(value)
  defp valid?(:name, value), do: is_atom(value) and value not in [nil, true, false]
  defp valid?(:keyword, value), do: Keyword.keyword?(value)

  defp valid?(:plugin, {module, options}),
    do: valid?(:plugin, module) and Keyword.keyword?(options)

  defp valid?(:plugin, value), do: valid?(:name, value)
  defp valid?(:token, value) when is_binary(value), do: value != ""
  defp valid?(:token, {m, f, a}), do: is_atom(m) and is_atom(f) and is_list(a)
  defp valid?(:token, value), do: is_function(value, 0)
  defp valid?({:integer, %Range{} = range}, value), do: is_integer(value) and value in range
  defp valid?({:integer, minimum}, value), do: is_integer(value) and value >= minimum
  defp valid?({:number, minimum}, value), do: is_number(value) and value >= minimum
  defp valid?({:one_of, atoms}, value), do: value in atoms
  defp valid?(:policy, value), do: MLflow.Policy.valid?(value)

  defp valid?(:uri, value) when is_binary(value) do
    uri = URI.parse(value)
    uri.scheme in ["http", "https"] and uri.host not in [nil, ""]
  end

  defp valid?(:uri, _), do: false

  defp valid?(:address, value) when is_tuple(value), do: :inet.ntoa(value) != {:error, :einval}
  defp valid?(:address, value), do: valid?(:string, value)

  defp unknown(key, types, whose) do
    nearest = types |> Keyword.keys() |> Enum.max_by(&String.jaro_distance("#{&1}", "#{key}"))
    "unknown setting #{inspect(key)} for #{whose}; did you mean #{inspect(nearest)}?"
  end

  defp wrong(key, type, value) do
    shown = if key in @secrets, do: "a value of another kind", else: shown(value)
    "setting #{inspect(key)} must be #{expected(type)}, got #{shown}"
  end

  # What stands before an @ in an address is a password as likely as not.
  defp shown(value), do: value |> inspect() |> String.replace(~r{[^"/\s]*@}, "[hidden]@")

  defp expected(:string), do: "a non-empty string"
  defp expected(:strings), do: "a list of non-empty strings"
  defp expected(:boolean), do: "true or false"
  defp expected(:name), do: "the name of an instance"
  defp expected(:keyword), do: "a keyword list"
  defp expected(:plugin), do: "a module or {module, options}"
  defp expected(:token), do: "a string, a function without arguments or {module, function, args}"
  defp expected({:integer, %Range{} = range}), do: "a whole number in #{inspect(range)}"
  defp expected({:integer, minimum}), do: "a whole number of at least #{minimum}"
  defp expected({:number, minimum}), do: "a number of at least #{minimum}"
  defp expected({:one_of, atoms}), do: "one of #{Enum.map_join(atoms, ", ", &inspect/1)}"
  defp expected(:policy), do: MLflow.Policy.expected()

  defp expected(:uri),
    do: "an http:// or https:// address of an MLflow server, such as \"http://localhost:5000\""

  defp expected(:address),
    do: "an IP address, as text or as a tuple, or the name of one, such as \"127.0.0.1\""
end
