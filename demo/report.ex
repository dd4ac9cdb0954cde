defmodule Demo.Report do
  @moduledoc "What the demo prints: its progress, and the tables at its end."

  @doc """
  A progress line on stderr: one that is written over on a terminal, now and then one more
  elsewhere.
  """
  @spec progress(non_neg_integer, pos_integer, String.t(), boolean) :: :ok
  def progress(done, total, text, true = _terminal?) do
    IO.write(:stderr, ["\r\e[K", line(done, total, text), if(done == total, do: "\n", else: "")])
  end

  def progress(done, total, text, false) do
    if rem(done, 9) == 0 or done == total, do: IO.puts(:stderr, line(done, total, text))
    :ok
  end

  defp line(done, total, text), do: "  trial #{done}/#{total}: #{text}"

  @doc "The search's outcome in a line, and its best trials."
  @spec trials([map], pos_integer) :: iodata
  def trials(recorded, count) do
    statuses =
      recorded
      |> Enum.frequencies_by(& &1.status)
      |> Enum.sort_by(fn {_status, n} -> -n end)
      |> Enum.map_join(", ", fn {status, n} -> "#{n} #{status}" end)

    best =
      recorded
      |> Enum.filter(&(&1.status == :succeeded))
      |> Enum.sort_by(&{-&1.metrics.val_accuracy, &1.metrics.val_loss})
      |> Enum.take(count)

    header = ["best trials", "accuracy", "loss", "rate", "momentum", "units", "activation"]

    rows =
      for %{trial_id: trial_id, metrics: metrics, params: params} <- best do
        [
          trial_id,
          decimals(metrics.val_accuracy, 3),
          decimals(metrics.val_loss, 4),
          decimals(params.learning_rate, 4),
          decimals(params.momentum, 1),
          "#{params.hidden_units}",
          params.activation
        ]
      end

    ["#{length(recorded)} trials: #{statuses}\n\n", table([header | rows])]
  end

  @doc "What each round of synchronisation cost."
  @spec rounds([{String.t(), %{requests: integer, writes: integer}}], pos_integer) :: iodata
  def rounds(rounds, trials) do
    rows =
      for {title, %{requests: requests, writes: writes}} <- rounds do
        [title, "#{requests}", "#{writes}", decimals(requests / trials, 2)]
      end

    table([["round", "requests", "writes", "requests per trial"] | rows])
  end

  @doc "Rows as aligned columns, the first to the left and the others to the right."
  @spec table([[String.t()]]) :: iodata
  def table(rows) do
    widths =
      Enum.zip_with(rows, fn cells -> cells |> Enum.map(&String.length/1) |> Enum.max() end)

    for [first | rest] <- rows do
      [width | widths] = widths

      cells = [
        String.pad_trailing(first, width)
        | Enum.zip_with(rest, widths, &String.pad_leading/2)
      ]

      ["  ", Enum.intersperse(cells, "  "), "\n"]
    end
  end

  defp decimals(number, count), do: :erlang.float_to_binary(number / 1, decimals: count)
end
