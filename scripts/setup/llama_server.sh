# shellcheck shell=bash
# llama-server, the runner that the tests of the user's own runners talk to, is compiled once a machine.
#
# Its sources come with those of llama-cpp-python, so the server and the library are one and the same llama.cpp. It is
# static and speaks plain HTTP without a web page: no other library, and nothing from the network, has a say in it.

LLAMA_SERVER_CMAKE_ARGS="-DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=OFF -DLLAMA_OPENSSL=OFF \
-DLLAMA_BUILD_UI=OFF -DLLAMA_USE_PREBUILT_UI=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF \
-DLLAMA_BUILD_APP=OFF"

# llama_server_path: where this machine's server belongs, built or not, in $REPLY.
llama_server_path() {
  REPLY="$LAIMARK_CACHE/servers/$LLAMA_VERSION-$(cpu_key "$LLAMA_SERVER_CMAKE_ARGS")/llama-server"
}

_has_cmake() {
  command -v cmake >/dev/null 2>&1 && { command -v ninja >/dev/null 2>&1 || command -v make >/dev/null 2>&1; }
}

_install_cmake() {
  "$1" -m venv "$2" && "$2/bin/python" -m pip install cmake ninja
}

# _require_cmake PYTHON FOLDER: the folder to put before PATH in $REPLY, empty where the system's cmake will do.
_require_cmake() {
  REPLY=""
  ! _has_cmake || return 0
  step "fetch cmake and ninja for one build" "$LLAMA_HINT" _install_cmake "$1" "$2"
  REPLY="$2/bin"
}

_unpack_llama_cpp() {
  tar -xzf "$1" -C "$2" --strip-components=3 "llama_cpp_python-$LLAMA_VERSION/vendor/llama.cpp"
}

_compile_server() {
  local source=$1 build=$2 generator=()
  # ninja's step count is what the heartbeat shows.
  ! command -v ninja >/dev/null 2>&1 || generator=(-G Ninja)
  # Word splitting is meant: both are lists of options.
  # shellcheck disable=SC2086
  cmake -S "$source" -B "$build" ${generator[@]+"${generator[@]}"} $LLAMA_SERVER_CMAKE_ARGS ${CMAKE_ARGS:-} &&
    cmake --build "$build" --target llama-server --parallel "$(getconf _NPROCESSORS_ONLN)"
}

_starts() { "$1" --version; }

# require_llama_server PYTHON: this machine's llama-server in $REPLY, compiled first if there is none.
require_llama_server() {
  local python=$1 server scratch sdist cmake_folder
  llama_server_path
  server=$REPLY
  if [ ! -x "$server" ]; then
    require_compiler
    require_llama_sdist "$python"
    sdist=$REPLY
    scratch_folder "$LAIMARK_CACHE/servers"
    scratch=$REPLY
    _require_cmake "$python" "$scratch/cmake"
    cmake_folder=$REPLY
    mkdir "$scratch/source"
    step "unpack llama.cpp" "remove $sdist and run this again" _unpack_llama_cpp "$sdist" "$scratch/source"
    PATH="${cmake_folder:+$cmake_folder:}$PATH" \
      step "compile llama-server for this CPU (once; about 5 minutes on 2 cores)" \
      "the whole log is in $LAIMARK_LOG; a compiler that supports C++17 and 2 GB of memory are needed" \
      _compile_server "$scratch/source" "$scratch/build"
    step "start llama-server once" "look at CMAKE_ARGS: it was built with '${CMAKE_ARGS:-}'" \
      _starts "$scratch/build/bin/llama-server"
    mkdir -p "${server%/*}"
    mv -f "$scratch/build/bin/llama-server" "$server"
  fi
  REPLY=$server
}
