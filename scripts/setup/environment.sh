# shellcheck shell=bash
# The checkout's own virtual environment, installed once and left alone while nothing that decides it has changed.
#
# Settings (environment):
#   LAIMARK_PYTHON  the Python to build it with (3.11 or newer)
#   LAIMARK_TORCH   pip requirement of torch with its options, default "torch==2.13.0"; for example another CUDA's build
#   CMAKE_ARGS      further options of the llama.cpp build, for example -DGGML_CUDA=on
#   XDG_CACHE_HOME  where the compiled wheel is kept, default ~/.cache

LAIMARK_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
LAIMARK_CACHE="${XDG_CACHE_HOME:-$HOME/.cache}/laimark-sidecar"
LAIMARK_VENV="$LAIMARK_ROOT/.venv"
LAIMARK_LOG="$LAIMARK_CACHE/setup.log"
LAIMARK_TORCH="${LAIMARK_TORCH:-torch==2.13.0}"
CONSTRAINTS="$LAIMARK_ROOT/scripts/setup/constraints.txt"
NETWORK_HINT="check the network and pip's settings (pip config list); nothing half-done is used, just run this again"
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1

# shellcheck source=scripts/setup/steps.sh
. "$LAIMARK_ROOT/scripts/setup/steps.sh"
# shellcheck source=scripts/setup/system.sh
. "$LAIMARK_ROOT/scripts/setup/system.sh"
# shellcheck source=scripts/setup/llama_cpp.sh
. "$LAIMARK_ROOT/scripts/setup/llama_cpp.sh"
# shellcheck source=scripts/setup/llama_server.sh
. "$LAIMARK_ROOT/scripts/setup/llama_server.sh"

_pip() { "$LAIMARK_VENV/bin/python" -m pip install --constraint "$CONSTRAINTS" "$@"; }

# stamp_file KIND: in $REPLY, a name that changes whenever the environment of KIND would.
stamp_file() {
  local key
  key=$({
    printf '%s\n' "$LAIMARK_ROOT" "$LAIMARK_TORCH" "$LLAMA_VERSION" "${CMAKE_ARGS:-}"
    "$LAIMARK_VENV/bin/python" --version 2>&1 || true
    cat "$LAIMARK_ROOT/pyproject.toml" "$CONSTRAINTS"
  } | digest)
  REPLY="$LAIMARK_VENV/.laimark-$1-$key"
}

_is_ready() {
  stamp_file "$1"
  [ -f "$REPLY" ] && [ -x "$LAIMARK_VENV/bin/laimark-sidecar" ]
}

_stamp() {
  rm -f "$LAIMARK_VENV/.laimark-$1"-*
  stamp_file "$1"
  : >"$REPLY"
}

# Two set-ups at once would compile twice and install over each other; the lock goes when this script ends.
_lock() {
  exec 9>"$LAIMARK_CACHE/setup.lock"
  "$1" -c 'import fcntl; fcntl.flock(9, fcntl.LOCK_EX | fcntl.LOCK_NB)' 2>/dev/null && return
  say "==> another set-up is running; waiting for it"
  "$1" -c 'import fcntl; fcntl.flock(9, fcntl.LOCK_EX)'
}

_require_venv() {
  local marker="$LAIMARK_VENV/.laimark-root"
  # The scripts of a virtual environment carry its path: one that we made elsewhere and that moved is made anew.
  if ! _suits "$LAIMARK_VENV/bin/python" ||
    { [ -f "$marker" ] && [ "$(cat "$marker")" != "$LAIMARK_ROOT" ]; }; then
    step "create .venv with $("$1" --version)" "remove $LAIMARK_VENV and run this again" \
      "$1" -m venv --clear "$LAIMARK_VENV"
    printf '%s\n' "$LAIMARK_ROOT" >"$marker"
  fi
  "$LAIMARK_VENV/bin/python" -m pip --version >/dev/null 2>&1 ||
    step "put pip into .venv" "remove $LAIMARK_VENV and run this again" "$LAIMARK_VENV/bin/python" -m ensurepip
}

_install() {
  local kind=$1 wheel=$2 torch extras="train,embedded,plots" more=()
  read -r -a torch <<<"$LAIMARK_TORCH"
  # torch alone and first, at an exact version: left to the resolver it may bring gigabytes of another build.
  step "install torch (${torch[0]})" "$NETWORK_HINT" _pip "${torch[@]}"
  if [ "$kind" = test ]; then
    local requirement
    while IFS= read -r requirement; do more+=("$requirement"); done < <(_test_requirements)
  fi
  step "install laimark-sidecar with what it needs" "$NETWORK_HINT" \
    _pip "$wheel" --editable "${LAIMARK_ROOT}[$extras]" ${more[@]+"${more[@]}"}
  step "start llama.cpp once" "remove ${wheel%/*} and run this again: it was built for another machine" \
    "$LAIMARK_VENV/bin/python" -c "import llama_cpp; llama_cpp.llama_backend_init()"
}

_test_requirements() {
  "$LAIMARK_VENV/bin/python" -c \
    'import sys, tomllib; print(*tomllib.load(open(sys.argv[1], "rb"))["dependency-groups"]["test"], sep="\n")' \
    "$LAIMARK_ROOT/pyproject.toml"
}

# require_environment KIND: a ready .venv for `run` or for `test`. Quick, and silent, when it is already there.
require_environment() {
  local kind=$1 began=$SECONDS python
  ! _is_ready "$kind" || return 0
  mkdir -p "$LAIMARK_CACHE"
  require_python
  python=$REPLY
  say "Setting up $LAIMARK_VENV (the compiled llama.cpp is kept in $LAIMARK_CACHE)"
  _lock "$python"
  _require_venv "$python"
  require_llama_wheel "$LAIMARK_VENV/bin/python"
  _install "$kind" "$REPLY"
  [ "$kind" = run ] || _stamp "$kind"
  _stamp run # what the tests need contains what a run needs
  exec 9>&-
  say "Set up in $(elapsed $((SECONDS - began)))"
}
