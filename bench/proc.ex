defmodule Bench.Proc do
  @moduledoc "What Linux tells of processes: their CPU time, and this one's memory."

  # Ticks a second in /proc, which is not configurable on any of today's machines.
  @ticks 100
  @mb 1024

  @doc "CPU seconds of this VM so far, of all its threads."
  @spec cpu :: float
  def cpu do
    {_group, ticks} = "/proc/self/stat" |> File.read!() |> parse()
    ticks / @ticks
  end

  @doc "CPU seconds so far of the processes of a group, such as a server and its workers."
  @spec group_cpu(pos_integer) :: float
  def group_cpu(group) do
    ticks =
      for path <- Path.wildcard("/proc/[0-9]*/stat"),
          # A process may end while we look.
          {:ok, stat} <- [File.read(path)],
          {^group, ticks} <- [parse(stat)],
          do: ticks

    Enum.sum(ticks) / @ticks
  end

  # After the name in brackets, which may hold spaces: state, parent, group, …, utime, stime.
  defp parse(stat) do
    [_state, _parent, group | rest] = stat |> String.split(") ") |> List.last() |> String.split()
    [user, system] = Enum.slice(rest, 8, 2)
    {String.to_integer(group), String.to_integer(user) + String.to_integer(system)}
  end

  @doc "Runs `fun`; its result, and the CPU seconds this VM took meanwhile."
  @spec with_cpu((() -> result)) :: {float, result} when result: var
  def with_cpu(fun) do
    before = cpu()
    result = fun.()
    {cpu() - before, result}
  end

  @doc """
  Runs `fun`; its result, and by how many MB memory grew over what it was before: at its peak,
  the BEAM's own (`:erlang`) and all that the process has resident (`:resident`).
  """
  @spec with_memory((() -> result)) :: {%{erlang: float, resident: float}, result}
        when result: var
  def with_memory(fun) do
    Enum.each(Process.list(), &:erlang.garbage_collect/1)
    # Makes the peak of what was resident what it is now.
    File.write!("/proc/self/clear_refs", "5")
    {erlang, resident} = {:erlang.memory(:total), status("VmRSS")}
    sampler = spawn_link(fn -> sample(erlang) end)
    result = fun.()
    send(sampler, {:peak, self()})

    receive do
      {^sampler, peak} ->
        grown = %{
          erlang: (peak - erlang) / @mb / @mb,
          resident: (status("VmHWM") - resident) / @mb
        }

        {grown, result}
    end
  end

  defp sample(peak) do
    receive do
      {:peak, owner} -> send(owner, {self(), max(peak, :erlang.memory(:total))})
    after
      5 -> sample(max(peak, :erlang.memory(:total)))
    end
  end

  # In kB.
  defp status(field) do
    [_, kb] = Regex.run(~r/^#{field}:\s+(\d+) kB$/m, File.read!("/proc/self/status"))
    String.to_integer(kb)
  end
end
