# shellcheck shell=bash
# What the machine itself must offer: Python 3.11 or newer with venv, and a C++ compiler for llama.cpp.

_suits() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

# find_python: the first interpreter that is new enough, in $REPLY (empty if there is none).
find_python() {
  local candidate
  for candidate in ${LAIMARK_PYTHON:+"$LAIMARK_PYTHON"} python3 python3.14 python3.13 python3.12 python3.11; do
    if command -v "$candidate" >/dev/null 2>&1 && _suits "$candidate"; then
      REPLY=$(command -v "$candidate")
      return
    fi
  done
  REPLY=""
}

has_venv() { "$1" -c 'import venv, ensurepip' >/dev/null 2>&1; }

has_compiler() {
  command -v "${CXX:-c++}" >/dev/null 2>&1 || command -v g++ >/dev/null 2>&1 || command -v clang++ >/dev/null 2>&1
}

_apt_install() {
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -q
  apt-get install -q -y --no-install-recommends "$@"
}

# install_packages WHAT PACKAGE...: with apt where that is ours to do, else say the command and stop.
install_packages() {
  local what=$1
  shift
  command -v apt-get >/dev/null 2>&1 ||
    die "$what is missing" "install it with this system's package manager (on Debian: apt-get install $*)"
  [ "$(id -u)" -eq 0 ] || die "$what is missing" "sudo apt-get install $*"
  step "install $what ($*)" "run by hand: apt-get install $*" _apt_install "$@"
}

# require_python: a Python with venv in $REPLY, installed if need be.
require_python() {
  find_python
  if [ -z "$REPLY" ]; then
    install_packages "Python 3.11 or newer" python3 python3-venv
    find_python
    [ -n "$REPLY" ] || die "no Python 3.11 or newer: this system's python3 is $(python3 --version 2>&1)" \
      "install a newer one and name it: LAIMARK_PYTHON=/path/to/python3.12 $0"
  fi
  if ! has_venv "$REPLY"; then
    local python=$REPLY version
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    install_packages "the venv module of $python" "python$version-venv"
    has_venv "$python" || die "$python still has no venv module" "name another Python: LAIMARK_PYTHON=... $0"
    REPLY=$python
  fi
}

require_compiler() { has_compiler || install_packages "a C++ compiler" g++ libc6-dev; }
