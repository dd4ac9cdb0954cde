defmodule MLflow.CLI.Advice do
  @moduledoc false
  # What to do about an error, by its kind. The error's own message says what is special about it.

  alias MLflow.Error

  @advice %{
    connect: "start the MLflow server, or set tracking_uri (MLFLOW_TRACKING_URI) to where it is",
    tls:
      "check that tracking_uri says http or https as the server does; a CA of your own goes into " <>
        "server_cert_path (MLFLOW_TRACKING_SERVER_CERT_PATH)",
    connection_lost: "run it again: what was sent already is recognised and not sent twice",
    timeout:
      "run it again; if the server needs longer, raise request_timeout (MLFLOW_REQUEST_TIMEOUT)",
    unauthenticated:
      "set username and password (MLFLOW_TRACKING_USERNAME, MLFLOW_TRACKING_PASSWORD) or a token " <>
        "(MLFLOW_TRACKING_TOKEN) that the server knows",
    forbidden: "ask the server's administrator for the permission, or use another account",
    not_found: "check the name or id, and that it was not deleted",
    invalid: "mend what the message names; trying again as it is cannot help",
    already_exists: "use what is there, or choose another name",
    conflict: "somebody else is at it: run it again in a moment",
    rate_limited: "wait, or send less: lower concurrency, or set rate_limit",
    unavailable: "run it again when the server is up; its own log says why it is not",
    server: "look into the MLflow server's log, and run it again when that is mended",
    not_mlflow:
      "set tracking_uri to the MLflow server itself, with its path prefix, and make sure that no " <>
        "login page or proxy answers in its place",
    bad_response: "run it again; if it stays, look at what stands between here and the server",
    disabled: "set `enabled: true` or MLFLOW_ENABLED=true, and unset TL_DISABLE_MLFLOW",
    config: "mend the setting that the message names",
    store:
      "check that the database can be written, that its disk has room, and that no other " <>
        "program holds it; mix mlflow.doctor tells more",
    overloaded: "run it again in a moment",
    canceled: "run it again",
    crashed: "please report this, with the message",
    bug: "please report this, with the message"
  }

  @doc "What to do about the error."
  @spec of(Error.t()) :: String.t()
  def of(%Error{kind: kind}), do: Map.fetch!(@advice, kind)
end
