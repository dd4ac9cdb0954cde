if Code.ensure_loaded?(Ash) do
  defmodule MLflow.Store.Ash.Outside do
    @moduledoc false
    # A call of the store in a transaction that the host opened by its repo and not by Ash. Ash wants to
    # notify when a transaction ends, and nobody would tell it when that one does; its bulk actions even
    # fail over it. So what it would have said is collected here, as `Ash.transaction/3` does, and it is
    # told that nobody hears it.

    require Logger

    @started :ash_started_transaction?
    @collected :ash_notifications

    @spec run((() -> answer)) :: answer when answer: term
    def run(fun), do: if(Process.get(@started), do: fun.(), else: collect(fun))

    defp collect(fun) do
      Process.put(@started, true)
      fun.()
    after
      Process.delete(@started)
      @collected |> Process.delete() |> List.wrap() |> tell()
    end

    defp tell(notifications) do
      missed =
        for %{for: notifiers, resource: resource} <- notifications, notifiers != [], do: resource

      if missed != [] do
        Logger.warning(
          "#{length(missed)} notifications of #{missed |> Enum.uniq() |> Enum.map_join(", ", &inspect/1)} " <>
            "are not sent, for Ash does not see the end of a Repo.transaction: use Ash.transaction/3 there"
        )
      end
    end
  end
end
