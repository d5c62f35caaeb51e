"""What the tests of the Android libraries share. `scripts/test android` builds them first."""

from __future__ import annotations

import platform
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILT = ROOT / "build/android"
DATA = ROOT / "rust-core/tests/data"
SHIM = Path(__file__).with_name("shim")
sys.path.insert(0, str(ROOT / "scripts/android"))
sys.path.insert(0, str(Path(__file__).parent))

import relocations  # noqa: E402

PRODUCT = "libmuzzle.so"
SELFTEST = "libmuzzle_selftest.so"


@dataclass(frozen=True)
class Abi:
    """An ABI, and how this machine runs its programs."""

    name: str
    target: str
    compiler: str
    emulator: tuple[str, ...] = ()

    def library(self, name: str) -> Path:
        """The stripped library."""
        path = BUILT / "lib" / self.name / name
        assert path.exists(), f"build it first: scripts/build-core --selftest {self.name}"
        return path


# Android's 32-bit ARM passes floats as armel does; armhf's loader refuses its libraries.
ABIS = [
    Abi(
        "arm64-v8a",
        "aarch64-linux-android",
        "aarch64-linux-gnu-gcc",
        ("qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"),
    ),
    Abi(
        "armeabi-v7a",
        "armv7-linux-androideabi",
        "arm-linux-gnueabi-gcc",
        ("qemu-arm", "-cpu", "max", "-L", "/usr/arm-linux-gnueabi"),
    ),
    Abi("x86_64", "x86_64-linux-android", "gcc"),
]


@pytest.fixture(scope="session", params=ABIS, ids=lambda abi: abi.name)
def abi(request: pytest.FixtureRequest) -> Abi:
    """Each ABI in turn."""
    return request.param


@pytest.fixture(scope="session")
def shim(abi: Abi, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """See `make_shim`."""
    return make_shim(abi, tmp_path_factory.mktemp(f"shim-{abi.name}"))


@pytest.fixture(scope="session")
def scudo() -> Path:
    """Android's allocator for this machine, as it comes with clang."""
    command = ["clang", "-print-resource-dir"]
    clang = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    name = f"libclang_rt.scudo_standalone-{platform.machine()}.so"
    found = [*Path(clang).glob(f"lib/*/{name}")]
    assert found, f"there is no {name} under {clang}: libclang-rt-dev has it"
    return found[0]


def make_shim(abi: Abi, folder: Path, *allocator: Path) -> Path:
    """A folder with libraries of bionic's names over glibc, the loader, and the library that is run.
    It takes its memory from `allocator`; without one from glibc."""

    def compile(name: str, source: Path, *flags: str) -> None:
        command = [abi.compiler, "-O1", "-w", "-fno-builtin", "-o", folder / name, source]
        subprocess.run([*command, *flags, "-ldl"], check=True)

    empty = folder / "empty.c"
    empty.write_text("")
    # Before glibc in each of them, as any may be looked into first.
    shared = ("-shared", "-fPIC", "-Wl,--no-as-needed", *allocator)
    compile("libc.so", SHIM / "libc.c", *shared, "-Wl,-soname,libc.so")
    compile("libm.so", empty, *shared, "-Wl,-soname,libm.so", "-lm")
    compile("libdl.so", empty, *shared, "-Wl,-soname,libdl.so")
    compile("liblog.so", empty, *shared, "-Wl,-soname,liblog.so")
    compile("load", SHIM / "load.c")
    relocations.plain(abi.library(SELFTEST), folder / SELFTEST)
    return folder
