# shellcheck shell=bash
# Sourced by scripts/build-core: compilers, headers and libraries for Android, for cargo.
# Without the NDK they are made of registries: clang and llvm of the distribution, the headers, the
# table of symbols and crt.c here, LLVM's libunwind, and the linker that Rust brings.

HERE=$ROOT/scripts/android
OUT=$BUILD/android
API=26
# What stands before an argument of the linker: the NDK links by its C compiler.
LINK_PREFIX=${ANDROID_NDK_HOME:+-Wl,}
STRIP=llvm-strip

# The Rust target of an ABI as Android names it.
target_of() {
  case $1 in
    arm64-v8a) echo aarch64-linux-android ;;
    armeabi-v7a) echo armv7-linux-androideabi ;;
    x86_64) echo x86_64-linux-android ;;
    *) die 2 "no ABI is called $1: arm64-v8a, armeabi-v7a, x86_64" ;;
  esac
}

# Where the pinned Rust keeps targets and sources.
rustlib() { echo "$(cd "$ROOT" && rustc --print sysroot)/lib/rustlib"; }

need_rustup() { # part
  command -v rustup >/dev/null || die 2 "Rust is here without $1 and without rustup: add it and run this again"
}

# Targets of the pinned Rust, one at a time: rustup takes none of a list of which it misses one.
install_targets() {
  local target libraries
  libraries=$(rustlib)
  for target; do
    [ ! -d "$libraries/$target" ] || continue
    need_rustup "$target"
    say "installing Rust's $target"
    (cd "$ROOT" && logged rustup target add "$target")
  done
}

# The sources of the pinned Rust's standard library: build-core compiles it with the rest.
install_std_sources() {
  [ ! -f "$(rustlib)/src/rust/library/std/Cargo.toml" ] || return 0
  need_rustup rust-src
  say "installing the sources of Rust's standard library"
  (cd "$ROOT" && logged rustup component add rust-src)
}

# The sources of libunwind, out of a package that is 100 MB and is thrown away.
fetch_unwind() {
  local want wheels=$OUT/wheels python
  want=$(sha256sum <"$HERE/requirements.txt")
  [ "$(cat "$OUT/libunwind/stamp" 2>/dev/null)" != "$want" ] || return 0
  say "fetching the sources of LLVM's libunwind"
  python=$(system_python)
  rm -rf "$wheels" "$OUT/libunwind"
  mkdir -p "$wheels"
  [ -x "$VENV/bin/python" ] || install_venv
  logged "$VENV/bin/python" -m pip download -q --disable-pip-version-check --no-deps \
    --require-hashes --only-binary :all: --platform manylinux_2_12_x86_64 -d "$wheels" \
    -r "$HERE/requirements.txt"
  logged "$python" - "$wheels" "$OUT" <<'END'
import pathlib, sys, zipfile
wheels, out = map(pathlib.Path, sys.argv[1:])
with zipfile.ZipFile(next(wheels.glob("*.whl"))) as wheel:
    inside = "ziglang/lib/libunwind/"
    for name in wheel.namelist():
        if name.startswith(inside) and not name.endswith("/"):
            file = out / "libunwind" / name.removeprefix(inside)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(wheel.read(name))
END
  rm -rf "$wheels"
  printf '%s\n' "$want" >"$OUT/libunwind/stamp"
}

# The linker of the pinned Rust.
rust_lld() {
  local host
  host=$(cd "$ROOT" && rustc -vV | sed -n 's/^host: //p')
  echo "$(rustlib)/$host/bin/rust-lld"
}

