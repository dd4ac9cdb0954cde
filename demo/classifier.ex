defmodule Demo.Classifier do
  @moduledoc """
  A neural network with one hidden layer, trained by mini-batch gradient descent with
  momentum and weight decay, on plain lists.

  A layer is a list of rows, one for each unit: its bias, then its weights. Every input is
  given a leading 1.0 for the bias.
  """

  @classes 3

  @type params :: %{
          learning_rate: float,
          momentum: float,
          l2: float,
          hidden_units: pos_integer,
          activation: String.t(),
          batch_size: pos_integer,
          epochs: pos_integer
        }

  @type measures :: %{
          required(:train_loss) => float | :infinity,
          required(:val_loss) => float | :infinity,
          optional(:val_accuracy) => float
        }

  @doc """
  Trains, and asks `on_epoch.(epoch, measures)` after every epoch whether to go on: it
  answers `:cont` or `:halt`. Returns how training ended, after how many epochs, and the
  last of them's measures.

  The BEAM has no infinite floats, and raises where other languages overflow to one. That
  is reported as a loss of `:infinity`, and training has diverged.
  """
  @spec train(params, {[Demo.Iris.example()], [Demo.Iris.example()]}, integer, fun) ::
          {:finished | :halted | :diverged, pos_integer, measures}
  def train(params, {training, _validation} = data, seed, on_epoch) do
    :rand.seed(:exsss, seed)
    network = initial(length(elem(hd(training), 0)), params.hidden_units)
    run(1, {network, zeros(network)}, params, data, on_epoch)
  end

  defp run(epoch, state, params, data, on_epoch) do
    case epoch(state, params, data) do
      {:ok, state, measures} ->
        case on_epoch.(epoch, measures) do
          _ when epoch == params.epochs -> {:finished, epoch, measures}
          :cont -> run(epoch + 1, state, params, data, on_epoch)
          :halt -> {:halted, epoch, measures}
        end

      :diverged ->
        measures = %{train_loss: :infinity, val_loss: :infinity}
        on_epoch.(epoch, measures)
        {:diverged, epoch, measures}
    end
  end

  defp epoch(state, params, {training, validation}) do
    {network, _velocity} =
      state =
      training
      |> Enum.sort_by(fn _ -> :rand.uniform() end)
      |> Enum.chunk_every(params.batch_size)
      |> Enum.reduce(state, &step(&1, &2, params))

    {val_loss, val_accuracy} = measure(validation, network, params)
    {train_loss, _accuracy} = measure(training, network, params)
    {:ok, state, %{train_loss: train_loss, val_loss: val_loss, val_accuracy: val_accuracy}}
  rescue
    ArithmeticError -> :diverged
  end

  defp step(batch, {network, velocity}, params) do
    gradient =
      batch
      |> Enum.map(&gradient(&1, network, params.activation))
      |> Enum.reduce(&combine(&1, &2, fn a, b -> a + b end))
      |> combine(network, &(&1 / length(batch) + params.l2 * &2))

    velocity = combine(velocity, gradient, &(params.momentum * &1 - params.learning_rate * &2))
    {combine(network, velocity, &(&1 + &2)), velocity}
  end

  defp gradient({features, class}, {_hidden, output} = network, activation) do
    {hidden, probabilities} = forward(features, network, activation)

    output_error =
      probabilities
      |> Enum.with_index()
      |> Enum.map(fn {p, k} -> if k == class, do: p - 1, else: p end)

    hidden_error =
      output
      |> Enum.map(&tl/1)
      |> Enum.zip_with(&dot(&1, output_error))
      |> Enum.zip_with(hidden, &(&1 * slope(activation, &2)))

    {outer(hidden_error, [1.0 | features]), outer(output_error, [1.0 | hidden])}
  end

  defp forward(features, {hidden, output}, activation) do
    hidden = Enum.map(hidden, &activate(activation, dot(&1, [1.0 | features])))
    {hidden, output |> Enum.map(&dot(&1, [1.0 | hidden])) |> softmax()}
  end

  defp measure(examples, network, params) do
    {losses, hits} =
      examples
      |> Enum.map(fn {features, class} ->
        {_hidden, probabilities} = forward(features, network, params.activation)
        p = Enum.at(probabilities, class)
        # The logarithm of a probability that has underflowed to 0.0 raises.
        {-:math.log(p), if(p == Enum.max(probabilities), do: 1, else: 0)}
      end)
      |> Enum.unzip()

    {Enum.sum(losses) / length(examples), Enum.sum(hits) / length(examples)}
  end

  defp activate("tanh", x), do: :math.tanh(x)
  defp activate("relu", x), do: max(x, 0.0)

  # The derivative, from the activation's value.
  defp slope("tanh", y), do: 1 - y * y
  defp slope("relu", y), do: if(y > 0, do: 1.0, else: 0.0)

  # Less the largest logit, so that only a difference can overflow, and not exp/1.
  defp softmax(logits) do
    largest = Enum.max(logits)
    powers = Enum.map(logits, &exp(&1 - largest))
    total = Enum.sum(powers)
    Enum.map(powers, &(&1 / total))
  end

  # Below the smallest float; some C libraries report it as an error, which raises.
  defp exp(x) when x < -745, do: 0.0
  defp exp(x), do: :math.exp(x)

  defp initial(inputs, hidden), do: {random(hidden, inputs), random(@classes, hidden)}

  # Glorot: keeps the variance of signals alike from layer to layer.
  defp random(units, inputs) do
    deviation = :math.sqrt(2 / (inputs + units))

    for _ <- 1..units do
      [0.0 | for(_ <- 1..inputs, do: :rand.normal() * deviation)]
    end
  end

  defp zeros(network), do: combine(network, network, fn _, _ -> 0.0 end)

  defp combine({hidden, output}, {other_hidden, other_output}, fun) do
    rows = fn a, b -> Enum.zip_with(a, b, &Enum.zip_with(&1, &2, fun)) end
    {rows.(hidden, other_hidden), rows.(output, other_output)}
  end

  defp outer(errors, inputs), do: for(e <- errors, do: for(x <- inputs, do: e * x))

  defp dot([], []), do: 0.0
  defp dot([a | as], [b | bs]), do: a * b + dot(as, bs)
end
