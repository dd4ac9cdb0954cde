# Sourced by bin/demo, bin/test, bin/bench, bin/prove and .ci/run: what they install, and the MLflow
# servers they start. Messages go to stderr, so that stdout stays the caller's own.
#
# MLFLOW_SYNC_VENVS  a folder that holds, or will hold, mlflow-<version> virtual
#                    environments (default: tmp/venv), so that checkouts can share them.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# A tracking server or token in the developer's shell must not be written to by a test.
for name in "${!MLFLOW_@}"; do
  [[ $name == MLFLOW_SYNC_VENVS || $name == MLFLOW_TEST_DATABASE_URL ]] || unset "$name"
done
unset name

MLFLOW_VERSION=3.17.2
MLFLOW_OLD_VERSION=2.9.2

# Nothing but package installs leaves this machine: no usage reports, and no proxy between
# a client and its server on the loopback interface. And what Python scripts print to stdout
# is their answer: MLflow's client announces every finished run there.
export MLFLOW_DISABLE_TELEMETRY=true DO_NOT_TRACK=true
export MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT=true
export NO_PROXY="127.0.0.1,localhost${NO_PROXY:+,$NO_PROXY}"
export no_proxy=$NO_PROXY

# Ctrl-C ends the Erlang VM, where it would otherwise show a menu.
export ELIXIR_ERL_OPTIONS="${ELIXIR_ERL_OPTIONS:-} +Bd"

# A bare container has no locale, and Elixir wants UTF-8.
export LC_ALL=${LC_ALL:-C.UTF-8}

say() { printf '%s\n' "$*" >&2; }
heading() { printf '\n== %s\n' "$*" >&2; }
fail() { say "error: $*"; exit 1; }

# The comment at the top of a script is its help.
show_help() { sed -n '2,/^[^#]/ { /^#/!q; s/^# \{0,1\}//; p }' "$1"; }

# at_least 1.14 "$version"
at_least() { [[ $(printf '%s\n' "$1" "$2" | sort -V | head -n 1) == "$1" ]]; }

# --- Packages -------------------------------------------------------------------------

apt_install() {
  local as_root=()
  command -v apt-get >/dev/null ||
    fail "$* is missing, and only Debian's apt-get is known here: install it by other means."
  if ((EUID != 0)); then
    command -v sudo >/dev/null || fail "installing $* needs root or sudo."
    as_root=(sudo)
  fi
  say "Installing $* with apt-get ..."
  local options=(-qq -o DPkg::Lock::Timeout=300)
  { "${as_root[@]}" apt-get "${options[@]}" update &&
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
      apt-get "${options[@]}" install -y --no-install-recommends "$@"; } </dev/null >/dev/null ||
    fail "apt-get could not install $*."
}

elixir_version() { elixir --short-version 2>/dev/null || true; }

ensure_elixir() {
  { command -v mix && at_least 1.14 "$(elixir_version)"; } >/dev/null || apt_install elixir
  hash -r
  at_least 1.14 "$(elixir_version)" ||
    fail "Elixir 1.14 or newer is needed (found: $(elixir_version)); see https://elixir-lang.org/install.html."
}

ensure_rust() {
  PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin
  local needed found
  needed=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$ROOT/Cargo.toml")
  found=$(cargo --version 2>/dev/null | cut -d ' ' -f 2) || true
  at_least "$needed" "${found:-0}" ||
    fail "Rust $needed or newer is needed (found: ${found:-none}); see https://rustup.rs."
  # Rust links with it, and SQLite is compiled from its C source.
  command -v cc >/dev/null || apt_install gcc libc6-dev
}

# ensure_python NEWEST: sets PYTHON to a Python 3.10 or newer, up to NEWEST, that can make
# virtual environments.
ensure_python() {
  find_python "$1" && return
  apt_install python3 python3-venv
  find_python "$1" || fail "Python 3.10 to $1 with its venv module is needed."
}

find_python() {
  local check='import ensurepip, sys, venv; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, int(sys.argv[1])))'
  for PYTHON in python3 /usr/bin/python3 python3.12 python3.11 python3.10; do
    "$PYTHON" -c "$check" "${1#3.}" 2>/dev/null && return
  done
  return 1
}

