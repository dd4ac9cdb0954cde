#!/usr/bin/env bash
# server.sh DIR PORT: an MLflow server that lives as long as this script's stdin is open, for
# Bench.Server. Says "up" once it answers.

set -euo pipefail
source "$(dirname "$0")/../bin/lib.sh"

stop_on_exit
start_mlflow "$MLFLOW_VERSION" "$1" "$2"
await_mlflow "$SERVER_PID" "$SERVER_URI" "$1"
echo up
read -r || true
