"""The bridge on a JVM of this machine: every native, with real packets. Run by `scripts/test app`.

MUZZLE_JNI names the library, built with the feature `planted-panic`.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

import jvm  # noqa: E402

TESTS = re.findall(r"public static void (\w+)\(\)", (jvm.HERE / "BridgeTest.java").read_text())
# Long enough for ten thousand cycles on a slow machine.
WITHIN = 900


@dataclass
class Built:
    classes: Path
    header: str
    library: Path

    def run(self, fds: list[int], *words: object, within: float = WITHIN) -> subprocess.CompletedProcess:
        line = jvm.command(self.classes, self.library, "BridgeTest", [*words, *fds], "-Xcheck:jni")
        done = subprocess.run(line, pass_fds=fds, text=True, capture_output=True, timeout=within)
        for fd in fds:
            os.close(fd)
        return done


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    classes = tmp_path_factory.mktemp("classes")
    return Built(classes, jvm.compile_all(classes), Path(os.environ["MUZZLE_JNI"]))


@pytest.fixture(scope="module")
def tun() -> Iterator[int]:
    if not os.environ.get("MUZZLE_LAB"):
        why = os.environ.get("MUZZLE_NO_LAB", "run them through scripts/in-lab")
        pytest.skip(f"needs root and /dev/net/tun: {why}")
    fd = jvm.tun()
    yield fd
    os.close(fd)


@pytest.fixture(scope="module")
def outcome(built: Built, tun: int) -> subprocess.CompletedProcess:
    """All tests of BridgeTest, in one JVM."""
    return built.run([os.dup(tun) for _ in range(4)])


def exported(library: Path) -> set[str]:
    """Names that the library gives to others."""
    lines = subprocess.run(["nm", "-D", "--defined-only", str(library)], check=True, text=True, capture_output=True)
    return {line.split()[-1] for line in lines.stdout.splitlines()}


def test_the_library_exports_the_natives_of_the_class_and_nothing_else(built: Built) -> None:
    wanted = set(re.findall(r"JNICALL (Java_\w+)", built.header))
    assert len(wanted) == 14
    assert exported(built.library) == wanted | {"JNI_OnLoad"}


def test_the_natives_take_and_give_what_the_class_says(built: Built) -> None:
    """A JVM looks for a native by its name alone: types are compared here."""
    source = (jvm.ROOT / "rust-core/src/jni/mod.rs").read_text()
    kinds = {"JString<'local>": "jstring", "JObject<'local>": "jobject", "JIntArray<'local>": "jintArray"}
    found = {}
    for name, taken, given in re.findall(r"fn (Java_\w+)\(([^)]*)\)(?: -> ([^{]+?))? \{", source):
        types = [word.split(":")[1].strip() for word in taken.split(",")[1:] if word.strip()]
        found[name] = ([kinds.get(t, t) for t in types], kinds.get(given, given) or "void")
    wanted = {}
    for given, name, taken in re.findall(r"JNIEXPORT (\w+) JNICALL (\w+)\s+\(([^)]*)\)", built.header):
        wanted[name] = ([word.strip() for word in taken.split(",")[2:]], given)
    assert found == wanted


@pytest.mark.parametrize("name", TESTS)
def test_bridge(outcome: subprocess.CompletedProcess, name: str) -> None:
    lines = outcome.stdout.splitlines()
    assert f"ok {name}" in lines, outcome.stdout[-4000:] + outcome.stderr[-4000:]


def test_the_jvms_own_checks_find_nothing(outcome: subprocess.CompletedProcess) -> None:
    """What -Xcheck:jni says begins so; JDK 17 also warns of its own libraries' signal handlers."""
    told = outcome.stdout + outcome.stderr
    assert outcome.returncode == 0, told[-4000:]
    faults = [line for line in told.splitlines() if "WARNING" in line or "FATAL" in line or "JNI call" in line]
    assert faults == []


def test_a_killed_process_loses_nothing_stored_and_its_gap_is_noted(built: Built, tmp_path: Path, outcome: object) -> None:
    fd = jvm.tun()
    line = jvm.command(built.classes, built.library, "BridgeTest", ["live", tmp_path, fd])
    with subprocess.Popen(line, pass_fds=[fd], text=True, stdout=subprocess.PIPE) as living:
        os.close(fd)
        assert living.stdout.readline() == "alive\n"
        living.kill()
        killed = int(time.time() * 1000)
    assert living.returncode == -signal.SIGKILL
    done = built.run([], "return", tmp_path, killed, within=60)
    assert done.stdout.splitlines() == ["back"], done.stdout + done.stderr


def test_a_jvm_ends_although_the_core_still_runs(built: Built, tun: int, outcome: object) -> None:
    again = jvm.tun()
    done = built.run([again], "leave", within=60)
    assert done.stdout.splitlines() == ["left"], done.stdout + done.stderr
    assert done.returncode == 0
