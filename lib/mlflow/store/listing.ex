defmodule MLflow.Store.Listing do
  @moduledoc false
  # Listing a table of the embedded store, with the options that all lists share.

  alias MLflow.{Instance, Value}
  alias MLflow.Store.{Embedded, Row}

  def list(table, opts) do
    with {:ok, instance} <- Instance.fetch(opts),
         {:ok, equals} <- Row.dump(opts[:where] || %{}, table),
         filter = %{
           equals: Value.plain(equals),
           newest_first: opts[:newest_first] == true,
           limit: opts[:limit],
           offset: opts[:offset] || 0
         },
         {:ok, rows} <- Embedded.call(instance, {:list, table, filter}) do
      {:ok, Enum.map(rows, &Row.load(&1, table))}
    end
  end
end
