"""The checks of the build see what they are there for."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import BUILT, ROOT

LAYOUT = ROOT / "scripts/android/layout.py"
HEADERS = ROOT / "scripts/android/include"

# What stands in a header, and one of the mistakes that musl's or glibc's would make.
MISTAKES = {
    "sys/stat.h": ("  int st_blksize;", "  long st_blksize;", "struct stat.st_"),
    "pthread.h": ("muzzle_private[10]", "muzzle_private[6]", "pthread_mutex_t"),
    "unistd.h": ("_SC_PAGESIZE 0x27", "_SC_PAGESIZE 30", "_SC_PAGESIZE"),
}

pytestmark = pytest.mark.skipif(
    bool(os.environ.get("ANDROID_NDK_HOME")), reason="the NDK brings headers and libraries"
)


@pytest.fixture(scope="module")
def works(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all, so that the libc crate is compiled once."""
    return tmp_path_factory.mktemp("layout")


def layout(headers: Path, work: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, LAYOUT, "aarch64-linux-android", "26", headers, work]
    return subprocess.run(command, capture_output=True, text=True)


def test_the_headers_as_they_are_fit(works: Path) -> None:
    done = layout(HEADERS, works / "right")
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(" 0 differ\n")


@pytest.mark.parametrize("header", MISTAKES)
def test_a_mistake_in_a_header_is_named(header: str, works: Path, tmp_path: Path) -> None:
    right, wrong, named = MISTAKES[header]
    headers = tmp_path / "include"
    shutil.copytree(HEADERS, headers)
    text = (headers / header).read_text()
    assert right in text
    (headers / header).write_text(text.replace(right, wrong))
    done = layout(headers, works / Path(header).stem)
    assert done.returncode == 1
    assert named in done.stderr


def test_a_mistake_in_a_header_stops_the_build(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    skipped = shutil.ignore_patterns("target", "build", ".git", "__pycache__")
    shutil.copytree(ROOT, tree, ignore=skipped)
    shutil.copytree(BUILT / "libunwind", tree / "build/android/libunwind")
    header = tree / "scripts/android/include/pthread.h"
    header.write_text(header.read_text().replace("muzzle_private[10]", "muzzle_private[6]"))
    command = [tree / "scripts/build-core", "arm64-v8a"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert "sizeof(pthread_mutex_t) is 24 in our headers, 40 in the libc crate" in done.stderr
    assert not (tree / "target").exists()


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    """What scripts/build-core builds with, without a build."""
    script = f'set -a; eval "$({ROOT}/scripts/build-core --env arm64-v8a)"; env -0'
    done = subprocess.run(["bash", "-c", script], check=True, stdout=subprocess.PIPE, text=True)
    return dict(line.split("=", 1) for line in done.stdout.split("\0") if line)


def link(environment: dict[str, str], tmp_path: Path, function: str) -> subprocess.CompletedProcess[str]:
    """Links a library that calls one function of libc, as the core is linked."""
    source = tmp_path / "planted.rs"
    source.write_text(
        'unsafe extern "C" { fn %s() -> isize; }\n'
        '#[unsafe(no_mangle)] pub extern "C" fn planted() -> isize { unsafe { %s() } }\n'
        % (function, function)
    )
    flags = environment["CARGO_TARGET_AARCH64_LINUX_ANDROID_RUSTFLAGS"].split()
    linker = environment["CARGO_TARGET_AARCH64_LINUX_ANDROID_LINKER"]
    command = ["rustc", "--edition=2024", "--crate-type=cdylib", "--target=aarch64-linux-android"]
    command += [f"-Clinker={linker}", *flags, "-o", tmp_path / "libplanted.so", source]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


def test_what_android_8_has_is_linked(environment: dict[str, str], tmp_path: Path) -> None:
    done = link(environment, tmp_path, "getpid")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("function", ["getrandom", "memfd_create", "nowhere"])
def test_what_android_8_lacks_stops_the_link(
    environment: dict[str, str], tmp_path: Path, function: str
) -> None:
    """getrandom is API 28's, memfd_create API 30's."""
    done = link(environment, tmp_path, function)
    assert done.returncode != 0
    assert f"undefined symbol: {function}" in done.stderr


def test_an_unknown_abi_is_refused() -> None:
    done = subprocess.run([ROOT / "scripts/build-core", "mips"], capture_output=True, text=True)
    assert (done.returncode, "no ABI is called mips" in done.stderr) == (2, True)


def test_an_ndk_that_is_none_is_refused(tmp_path: Path) -> None:
    environment = {**os.environ, "ANDROID_NDK_HOME": str(tmp_path)}
    command = [ROOT / "scripts/build-core", "x86_64"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (done.returncode, "ANDROID_NDK_HOME has no" in done.stderr) == (2, True)
