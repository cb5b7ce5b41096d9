# shellcheck shell=bash
# litellm, one of the programs that the gateway is tested with, lives in an environment of its own: its requirements do
# not fit ours.

LITELLM_VERSION=1.110.2

_install_litellm() {
  "$1" -m venv --clear "$2" && "$2/bin/python" -m pip install "litellm==$LITELLM_VERSION" && : >"$2/.$LITELLM_VERSION"
}

# find_litellm PYTHON: the Python that has it in $REPLY, installed first if there is none; empty where that fails, for
# nothing but one test needs it.
find_litellm() {
  local target="$LAIMARK_CACHE/litellm"
  REPLY="$target/bin/python"
  [ ! -e "$target/.$LITELLM_VERSION" ] || return 0
  mkdir -p "$LAIMARK_CACHE"
  # In a process of its own: a step that fails ends the script.
  if ! (step "install litellm $LITELLM_VERSION into $target" "its test is skipped; $NETWORK_HINT" \
    _install_litellm "$1" "$target"); then
    REPLY=""
  fi
}
