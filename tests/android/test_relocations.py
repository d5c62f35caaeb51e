"""What packs relocations and what unpacks them agree, in a library that this machine can load."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT
from relocations import plain, relocations

SOURCE = """
extern int puts(const char *);
static int one(void) { return 1; }
static int two(void) { return 2; }
int (*const functions[])(void) = {one, two, one, two, one};
const char *const words[] = {"a", "bc", "def", "ghij"};
int (*const outside)(const char *) = puts;
static int numbers[100];
int *const inside[] = {numbers, numbers + 7, numbers + 50, numbers + 99};
int sum(void) {
  int total = outside == puts ? 1000000 : 0;
  for (int at = 0; at < 5; at++) total += functions[at]();
  for (int at = 0; at < 4; at++)
    for (const char *letter = words[at]; *letter; letter++) total += 10;
  for (int at = 0; at < 4; at++) total += 1000 * (inside[at] - numbers);
  return total;
}
"""
SUM = 1_000_000 + 7 + 10 * 10 + 1000 * 156


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    """Linked by the linker of Rust, as the core is."""
    source = tmp_path / "table.c"
    source.write_text(SOURCE)
    subprocess.run(["clang", "-fPIC", "-c", source, "-o", tmp_path / "table.o"], check=True)
    script = ". scripts/lib.sh; . scripts/android/toolchain.sh; rust_lld"
    told = subprocess.run(["bash", "-c", script], cwd=ROOT, check=True, capture_output=True, text=True)
    command = [told.stdout.strip(), "-flavor", "gnu", "-shared", "--build-id=sha1", "--pack-dyn-relocs=android"]
    library = tmp_path / "packed.so"
    subprocess.run([*command, "-o", library, tmp_path / "table.o"], check=True)
    return library


def test_an_unpacked_library_finds_its_tables(packed: Path, tmp_path: Path) -> None:
    assert len(relocations(packed)) >= 14
    plain(packed, tmp_path / "plain.so")
    assert relocations(tmp_path / "plain.so") is None
    assert ctypes.CDLL(str(tmp_path / "plain.so")).sum() == SUM


def test_without_its_relocations_it_finds_nothing(packed: Path) -> None:
    """This machine's loader passes a packed table over: so the sum tells that ours was read."""
    code = "import ctypes, sys; print(ctypes.CDLL(sys.argv[1]).sum())"
    done = subprocess.run([sys.executable, "-c", code, packed], capture_output=True, text=True)
    assert done.stdout.strip() != str(SUM)
