# Integration tests need real servers, one of each version; `--include integration` without their
# addresses is a mistake, and must not look like success.
integration? =
  ExUnit.configuration()
  |> Keyword.get(:include, [])
  |> Enum.any?(&(&1 == :integration or match?({:integration, _}, &1)))

if integration?, do: MLflow.Servers.require!()

# Addresses of loopback must never go through a proxy of the machine's.
System.put_env("NO_PROXY", "127.0.0.1,localhost")

# The adapters are tested where their packages are, on a PostgreSQL that is named.
postgres? = Code.ensure_loaded?(MLflow.Postgres) and MLflow.Postgres.url() != nil
if postgres?, do: MLflow.Postgres.start!()

ExUnit.start(
  exclude: [:integration] ++ if(postgres?, do: [], else: [:postgres]),
  capture_log: true,
  assert_receive_timeout: 5_000
)