# build [ENVIRONMENT]: for the demo, the benchmarks and the proofs.
build() {
  export MIX_ENV=${1:-prod}
  without_hex
  attend mix compile || fail "the library does not compile."
}

# The archives are left out, and with them Hex: the library needs no package of its, and a network
# that has none must do.
NO_ARCHIVES=$ROOT/tmp/no-archives
without_hex() { export MIX_ARCHIVES=$NO_ARCHIVES; }

# --- Virtual environments -------------------------------------------------------------

venv_of() { printf '%s/mlflow-%s\n' "${MLFLOW_SYNC_VENVS:-$ROOT/tmp/venv}" "$1"; }

# An interrupted install leaves no marker, and is made again. Environments from elsewhere
# have none either: their maker answers for them.
venv_ready() { [[ -e $1/.complete || (-n ${MLFLOW_SYNC_VENVS:-} && -x $1/bin/mlflow) ]]; }

# ensure_venv VERSION: MLflow VERSION in a virtual environment of its own.
ensure_venv() {
  local version=$1 venv newest=3.14 extra=()
  venv=$(venv_of "$version")
  venv_ready "$venv" && return
  # MLflow 2.9 wants pkg_resources, a pool class that SQLAlchemy 2.1 dropped, and a pyarrow
  # without wheels for later Pythons; its own requirements do not say so.
  if [[ $version == 2.9.* ]]; then newest=3.12 extra=('setuptools<81' 'sqlalchemy<2.1'); fi
  ensure_python "$newest"
  mkdir -p "$(dirname "$venv")"
  # Two scripts may want the same environment: the second waits for the first.
  (
    flock 8
    venv_ready "$venv" && exit
    say "Installing MLflow $version from PyPI (two to four minutes, about 850 MB) ..."
    rm -rf "$venv"
    "$PYTHON" -m venv "$venv" >"$venv.log" 2>&1 &&
      "$venv/bin/python" -m pip install --disable-pip-version-check --no-input \
        "mlflow==$version" "${extra[@]}" </dev/null >>"$venv.log" 2>&1 &&
      touch "$venv/.complete" ||
      { tail -n 20 "$venv.log" >&2; fail "MLflow $version could not be installed."; }
    say "MLflow $version is installed."
  ) 8>"$venv.lock"
}

# install_venvs VERSION...: ensure_venv for each, side by side with what the caller does
# next; its own ensure_venv waits for them, and tries again what could not be installed.
install_venvs() {
  ensure_python 3.12
  setsid bash -euo pipefail -c 'source "$0"; for version; do ensure_venv "$version"; done' \
    "$ROOT/bin/lib.sh" "$@" </dev/null &
  LEADERS+=("$!")
}

# --- MLflow servers -------------------------------------------------------------------

# start_mlflow VERSION DIR [PORT]: a server with its database, artifacts and log in DIR, on a
# free port of the loopback interface unless one is given. Sets SERVER_PID and SERVER_URI;
# await_mlflow waits until it answers. The server leads a process group of its own, so that a
# Ctrl-C in the terminal does not end it before its clients, and stopping it ends its workers
# too.
start_mlflow() {
  local venv dir=$2 port
  venv=$(venv_of "$1")
  mkdir -p "$dir/artifacts"
  dir=$(cd "$dir" && pwd)
  port=${3:-$("$venv/bin/python" -c \
    'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')}
  # Without its job runner, which is for GenAI scorers and several processes more.
  PATH=$venv/bin:$PATH MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false \
    setsid "$venv/bin/python" -m mlflow server --host 127.0.0.1 --port "$port" \
    --backend-store-uri "sqlite:///$dir/mlflow.db" \
    --artifacts-destination "file://$dir/artifacts" \
    </dev/null >"$dir/mlflow.log" 2>&1 &
  SERVER_PID=$!
  SERVER_URI=http://127.0.0.1:$port
  LEADERS+=("$SERVER_PID")
}

