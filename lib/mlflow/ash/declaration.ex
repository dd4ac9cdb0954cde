if Code.ensure_loaded?(Ash.Resource) do
  defmodule MLflow.Ash.Declaration do
    @moduledoc false
    # What the `use` of each resource has in common: which options are ours and which are for
    # `Ash.Resource`, and what follows from a repo and from the host's own resources.

    # Data layers that would take a second row of an identity.
    @without_unique_indexes [Ash.DataLayer.Ets, Ash.DataLayer.Mnesia, Ash.DataLayer.Simple]

    # Text is kept as it comes: Ash would trim it, and make nothing of an empty one.
    @text [trim?: false, allow_empty?: true]

    def text, do: @text

    @doc "Text that must not be empty where there is one."
    def id, do: @text ++ [min_length: 1]

    @doc """
    Takes our options from those for `Ash.Resource`. Aliases are resolved, so that what they name can be
    asked about.
    """
    def split(opts, ours, table, env) do
      {mine, theirs} = Keyword.split(opts, [:repo, :table, :schema | ours])
      mine = Map.new(mine, fn {option, value} -> {option, resolve(value, env)} end)
      given = Map.new([:repo, :schema | ours], &{&1, nil}) |> Map.put(:table, table)

      data_layer = theirs[:data_layer] || if mine[:repo], do: AshPostgres.DataLayer

      theirs = if data_layer, do: Keyword.put(theirs, :data_layer, data_layer), else: theirs

      {Map.merge(given, mine), check_domain!(theirs, env), resolve(data_layer, env)}
    end

    defp check_domain!(opts, env) do
      Keyword.has_key?(opts, :domain) ||
        raise ArgumentError,
              "#{inspect(env.module)} needs the Ash domain that it belongs to: give domain: MyApp.Tracking"

      opts
    end

    # As inside a function: what is named here need not be compiled before.
    defp resolve(quoted, env), do: Macro.expand(quoted, %{env | function: {:__using__, 1}})

    @doc "The domain that looks for a second row of an identity, where the data layer would not."
    def checked_by(data_layer, opts) do
      if data_layer in @without_unique_indexes or data_layer == nil, do: opts[:domain]
    end

    @doc "The name and the type of a resource's primary key; a UUID where it is not to be seen yet."
    def key_of(nil), do: {:id, :uuid}

    def key_of(resource) do
      with {:module, ^resource} <- Code.ensure_compiled(resource),
           true <- Spark.Dsl.is?(resource, Ash.Resource),
           [name] <- Ash.Resource.Info.primary_key(resource) do
        {name, Ash.Resource.Info.attribute(resource, name).type}
      else
        _ -> {:id, :uuid}
      end
    end

    @doc "A relationship to one of the host's, or the bare column where it was not named."
    def belongs_to(_name, nil), do: nil

    def belongs_to(name, resource) do
      {key, type} = key_of(resource)

      quote do
        relationships do
          belongs_to unquote(name), unquote(resource) do
            destination_attribute(unquote(key))
            attribute_type(unquote(type))
            allow_nil?(true)
            public?(true)
          end
        end
      end
    end

    def bare_column(_name, resource) when resource != nil, do: nil

    def bare_column(name, nil) do
      quote do
        attributes do
          attribute(unquote(name), :uuid, public?: true)
        end
      end
    end

    @doc "The rows of another resource that belong to one."
    def has_many(_name, nil, _options), do: nil

    def has_many(name, resource, options) do
      quote do
        relationships do
          has_many(unquote(name), unquote(resource), unquote(options))
        end
      end
    end

    @doc "The actions of a resource that nobody but the store writes."
    def actions_of_the_store(written) do
      quote do
        actions do
          defaults([:read, :destroy])

          create :create do
            primary?(true)
            accept(unquote(written))
          end

          update :sync do
            primary?(true)
            require_atomic?(false)
            accept(unquote(written))
          end
        end
      end
    end

    @doc "The table, where the resource has a repo."
    def postgres(%{repo: nil}, _body), do: nil

    def postgres(mine, body) do
      quote do
        postgres do
          table(unquote(mine.table))
          repo(unquote(mine.repo))
          unquote(if mine.schema, do: quote(do: schema(unquote(mine.schema))))
        end

        unquote(body)
      end
    end

    @doc "What becomes of a row whose trial or search the host deletes: it stays, for so does the run."
    def outlives(relationships, mine) do
      for {relationship, option} <- relationships, mine[option] do
        quote(do: reference(unquote(relationship), on_delete: :nilify))
      end
    end
  end
end
