# shellcheck shell=bash
# llama-cpp-python is compiled once a machine, and its wheel is kept outside the checkout.
#
# The build is -march=native: on another CPU it dies with SIGILL. So the folder is named by what the CPU can do,
# and pip's own wheel cache, which knows nothing of CPUs, is kept out of it.

LLAMA_VERSION=0.3.36
LLAMA_SDIST_SHA256=832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e
LLAMA_CMAKE_ARGS="-DLLAVA_BUILD=OFF -DLLAMA_BUILD_TOOLS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_TESTS=OFF"
LLAMA_HINT="check the network and pip's settings (pip config list), then run this again: it goes on where it stopped"

_cpu_abilities() {
  uname -sm
  if [ -r /proc/cpuinfo ]; then
    grep -m1 -E '^(flags|Features)' /proc/cpuinfo | cut -d: -f2 | tr ' ' '\n' | sort -u
  else
    sysctl -a 2>/dev/null | grep -E '^(machdep\.cpu\.(features|leaf7_features|brand_string)|hw\.optional)' || true
  fi
}

# cpu_key OPTIONS: a name for what is built with these options for this CPU; another CPU has another.
cpu_key() { { _cpu_abilities; printf '%s %s\n' "$1" "${CMAKE_ARGS:-}"; } | digest; }

# llama_wheel_folder PYTHON: where this machine's wheel belongs, in $REPLY.
llama_wheel_folder() {
  local tag
  tag=$("$1" -c 'import sys; print("cp%d%d" % sys.version_info[:2])')
  REPLY="$LAIMARK_CACHE/wheels/$tag-$(cpu_key "$LLAMA_CMAKE_ARGS")"
}

# find_llama_wheel PYTHON: the finished wheel in $REPLY, empty if it is not built yet.
find_llama_wheel() {
  llama_wheel_folder "$1"
  local wheel
  for wheel in "$REPLY/llama_cpp_python-$LLAMA_VERSION"-*.whl; do
    [ ! -f "$wheel" ] || { REPLY=$wheel; return; }
  done
  REPLY=""
}

_sha256_is() { [ "$({ sha256sum "$1" 2>/dev/null || shasum -a 256 "$1"; } | cut -d' ' -f1)" = "$2" ]; }

_download_sdist() {
  "$1" -m pip download --no-deps --no-binary llama-cpp-python --dest "$2" "llama-cpp-python==$LLAMA_VERSION"
}

# require_llama_sdist PYTHON: the source package, downloaded once and checked, in $REPLY.
require_llama_sdist() {
  local sdist="$LAIMARK_CACHE/sdists/llama_cpp_python-$LLAMA_VERSION.tar.gz" partial
  if [ ! -f "$sdist" ] || ! _sha256_is "$sdist" "$LLAMA_SDIST_SHA256"; then
    scratch_folder "$LAIMARK_CACHE/sdists"
    partial=$REPLY
    step "download the sources of llama-cpp-python $LLAMA_VERSION (77 MB)" "$LLAMA_HINT" \
      _download_sdist "$1" "$partial"
    _sha256_is "$partial/${sdist##*/}" "$LLAMA_SDIST_SHA256" ||
      die "${sdist##*/} is not the file that was tested (its sha256 differs)" "look at where pip downloads from"
    mv -f "$partial/${sdist##*/}" "$sdist"
  fi
  REPLY=$sdist
}

_compile() {
  # -v streams the compiler's step count to the log, where the heartbeat finds it.
  CMAKE_ARGS="$LLAMA_CMAKE_ARGS ${CMAKE_ARGS:-}" CMAKE_BUILD_PARALLEL_LEVEL="$(getconf _NPROCESSORS_ONLN)" \
    "$1" -m pip wheel -v --no-deps --no-cache-dir --wheel-dir "$3" "$2"
}

# require_llama_wheel PYTHON: this machine's wheel in $REPLY, compiled first if there is none.
require_llama_wheel() {
  local python=$1 folder partial sdist
  find_llama_wheel "$python"
  [ -z "$REPLY" ] || return 0
  require_compiler
  require_llama_sdist "$python"
  sdist=$REPLY
  llama_wheel_folder "$python"
  folder=$REPLY
  scratch_folder "$LAIMARK_CACHE/wheels"
  partial=$REPLY
  step "compile llama-cpp-python $LLAMA_VERSION for this CPU (once; about 5 minutes on 2 cores)" \
    "the whole log is in $LAIMARK_LOG; a compiler that supports C++17 and 2 GB of memory are needed" \
    _compile "$python" "$sdist" "$partial"
  mkdir -p "$folder"
  mv -f "$partial"/*.whl "$folder/"
  find_llama_wheel "$python"
  [ -n "$REPLY" ] || die "the build made no wheel in $folder" "look at $LAIMARK_LOG"
}

_unpack_converters() {
  local top="llama_cpp_python-$LLAMA_VERSION/vendor/llama.cpp"
  tar -xzf "$1" -C "$2" --strip-components=3 \
    "$top/convert_hf_to_gguf.py" "$top/convert_hf_to_gguf_update.py" "$top/convert_llama_ggml_to_gguf.py" \
    "$top/convert_lora_to_gguf.py" "$top/conversion" "$top/gguf-py"
}

# require_llama_source PYTHON: llama.cpp's own converters, the oracle of our converters' tests, in $REPLY.
require_llama_source() {
  local target="$LAIMARK_CACHE/llama.cpp-$LLAMA_VERSION" partial sdist
  if [ ! -d "$target" ]; then
    require_llama_sdist "$1"
    sdist=$REPLY
    scratch_folder "$LAIMARK_CACHE"
    partial=$REPLY
    step "unpack llama.cpp's converters (oracle of the tests)" "remove $sdist and run this again" \
      _unpack_converters "$sdist" "$partial"
    mv "$partial" "$target" 2>/dev/null || [ -d "$target" ]
  fi
  REPLY=$target
}
