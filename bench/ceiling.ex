defmodule Bench.Ceiling do
  @moduledoc """
  What the server itself can answer: a bare loop sends what finished trials cost, with nothing
  of a client in the way.
  """

  alias Bench.{Cargo, Proc, Trials}

  @doc "What the same requests cost that loop, with so many of them in flight."
  @spec measure(map, String.t(), Trials.shape(), pos_integer) :: map
  def measure(context, experiment, shape, in_flight) do
    Trials.with_instance(context, experiment, fn _opts, experiment_id ->
      "http://" <> host = context.uri
      server = Proc.group_cpu(context.server)

      [requests, seconds, client] =
        Cargo.example("ceiling", [host, experiment_id, shape.trials, shape.points, in_flight])

      server = Proc.group_cpu(context.server) - server
      Trials.check!(context, experiment_id, shape)
      %{seconds: seconds, client: client, server: server, requests: round(requests)}
    end)
  end
end