# await_mlflow PID URI DIR
await_mlflow() {
  "$(venv_of "$MLFLOW_VERSION")/bin/python" "$ROOT/bin/await_server.py" "$1" "$2" && return
  tail -n 20 "$3/mlflow.log" >&2
  fail "the MLflow server did not start; the end of its log is above."
}

# start_embedded DIR: a server of this library's own, with its database and artifacts in DIR, on a
# free port of the loopback interface. Sets SERVER_PID and SERVER_URI, once it answers.
start_embedded() {
  local dir=$1
  setsid mix mlflow.server --port 0 --database "$dir/mlflow.db" --artifacts "$dir/artifacts" \
    </dev/null >"$dir/server.uri" 2>"$dir/server.log" &
  SERVER_PID=$!
  LEADERS+=("$SERVER_PID")
  for _ in {1..300}; do
    SERVER_URI=$(<"$dir/server.uri")
    [[ -z $SERVER_URI ]] || return 0
    kill -0 "$SERVER_PID" 2>/dev/null || break
    sleep 0.1
  done
  tail -n 20 "$dir/server.log" >&2
  fail "the server did not start; the end of its log is above."
}

# --- PostgreSQL -----------------------------------------------------------------------

# start_postgres DIR: an empty server on a free port of the loopback interface, with its files in
# DIR, which must not exist. Sets DATABASE_URL. Fails where PostgreSQL's programs are not found.
start_postgres() {
  local dir=$1 programs port as_postgres=()
  programs=$(postgres_programs) || return 1
  mkdir -p "$dir"
  # It refuses to be root.
  if ((EUID == 0)); then
    as_postgres=(setpriv --reuid=postgres --regid=postgres --init-groups)
    chown postgres:postgres "$dir"
  fi
  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  (
    cd "$dir"
    "${as_postgres[@]}" "$programs/initdb" -D "$dir/data" -U postgres -A trust >"$dir/initdb.log" 2>&1
  ) || return 1
  # What it holds is thrown away, so it need not survive a power cut.
  (cd "$dir" && exec setsid "${as_postgres[@]}" "$programs/postgres" -D "$dir/data" -p "$port" \
    -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off -c max_connections=200 \
    </dev/null >"$dir/postgres.log" 2>&1) &
  LEADERS+=("$!")
  DATABASE_URL=postgres://postgres@127.0.0.1:$port/postgres
  for _ in {1..100}; do
    "$programs/psql" -qc "select" "$DATABASE_URL" >/dev/null 2>&1 && return
    sleep 0.1
  done
  return 1
}

# Debian keeps the server's programs off the PATH.
postgres_programs() {
  local initdb
  initdb=$(command -v initdb || printf '%s\n' /usr/lib/postgresql/*/bin/initdb | sort -V | tail -n 1)
  initdb=$(readlink -e "$initdb") && dirname "$initdb"
}

# --- Ending well ----------------------------------------------------------------------

# Leaders of the process groups to end with this script: servers, and installers.
LEADERS=()
ATTENDED=

# attend COMMAND...: runs it so that a signal to this script is acted upon at once, where
# bash would first wait for a command in the foreground to end. Never within ( ): a subshell
# has no traps, and what it attends would be left behind.
attend() {
  "$@" </dev/null &
  ATTENDED=$!
  local status=0
  wait "$ATTENDED" || status=$?
  ATTENDED=
  return "$status"
}

# stop_on_exit: whatever happens from here on, nothing stays behind.
stop_on_exit() {
  trap end_processes EXIT
  trap 'say; say "Interrupted."; exit 130' INT
  trap 'say; say "Terminated."; exit 143' TERM HUP
}

end_processes() {
  local leader
  # Before the servers it talks to.
  [[ -z $ATTENDED ]] || end_process "$ATTENDED"
  for leader in "${LEADERS[@]}"; do end_process "-$leader"; done
}

# end_process PID: asks first, and does not ask for ever. A negative PID is a group.
end_process() {
  kill -TERM -- "$1" 2>/dev/null || return 0
  for _ in {1..100}; do
    kill -0 -- "$1" 2>/dev/null || return 0
    sleep 0.1
  done
  kill -KILL -- "$1" 2>/dev/null || true
}
