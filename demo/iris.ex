defmodule Demo.Iris do
  @moduledoc "Fisher's iris data, shuffled, split and standardised for training."

  @species ["setosa", "versicolor", "virginica"]
  @validation_share 0.3

  @type example :: {features :: [float], class :: 0..2}

  @doc "The training and the validation examples; the same seed gives the same split."
  @spec load(Path.t(), integer) :: {[example], [example]}
  def load(path, seed) do
    examples = path |> File.stream!() |> Enum.drop(1) |> Enum.map(&parse/1)
    {validation, training} = examples |> shuffle(seed) |> split()
    scale = scale(training)

    {standardise(training, scale), standardise(validation, scale)}
  end

  defp parse(line) do
    {lengths, [species]} = line |> String.trim() |> String.split(",") |> Enum.split(4)
    {Enum.map(lengths, &String.to_float/1), Enum.find_index(@species, &(&1 == species))}
  end

  # Sorting by a random key, as Enum.shuffle/1 may change between Elixir versions.
  defp shuffle(examples, seed) do
    :rand.seed(:exsss, seed)
    Enum.sort_by(examples, fn _ -> :rand.uniform() end)
  end

  defp split(examples), do: Enum.split(examples, round(length(examples) * @validation_share))

  # From the training examples alone: validation data that shaped the scale would flatter.
  defp scale(training) do
    for column <- training |> Enum.map(&elem(&1, 0)) |> Enum.zip_with(& &1) do
      mean = Enum.sum(column) / length(column)
      variance = Enum.sum(for x <- column, do: (x - mean) ** 2) / length(column)
      {mean, :math.sqrt(variance)}
    end
  end

  defp standardise(examples, scale) do
    for {features, class} <- examples do
      {Enum.zip_with(features, scale, fn x, {mean, deviation} -> (x - mean) / deviation end),
       class}
    end
  end
end
