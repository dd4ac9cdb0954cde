defmodule MLflow.Store.Host.Version do
  @moduledoc false
  # When a host's record was last written, as a number of ms that a run's `synced_at` can be compared
  # with.
  #
  # A host's times may be in µs or in whole seconds, and it may write a record twice within one. So the
  # version of a record that was written this very moment is a little too early: at worst it is looked at
  # once more. Of one written earlier it is a little too late, for nothing else can have come of that
  # instant.

  alias MLflow.Trackable.{Fields, Record}

  @settled 1_000_000

  @doc "The version of a record in ms; `nil` where it does not say when it was written."
  @spec of(struct) :: integer | nil
  def of(record) do
    case written_at(record) do
      nil -> nil
      us -> if young?(us), do: early(us), else: late(us)
    end
  end

  @doc """
  When we wrote a record ourselves, which we hold until then: nobody else has written it in the same
  instant, if its times tell instants apart.
  """
  @spec own(struct) :: DateTime.t() | nil
  def own(record) do
    us = written_at(record)
    if us, do: DateTime.from_unix!(if(rem(us, 1_000) == 0, do: us - 1, else: us), :microsecond)
  end

  @doc "Whether a record is still as it was when this version of it was told."
  @spec as_read?(struct, integer | nil) :: boolean
  def as_read?(record, version) do
    case written_at(record) do
      nil -> version == nil
      us -> version in [early(us), late(us)]
    end
  end

  @doc """
  Whether a record was written since this version of it was told. Its time may have gone back by that: a
  host takes the time before it waits for whoever holds the row, and writes it when those have written
  theirs.
  """
  @spec since?(struct, DateTime.t() | nil) :: boolean
  def since?(_record, nil), do: true

  def since?(record, version) do
    case written_at(record) do
      nil ->
        true

      us ->
        us > DateTime.to_unix(version, :microsecond) or
          late(us) < DateTime.to_unix(version, :millisecond)
    end
  end

  @doc "When a record was written, in µs since the epoch."
  @spec written_at(struct) :: integer | nil
  def written_at(record), do: record |> Record.get(Fields.of(record).updated_at) |> microseconds()

  defp microseconds(%DateTime{} = time), do: DateTime.to_unix(time, :microsecond)

  defp microseconds(%NaiveDateTime{} = time),
    do: time |> DateTime.from_naive!("Etc/UTC") |> microseconds()

  defp microseconds(ms) when is_integer(ms), do: ms * 1_000
  defp microseconds(_other), do: nil

  defp young?(us), do: System.system_time(:microsecond) - us < @settled
  defp early(us), do: Integer.floor_div(us, 1_000) - 1
  defp late(us), do: -Integer.floor_div(-us, 1_000)
end
