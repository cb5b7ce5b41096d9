# shellcheck shell=bash
# Steps that show themselves: a title, a heartbeat while they run, the time they took, and on failure what to do.
# Source it; it defines functions only. The log of the last command is in $LAIMARK_LOG.

HEARTBEAT_S=15
_heartbeat_pid=""
_scratch=()

say() { printf '%s\n' "$*"; }

# die MESSAGE [HINT]: stop, saying what is missing and what to do about it.
die() {
  printf '\nerror: %s\n' "$1" >&2
  [ -z "${2:-}" ] || printf 'hint: %s\n' "$2" >&2
  exit 1
}

elapsed() { printf '%dm%02ds' $(($1 / 60)) $(($1 % 60)); }

# scratch_folder PARENT: a temporary folder in $REPLY that is removed however the script ends.
scratch_folder() {
  mkdir -p "$1"
  REPLY=$(mktemp -d "$1/.partial.XXXXXX")
  _scratch+=("$REPLY")
}

# Whether this is the script itself and not a child of it ($BASHPID is not in every bash).
_is_the_script() { [ "$(exec sh -c 'echo "$PPID"')" = "$$" ]; }

_clean_up() {
  # A child killed right after its birth runs its parent's trap: it would remove what the script still needs.
  _is_the_script || return 0
  _stop_heartbeat
  local folder
  for folder in ${_scratch[@]+"${_scratch[@]}"}; do rm -rf "$folder"; done
}
trap _clean_up EXIT

_last_sign_of_life() {
  # A compiler's step count says more than its last line, which may be a long command.
  local line
  line=$(tail -c 65536 "$1" 2>/dev/null | grep -oE '\[[0-9]+/[0-9]+\]' | tail -n 1) || true
  [ -n "$line" ] || line=$(tail -n 1 "$1" 2>/dev/null | tr -d '\r' | cut -c1-90) || true
  printf '%s' "$line"
}

_beat() {
  local log=$1 owner=$$ waited=0
  # A script that was killed outright cannot stop its heartbeat, so the heartbeat looks for its owner.
  while kill -0 "$owner" 2>/dev/null; do
    sleep 1 >/dev/null 2>&1 # not our stdout: a sleep that outlives us must not keep a reader waiting
    waited=$((waited + 1))
    [ $((waited % HEARTBEAT_S)) -ne 0 ] || say "    $(elapsed "$waited")  $(_last_sign_of_life "$log")"
  done
}

_stop_heartbeat() {
  [ -n "$_heartbeat_pid" ] || return 0
  kill "$_heartbeat_pid" 2>/dev/null || true
  wait "$_heartbeat_pid" 2>/dev/null || true
  _heartbeat_pid=""
}

# step TITLE HINT COMMAND...: run quietly in the foreground, so that Ctrl-C reaches the command itself.
step() {
  local title=$1 hint=$2 began=$SECONDS status=0
  shift 2
  say "==> $title"
  : >"$LAIMARK_LOG"
  _beat "$LAIMARK_LOG" 9>&- & # 9 is the set-up lock: it must not outlive the script
  _heartbeat_pid=$!
  "$@" >>"$LAIMARK_LOG" 2>&1 </dev/null || status=$?
  _stop_heartbeat
  if [ "$status" -ne 0 ]; then
    say "    failed after $(elapsed $((SECONDS - began))); the last lines of its output:" >&2
    tail -n 20 "$LAIMARK_LOG" | sed 's/^/    | /' >&2
    die "$title: failed with status $status" "$hint"
  fi
  say "    done in $(elapsed $((SECONDS - began)))"
}

# digest: the first 16 hex digits of the sha256 of stdin, on Linux and macOS alike.
digest() {
  if command -v sha256sum >/dev/null 2>&1; then sha256sum; else shasum -a 256; fi | cut -c1-16
}
