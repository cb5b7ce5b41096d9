#!/usr/bin/env bash
# Installs mitmproxy, one of the proxies that scripts/bench_gateway.py compares with, into an environment of its own: its
# requirements do not fit ours.
set -euo pipefail
# shellcheck source=scripts/setup/environment.sh
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

MITMPROXY_VERSION=11.0.2
target="$LAIMARK_CACHE/mitmproxy"

_install_mitmproxy() { "$1" -m venv --clear "$2" && "$2/bin/python" -m pip install "mitmproxy==$MITMPROXY_VERSION"; }

if [ ! -e "$target/.$MITMPROXY_VERSION" ]; then
  mkdir -p "$LAIMARK_CACHE"
  require_python
  step "install mitmproxy $MITMPROXY_VERSION into $target" "$NETWORK_HINT" _install_mitmproxy "$REPLY" "$target"
  : >"$target/.$MITMPROXY_VERSION"
fi
say "$target/bin/mitmdump"
