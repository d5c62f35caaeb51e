# shellcheck shell=bash
# Sourced by the scripts here: installs what is missing, once, and says what it does.
# It never changes what is there already, and never asks a question.

umask 022
# Also when the command that runs just then takes the signal in its own way.
trap 'exit 130' INT
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BUILD=$ROOT/build
VENV=$BUILD/venv
SETUP_LOG=$BUILD/setup.log
export PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
mkdir -p "$BUILD"

RUSTUP_VERSION=1.28.2
RUSTUP_SHA256_x86_64=20a06e644b0d9bd2fbdbfd52d42540bdde820ea7df86e92e533c073da0cdd43c
RUSTUP_SHA256_aarch64=e3853c5a252fca15252d07cb23a1bdd9377a8c6f3efa01531109281ae47f841c

say() { printf '%s\n' "$*" >&2; }

die() { # code, words
  local code=$1
  shift
  say "$(basename "$0"): $*"
  exit "$code"
}

# Runs a command with its output in the setup log; shows the end of it when the command fails.
logged() {
  printf '+ %s\n' "$*" >>"$SETUP_LOG"
  "$@" >>"$SETUP_LOG" 2>&1 || {
    tail -n 20 "$SETUP_LOG" >&2
    die 1 "failed: $* (all of it: $SETUP_LOG)"
  }
}

system_python() { [ -x /usr/bin/python3 ] && echo /usr/bin/python3 || command -v python3; }

# The probes of packages.txt that are more than to look for a command.
has_python() { [ -n "$(system_python)" ]; }
has_venv() { has_python && "$(system_python)" -c 'import ensurepip, venv' 2>/dev/null; }
has_certificates() { [ -s /etc/ssl/certs/ca-certificates.crt ]; }
has_c() { echo '#include <stdio.h>' | cc -E - >/dev/null 2>&1; }
has_cxx() { echo '#include <string>' | c++ -x c++ -E - >/dev/null 2>&1; }
has_subuids() { [ "$(id -u)" = 0 ] || command -v newuidmap >/dev/null; }
has_scudo() {
  compgen -G "$(clang -print-resource-dir 2>/dev/null)/lib/*/libclang_rt.scudo_standalone*" >/dev/null
}

there() { # probe
  case $1 in
    has_*) "$1" ;;
    *) PATH=$PATH:/usr/sbin:/sbin command -v "$1" >/dev/null ;;
  esac
}

# The Debian and Ubuntu packages that the parts need and that are missing, one a line.
missing_packages() { # part...
  local part probe packages
  while read -r part probe packages; do
    [ -n "$part" ] || continue
    case " base $* " in *" $part "*) ;; *) continue ;; esac
    # Word splitting makes the lines.
    # shellcheck disable=SC2086
    there "$probe" </dev/null || printf '%s\n' $packages
  done <"$ROOT/scripts/packages.txt"
}

install_packages() { # part...
  local missing
  missing=$(missing_packages "$@" | tr '\n' ' ')
  missing=${missing% }
  [ -n "$missing" ] || return 0
  if ! command -v apt-get >/dev/null; then
    die 2 "missing, in Debian's names: $missing. Install them and run this again."
  fi
  if [ "$(id -u)" != 0 ]; then
    die 2 "packages are missing. Root installs them with: apt-get update && apt-get install -y $missing"
  fi
  say "installing packages: $missing"
  export DEBIAN_FRONTEND=noninteractive
  logged apt-get update -q
  # Word splitting makes the arguments.
  # shellcheck disable=SC2086
  logged apt-get install -y -q --no-install-recommends $missing
}

# The version that rust-toolchain.toml names.
rust_version() { sed -n 's/^channel *= *"\(.*\)"/\1/p' "$ROOT/rust-toolchain.toml"; }

install_rustup() {
  local machine sum file
  machine=$(uname -m)
  case $machine in
    x86_64) sum=$RUSTUP_SHA256_x86_64 ;;
    aarch64) sum=$RUSTUP_SHA256_aarch64 ;;
    *) die 2 "no Rust for $machine is known here: install rustup by hand and run this again" ;;
  esac
  say "installing rustup $RUSTUP_VERSION"
  file=$BUILD/rustup-init
  logged curl --proto '=https' -sSfL --retry 3 -o "$file" \
    "https://static.rust-lang.org/rustup/archive/$RUSTUP_VERSION/$machine-unknown-linux-gnu/rustup-init"
  echo "$sum  $file" | sha256sum -c --quiet - >>"$SETUP_LOG" 2>&1 \
    || die 1 "rustup-init has another SHA-256 than expected; nothing was run"
  chmod +x "$file"
  logged "$file" -y -q --no-modify-path --profile minimal --default-toolchain none
  rm -f "$file"
}

# A cargo of the pinned version; one that is there without rustup is taken when it is that version.
install_rust() {
  local wanted
  wanted=$(rust_version)
  if ! command -v rustup >/dev/null; then
    if command -v cargo >/dev/null && cargo --version | grep -q "^cargo $wanted " \
      && cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1; then
      return 0
    fi
    install_rustup
    hash -r
  fi
  if ! (cd "$ROOT" && rustup run "$wanted" cargo clippy --version && rustup run "$wanted" cargo fmt --version) \
    >/dev/null 2>&1; then
    say "installing Rust $wanted"
    logged rustup toolchain install "$wanted" --profile minimal -c rustfmt -c clippy --no-self-update
  fi
}

# A Python environment with the pinned packages of a list, made again when the list changes.
make_venv() { # folder list pip-arguments...
  local venv=$1 list=$2 python stamp
  shift 2
  python=$(system_python)
  stamp=$("$python" --version; sha256sum <"$list")
  if [ "$(cat "$venv/stamp" 2>/dev/null)" != "$stamp" ]; then
    say "making the Python environment in ${venv#"$ROOT/"}"
    rm -rf "$venv"
    logged "$python" -m venv "$venv"
    logged "$venv/bin/python" -m pip install -q --disable-pip-version-check --require-hashes \
      --only-binary :all: "$@" -r "$list"
    printf '%s\n' "$stamp" >"$venv/stamp"
  fi
}

install_venv() { make_venv "$VENV" "$ROOT/scripts/requirements.txt"; }

# Reads packages in its own way. Without what it needs only for its shell and its pictures.
install_androguard() { make_venv "$BUILD/venv-androguard" "$ROOT/tests/package/requirements.txt" --no-deps; }