# libunwind.a for a target; six sources, no C++ library.
build_unwind() { # target folder
  local target=$1 folder=$2 src=$OUT/libunwind file common cxx flags
  common=("--target=$target$API" -nostdlibinc -isystem "$HERE/include" "-I$src/include" -O2 -g0 -fPIC
    -DNDEBUG -D_LIBUNWIND_IS_NATIVE_ONLY -D_LIBUNWIND_HIDE_SYMBOLS -fvisibility=hidden
    -funwind-tables -fno-stack-protector -Wall -Wno-unused)
  cxx=(-std=c++17 -fno-exceptions -fno-rtti -nostdinc++)
  for file in libunwind.cpp Unwind-EHABI.cpp UnwindLevel1.c UnwindLevel1-gcc-ext.c \
    UnwindRegistersSave.S UnwindRegistersRestore.S; do
    case $file in
      *.cpp) flags=("${common[@]}" "${cxx[@]}") ;;
      *.c) flags=("${common[@]}" -std=c11 -fexceptions) ;;
      *) flags=("${common[@]}") ;;
    esac
    clang "${flags[@]}" -c "$src/src/$file" -o "$folder/$file.o" || return
  done
  rm -f "$folder/libunwind.a"
  llvm-ar rcsD "$folder/libunwind.a" "$folder"/*.cpp.o "$folder"/*.c.o "$folder"/*.S.o
}

# What a target's libraries are linked with; made again when anything changes that goes into it.
make_sysroot() { # target
  local target=$1 folder=$OUT/sysroot/$1 want python
  want=$(find "$HERE" -type f -not -path '*/__pycache__/*' | LC_ALL=C sort | xargs sha256sum; clang --version; rustc -V)
  [ "$(cat "$folder/stamp" 2>/dev/null)" != "$want" ] || return 0
  python=$(system_python)
  rm -rf "$folder"
  mkdir -p "$folder"
  "$python" -B "$HERE/layout.py" "$target" "$API" "$HERE/include" "$OUT/layout/$target" >&2 \
    || die 1 "the headers in scripts/android/include do not fit $target"
  logged "$python" -B "$HERE/stubs.py" "$target" "$API" "$folder" "$(rust_lld)"
  logged build_unwind "$target" "$folder"
  logged clang "--target=$target$API" -nostdlibinc -O2 -fPIC -c "$HERE/crt.c" -o "$folder/crt.o"
  printf '%s\n' "$want" >"$folder/stamp"
}

# SQLite without what the store never uses. The tests of the core on ARM run over the same.
use_small_sqlite() {
  local word flags=()
  for word in ENABLE_LOAD_EXTENSION ENABLE_FTS3 ENABLE_FTS3_PARENTHESIS ENABLE_FTS5 ENABLE_RTREE SOUNDEX \
    ENABLE_STAT4 ENABLE_DBSTAT_VTAB ENABLE_COLUMN_METADATA ENABLE_API_ARMOR; do
    flags+=("-USQLITE_$word")
  done
  for word in LOAD_EXTENSION DEPRECATED SHARED_CACHE PROGRESS_CALLBACK UTF16 TRACE AUTHORIZATION GET_TABLE INCRBLOB \
    COMPILEOPTION_DIAGS DESERIALIZE JSON TCL_VARIABLE COMPLETE DECLTYPE DATETIME_FUNCS LOCALTIME; do
    flags+=("-DSQLITE_OMIT_$word")
  done
  export LIBSQLITE3_FLAGS="${flags[*]} -DSQLITE_DEFAULT_MEMSTATUS=0"
}

# Sets what cargo and the cc crate read for a target. The same paths stand in every build: where
# the sources and cargo's home are is taken out.
use_target() { # target
  local target=$1 upper lower flags cflags home=${CARGO_HOME:-$HOME/.cargo} std
  lower=${target//-/_} upper=${target//-/_}
  upper=${upper^^}
  use_small_sqlite
  # No panic passes through SQLite, the one C source, so it needs no tables to unwind by.
  cflags="-Oz -g0 -ffunction-sections -fdata-sections -fno-unwind-tables -fno-asynchronous-unwind-tables \
-ffile-prefix-map=$ROOT=. -ffile-prefix-map=$home=cargo"
  std=$(rustlib)/src/rust
  flags="--remap-path-prefix=$ROOT=. --remap-path-prefix=$home=cargo --remap-path-prefix=$std=rust"
  if [ -n "${ANDROID_NDK_HOME:-}" ]; then
    use_ndk "$target"
  else
    make_sysroot "$target"
    local lib=$OUT/sysroot/$target headers
    headers=$(find "$HERE/include" -type f | LC_ALL=C sort | xargs cat | sha256sum | cut -c1-16)
    export "CC_$lower=clang" "AR_$lower=llvm-ar" "CARGO_TARGET_${upper}_LINKER=rust-lld"
    # The cc crate does not see that a header has changed, but a changed flag it does.
    cflags="--target=$target$API -nostdlibinc -isystem $HERE/include -DMUZZLE_HEADERS=$headers $cflags"
    # libc and libm come first, so that 32-bit ARM takes memcpy and its kin from them and not from
    # the plain loops of Rust's own.
    flags+=" -Clinker-flavor=ld.lld -Zpre-link-args=-lc -Zpre-link-args=-lm -L$lib -Clink-arg=-L$lib -Clink-arg=$lib/crt.o"
  fi
  # Pages of 16 KB; all is bound before the first call, and read-only then. Relocations are packed, which
  # Android reads since 6. Functions of the same code become one.
  flags+=" $(link_args -zmax-page-size=16384 -zrelro -znow --hash-style=gnu --no-undefined --build-id=sha1 --gc-sections --icf=all \
    --pack-dyn-relocs=android)"
  export "CFLAGS_$lower=$cflags" "CARGO_TARGET_${upper}_RUSTFLAGS=$flags"
}

link_args() { # argument...
  local argument
  for argument; do printf '%s ' "-Clink-arg=$LINK_PREFIX$argument"; done
}

# The NDK's compiler brings headers, libraries, unwinder and crt.
use_ndk() { # target
  local target=$1 bin lower=${1//-/_} upper
  upper=${lower^^}
  bin=$(echo "$ANDROID_NDK_HOME"/toolchains/llvm/prebuilt/*/bin)
  local clang=$bin/${target/armv7-/armv7a-}$API-clang
  [ -x "$clang" ] || die 2 "ANDROID_NDK_HOME has no $clang"
  STRIP=$bin/llvm-strip
  export "CC_$lower=$clang" "AR_$lower=$bin/llvm-ar" "CARGO_TARGET_${upper}_LINKER=$clang"
}
