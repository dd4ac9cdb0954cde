defmodule Thunderline.Repo do
  @moduledoc "The application's database."

  use AshPostgres.Repo, otp_app: :thunderline_host

  def installed_extensions, do: ["ash-functions"]
  def min_pg_version, do: %Version{major: 13, minor: 0, patch: 0}
end
