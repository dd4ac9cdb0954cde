if Code.ensure_loaded?(Ash) do
  defmodule MLflow.Store.Ash.Rows do
    @moduledoc false
    # Which rows, as Ash asks for them, and reading all of them, whatever pages a host's action has.

    alias MLflow.Store.Ash.Values

    require Ash.Query

    @page 250

    @locks ["FOR NO KEY UPDATE", :for_update]

    @predicates %{
      gt: :greater_than,
      gte: :greater_than_or_equal,
      lt: :less_than,
      lte: :less_than_or_equal
    }

    @doc """
    The rows of a resource that a filter of `MLflow.Store.Tables` matches; `:none` where that asks for a
    value that the attribute cannot have.
    """
    @spec matching(module, MLflow.Store.Tables.filter()) :: Ash.Query.t() | :none
    def matching(resource, filter) do
      conditions = Enum.map(filter, &condition(resource, &1))

      cond do
        :none in conditions -> :none
        conditions == [] -> Ash.Query.new(resource)
        true -> Ash.Query.filter(resource, ^[and: conditions])
      end
    end

    defp condition(_resource, {field, nil}), do: [{field, [is_nil: true]}]
    defp condition(_resource, {field, :not_nil}), do: [{field, [is_nil: false]}]

    defp condition(resource, {field, {:in, values}}) do
      values =
        for value <- values, {:ok, value} <- [Values.cast(resource, field, value)], do: value

      [{field, [in: values]}]
    end

    defp condition(resource, {field, {comparison, value}})
         when is_map_key(@predicates, comparison),
         do: compared(resource, field, @predicates[comparison], value)

    defp condition(resource, {field, value}), do: compared(resource, field, :eq, value)

    defp compared(resource, field, predicate, value) do
      case Values.cast(resource, field, value) do
        {:ok, value} -> [{field, [{predicate, value}]}]
        :error -> :none
      end
    end

    @doc "Order, columns and lock, as far as they are asked for."
    def shaped(:none, _opts), do: :none

    def shaped(query, opts) do
      query
      |> sorted(opts[:order_by])
      |> selected(opts[:select])
      |> locked(opts[:lock])
    end

    defp sorted(query, nil), do: query

    defp sorted(query, order),
      do: Ash.Query.sort(query, for({direction, field} <- order, do: {field, direction}))

    defp selected(query, nil), do: query
    defp selected(query, columns), do: Ash.Query.select(query, columns)

    # Rows that refer to this one need not wait, where the database can tell: its key stays.
    defp locked(query, true) do
      case Enum.find(@locks, &Ash.DataLayer.data_layer_can?(query.resource, {:lock, &1})) do
        nil -> query
        lock -> Ash.Query.lock(query, lock)
      end
    end

    defp locked(query, _), do: query

    @doc "All of a query's rows, or the first `limit` of them."
    @spec read(Ash.Query.t() | :none, pos_integer | nil, keyword) ::
            {:ok, [struct]} | {:error, term}
    def read(:none, _limit, _call), do: {:ok, []}

    def read(query, limit, call) do
      if pages_only?(query.resource) do
        collect(query, limit, call)
      else
        query = if limit, do: Ash.Query.limit(query, limit), else: query
        Ash.read(query, [page: false] ++ call)
      end
    end

    @doc "The same by the page, and of those only the rows that are wanted."
    @spec collect(Ash.Query.t(), pos_integer | nil, keyword, (struct -> boolean)) ::
            {:ok, [struct]} | {:error, term}
    def collect(query, limit, call, wanted? \\ fn _row -> true end) do
      collected =
        each_page(query, call, {[], limit}, fn rows, {pages, left} ->
          wanted = rows |> Enum.filter(wanted?) |> first(left)
          left = left && left - length(wanted)
          {if(left == 0, do: :halt, else: :cont), {[wanted | pages], left}}
        end)

      with {:ok, {pages, _left}} <- collected,
           do: {:ok, pages |> Enum.reverse() |> Enum.concat()}
    end

    defp first(rows, nil), do: rows
    defp first(rows, limit), do: Enum.take(rows, limit)

    # Until `fun` has had enough of them.
    defp each_page(query, call, acc, fun) do
      read =
        if pages_only?(query.resource),
          do: &page_of_action(by_key(query), pagination(query.resource), &1, call),
          else: &page_of_query(by_key(query), &1, call)

      turn(read, [offset: 0], acc, fun)
    end

    defp turn(read, at, acc, fun) do
      with {:ok, rows, next} <- read.(at) do
        case fun.(rows, acc) do
          {:cont, acc} when next != nil -> turn(read, next, acc, fun)
          {_, acc} -> {:ok, acc}
        end
      end
    end

    # A host may insist that its action is read by the page.
    defp pages_only?(resource), do: match?(%{required?: true}, pagination(resource))

    defp pagination(resource), do: Ash.Resource.Info.primary_action(resource, :read).pagination

    # Pages need an order in which each row has one place.
    defp by_key(query), do: Ash.Query.sort(query, Ash.Resource.Info.primary_key(query.resource))

    defp page_of_query(query, [offset: offset] = at, call) do
      query = query |> Ash.Query.limit(@page) |> Ash.Query.offset(offset)

      with {:ok, rows} <- Ash.read(query, [page: false] ++ call),
           do: {:ok, rows, if(length(rows) == @page, do: next_offset(at, rows))}
    end

    defp page_of_action(query, pagination, at, call) do
      size = min(@page, pagination.max_page_size || @page)
      place = if at == [offset: 0], do: [], else: at

      with {:ok, %{results: rows, more?: more?}} <-
             Ash.read(query, [page: [limit: size] ++ place] ++ call) do
        next = if pagination.offset?, do: next_offset(at, rows), else: next_keyset(rows)
        {:ok, rows, if(more?, do: next)}
      end
    end

    defp next_offset([offset: offset], rows), do: [offset: offset + length(rows)]
    defp next_keyset([]), do: nil
    defp next_keyset(rows), do: [after: List.last(rows).__metadata__.keyset]
  end
end
