defmodule Demo.Search do
  @moduledoc """
  A random search over the classifier's hyperparameters.

  Trials run one after another, each from a seed of its own, so that the same seed makes
  the same search. A trial far behind the best one so far is given up early; one whose
  loss leaves the floats has failed.
  """

  @data Path.expand("../priv/demo/iris.csv", __DIR__)
  @epochs 40

  # From this epoch on, a trial must be within this much of the best one's accuracy.
  @grace 8
  @margin 0.15

  @type outcome :: %{
          status: :succeeded | :failed | :cancelled,
          metrics: Demo.Classifier.measures(),
          warnings: [String.t()]
        }

  @doc """
  Runs `count` trials and tells `recorder`, a map of functions, of each:
  `started.(index, params)`, whose answer goes to `epoch.(trial, epoch, measures)` and to
  `ended.(trial, outcome)`.
  """
  @spec run(pos_integer, integer, map) :: :ok
  def run(count, seed, recorder) do
    data = Demo.Iris.load(@data, seed)

    Enum.reduce(1..count, 0.0, fn index, best ->
      params = sample({seed, index, 0})
      trial = recorder.started.(index, params)
      outcome = train(params, data, seed + index, best, &recorder.epoch.(trial, &1, &2))
      recorder.ended.(trial, outcome)
      max(best, Map.get(outcome.metrics, :val_accuracy, 0.0))
    end)

    :ok
  end

  defp sample(seed) do
    :rand.seed(:exsss, seed)

    %{
      learning_rate: log_uniform(1.0e-3, 10.0),
      momentum: Enum.at([0.0, 0.5, 0.9], :rand.uniform(3) - 1),
      l2: log_uniform(1.0e-6, 1.0e-1),
      hidden_units: Enum.at([4, 8, 16], :rand.uniform(3) - 1),
      activation: Enum.at(["tanh", "relu"], :rand.uniform(2) - 1),
      batch_size: Enum.at([8, 16, 32], :rand.uniform(3) - 1),
      epochs: @epochs
    }
  end

  defp log_uniform(low, high), do: low * :math.pow(high / low, :rand.uniform())

  defp train(params, data, seed, best, on_epoch) do
    verdict = fn epoch, measures ->
      on_epoch.(epoch, measures)
      if epoch >= @grace and measures[:val_accuracy] < best - @margin, do: :halt, else: :cont
    end

    {ending, epoch, measures} = Demo.Classifier.train(params, data, seed, verdict)
    {status, warnings} = judge(ending, epoch)
    %{status: status, metrics: measures, warnings: warnings}
  end

  defp judge(:finished, _epoch), do: {:succeeded, []}

  defp judge(:halted, epoch),
    do: {:cancelled, ["given up after epoch #{epoch}: far behind the best"]}

  defp judge(:diverged, epoch),
    do: {:failed, ["diverged in epoch #{epoch}: the loss is infinite"]}
end
