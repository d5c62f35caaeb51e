"""The code that was built for Android runs: on this processor, and on emulated ARM ones.

A program of this machine's Linux loads the library over a thin layer that has bionic's names and
layouts. Bionic itself, its linker and a phone's kernel are not part of it.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from pathlib import Path

from conftest import DATA, SELFTEST, Abi

TIMEOUT = 300
KILLS = 10


def command(abi: Abi, shim: Path, step: str, folder: Path) -> list[str]:
    path = f"LD_LIBRARY_PATH={shim}"
    emulator = [*abi.emulator, "-E", path] if abi.emulator else ["env", path]
    return [*map(str, [*emulator, shim / "load", shim / SELFTEST, step, folder, DATA])]


def step(abi: Abi, shim: Path, name: str, folder: Path) -> str:
    done = subprocess.run(
        command(abi, shim, name, folder), capture_output=True, text=True, timeout=TIMEOUT
    )
    assert done.returncode == 0, f"{done.returncode}: {done.stdout}{done.stderr}"
    print(f"{abi.name}: {done.stdout.strip()}")
    return done.stdout


def test_a_panic_runs_destructors_and_is_caught(abi: Abi, shim: Path, tmp_path: Path) -> None:
    assert step(abi, shim, "panic", tmp_path) == "panic: 27 destructors ran in 2 panics\n"


def test_every_vector_is_decoded_as_on_the_host(abi: Abi, shim: Path, tmp_path: Path) -> None:
    count = len([*DATA.glob("*/*.expected.jsonl")])
    assert step(abi, shim, "vectors", tmp_path).startswith(f"vectors: {count} vectors, ")


def test_packets_pass_the_engine_and_become_events(abi: Abi, shim: Path, tmp_path: Path) -> None:
    events = len((DATA / "sensors/android-batch-gzip.expected.jsonl").read_text().splitlines())
    told = step(abi, shim, "packets", tmp_path)
    assert told == f"packets: {events} events recorded, 1 connection refused\n"


def test_a_killed_writer_loses_nothing_committed(abi: Abi, shim: Path, tmp_path: Path) -> None:
    dice = random.Random(abi.name)
    for _ in range(KILLS):
        committed = write_until_killed(command(abi, shim, "write", tmp_path), dice)
        there = int(step(abi, shim, "check", tmp_path).split()[1])
        assert there >= committed > 0


def write_until_killed(command: list[str], dice: random.Random) -> int:
    """Kills the writer somewhere between its commits. Returns how many events it had committed."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        committed = 0
        for _ in range(dice.randrange(1, 20)):
            line = writer.stdout.readline()
            assert line.startswith("committed "), line
            committed = int(line.split()[1])
        time.sleep(dice.random() * 0.01)
        os.kill(writer.pid, signal.SIGKILL)
        for line in writer.stdout:
            if line.endswith("\n"):
                committed = int(line.split()[1])
    assert writer.returncode == -signal.SIGKILL
    return committed


def test_a_step_that_fails_is_told(abi: Abi, shim: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        command(abi, shim, "check", tmp_path), capture_output=True, text=True, timeout=TIMEOUT
    )
    assert done.returncode == 1
    assert "panicked" in done.stderr


def test_an_unknown_step_is_refused(abi: Abi, shim: Path, tmp_path: Path) -> None:
    unknown = command(abi, shim, "dance", tmp_path)
    done = subprocess.run(unknown, capture_output=True, text=True, timeout=TIMEOUT)
    assert (done.returncode, "no step is called dance" in done.stderr) == (1, True)
