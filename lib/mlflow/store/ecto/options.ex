if Code.ensure_loaded?(Ecto.Query) do
  defmodule MLflow.Store.Ecto.Options do
    @moduledoc false
    # The store's options, checked once, and what follows from them.

    alias MLflow.Store.Ecto.Schemas
    alias MLflow.Trackable.Fields

    @known [:repo, :trial, :model_run, :prefix, :writable, :update, :create, :put_model_run]

    @enforce_keys [:repo, :trial, :schemas, :fields, :key]
    defstruct [
      :repo,
      :trial,
      :model_run,
      :prefix,
      :schemas,
      :fields,
      :key,
      :writable,
      :update,
      :create,
      :put_model_run
    ]

    @type t :: %__MODULE__{}

    @doc "Raises `ArgumentError` with what to do."
    @spec new!(keyword) :: t
    def new!(options) do
      Enum.each(Keyword.keys(options), &known!/1)
      repo = repo!(options[:repo])
      trial = schema!(:trial, options[:trial])
      key = key!(trial)
      fields = Fields.of(struct(trial))

      %__MODULE__{
        repo: repo,
        trial: trial,
        key: key,
        fields: fields,
        schemas: Schemas.of(key_type!(trial, key)),
        model_run: options[:model_run] && model_run!(options[:model_run]),
        prefix: prefix!(options[:prefix]),
        writable: writable!(options[:writable], trial, fields, key),
        update: changeset!(:update, options[:update]),
        create: writer!(:create, options[:create]),
        put_model_run: put_model_run!(options[:put_model_run], options[:model_run])
      }
    end

    defp known!(option) do
      option in @known ||
        raise ArgumentError,
              "unknown option #{inspect(option)} for MLflow.Store.Ecto; " <>
                "did you mean #{inspect(nearest(option, @known))}?"
    end

    defp repo!(nil),
      do: raise(ArgumentError, "MLflow.Store.Ecto needs the host's repo: give repo: MyApp.Repo")

    defp repo!(repo) do
      (is_atom(repo) and Code.ensure_loaded?(repo) and function_exported?(repo, :__adapter__, 0)) ||
        raise ArgumentError, "repo: is an Ecto repo such as MyApp.Repo, got #{inspect(repo)}"

      repo.__adapter__() == Ecto.Adapters.Postgres ||
        raise ArgumentError,
              "MLflow.Store.Ecto needs a repo on PostgreSQL, and #{inspect(repo)} uses " <>
                "#{inspect(repo.__adapter__())}; MLflow.Store.Embedded needs none"

      repo
    end

    defp schema!(option, nil) do
      raise ArgumentError,
            "MLflow.Store.Ecto needs the schema of the host's trials: " <>
              "give #{option}: MyApp.ModelTrial"
    end

    defp schema!(option, module) do
      (is_atom(module) and Code.ensure_loaded?(module) and
         function_exported?(module, :__schema__, 2) and module.__schema__(:source) != nil) ||
        raise ArgumentError,
              "#{option}: is an Ecto schema with a table of its own, got #{inspect(module)}"

      module
    end

    defp key!(trial) do
      case trial.__schema__(:primary_key) do
        [key] ->
          key

        keys ->
          raise ArgumentError,
                "#{inspect(trial)} has the primary key #{inspect(keys)}: a trial is found by one field"
      end
    end

    defp key_type!(trial, key) do
      type = trial.__schema__(:type, key)

      case Ecto.Type.type(type) do
        uuid when uuid in [:uuid, :binary_id] ->
          :uuid

        integer when integer in [:id, :integer, :bigint] ->
          :bigint

        :string ->
          :text

        _ ->
          raise ArgumentError,
                "the key of #{inspect(trial)} is a #{inspect(type)}: it must be a UUID, an integer " <>
                  "or a text"
      end
    end

    defp model_run!(module) do
      schema = schema!(:model_run, module)

      :run_id in schema.__schema__(:fields) ||
        raise ArgumentError,
              "model_run: is a schema with a field :run_id, by which searches are found, and " <>
                "#{inspect(schema)} has none; leave it out"

      schema
    end

    defp prefix!(prefix) when is_nil(prefix) or is_binary(prefix), do: prefix

    defp prefix!(other),
      do:
        raise(ArgumentError, "prefix: is the name of a PostgreSQL schema, got #{inspect(other)}")

    defp writable!(nil, trial, fields, key) do
      trial.__schema__(:fields) --
        [key, fields.trial_id, fields.model_run_id, fields.inserted_at, fields.updated_at]
    end

    defp writable!(given, trial, _fields, _key) do
      known = trial.__schema__(:fields)

      for field <- List.wrap(given) do
        field in known ||
          raise ArgumentError,
                "writable: names #{inspect(field)}, which #{inspect(trial)} has not; " <>
                  "did you mean #{inspect(nearest(field, known))}?"
      end

      List.wrap(given)
    end

    defp changeset!(_option, nil), do: nil
    defp changeset!(_option, fun) when is_function(fun, 2), do: fun

    defp changeset!(option, other) do
      raise ArgumentError,
            "#{option}: is a function of a struct and attributes that answers a changeset, such as " <>
              "&MyApp.ModelTrial.changeset/2, got #{inspect(other)}"
    end

    defp writer!(_option, flag) when flag in [nil, false], do: nil
    defp writer!(_option, true), do: true
    defp writer!(option, fun), do: changeset!(option, fun)

    defp put_model_run!(flag, _model_run) when flag in [nil, false], do: nil

    defp put_model_run!(_writer, nil) do
      raise ArgumentError, "put_model_run: needs the schema of searches: give model_run: too"
    end

    defp put_model_run!(writer, _model_run), do: writer!(:put_model_run, writer)

    defp nearest(name, names), do: Enum.max_by(names, &String.jaro_distance("#{&1}", "#{name}"))
  end
end
