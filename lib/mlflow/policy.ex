defmodule MLflow.Policy do
  @moduledoc """
  Who wins when a field was changed on both sides since they last agreed.

  Given as `policy:` of an instance, per kind of field; what is not named keeps its default:

      {MLflow, policy: [status: :newest, tags: :remote, params: :tag]}

  | kind of field | policies | default |
  |---|---|---|
  | `status`, `times`, `name`, `metrics`, `tags`, `artifact_uri` | `:local`, `:remote`, `:newest` | `:local` |
  | `params` | `:keep_remote`, `:tag`, `:new_run` | `:keep_remote` |

    * `:local` - the trial wins
    * `:remote` - the run wins
    * `:newest` - whoever was changed last. MLflow keeps no time of change, so a run's is the newest
      moment it tells: its end, or the timestamp of its latest point.

  Points of a metric are always united, on both sides; its policy decides whose latest value the
  trial has as its own. A run shows the point with the highest step, then time, whoever logged it.

  MLflow never changes a param, so there the question is what becomes of the trial's value:

    * `:keep_remote` - the run keeps its own, and nothing is sent
    * `:tag` - the same, and the trial's value is kept beside it under the tag
      `<tag_prefix>_param.<key>`
    * `:new_run` - the trial gets a new run; the old one stays, without our tag

  Every conflict is reported, whoever won: see `MLflow.conflicts/1`.
  """

  @kinds ~w(status times name metrics tags artifact_uri)a
  @sides ~w(local remote newest)a
  @param_policies ~w(keep_remote tag new_run)a
  @defaults Map.new(@kinds, &{&1, :local}) |> Map.put(:params, :keep_remote)

  @type side :: :local | :remote | :newest
  @type t :: %{
          status: side,
          times: side,
          name: side,
          metrics: side,
          tags: side,
          artifact_uri: side,
          params: :keep_remote | :tag | :new_run
        }

  @doc "The whole policy: what is given, and the defaults for the rest."
  @spec complete(keyword | map) :: t
  def complete(given), do: Map.merge(@defaults, Map.new(given))

  @doc false
  def valid?(given) when is_map(given) or is_list(given), do: Enum.all?(given, &valid_entry?/1)
  def valid?(_given), do: false

  @doc false
  def expected do
    "a policy per kind of field: #{names(@kinds)} take #{names(@sides)}, " <>
      "and :params takes #{names(@param_policies)}"
  end

  defp valid_entry?({:params, policy}), do: policy in @param_policies
  defp valid_entry?({kind, side}), do: kind in @kinds and side in @sides
  defp valid_entry?(_other), do: false

  defp names(atoms), do: Enum.map_join(atoms, ", ", &inspect/1)
end
