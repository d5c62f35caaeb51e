"""The code that was built for Android runs: on this processor, and on emulated ARM ones.

A program of this machine's Linux loads the library over a thin layer that has bionic's names and
layouts. Bionic itself, its linker and a phone's kernel are not part of it.
"""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import time
from pathlib import Path

from conftest import ABIS, DATA, SELFTEST, Abi, make_shim

TIMEOUT = 300
KILLS = 10
# Of one connection, each way, in KB.
BUFFER = 256
# What 24 of them may cost that are not touched: an emulator's own memory is part of it.
LAZY = 4 * BUFFER


def command(abi: Abi, shim: Path, step: str, folder: Path, *environment: str) -> list[str]:
    path = f"LD_LIBRARY_PATH={shim}"
    emulator = [*abi.emulator, "-E", path] if abi.emulator else ["env", path, *environment]
    return [*map(str, [*emulator, shim / "load", shim / SELFTEST, step, folder, DATA])]


def step(abi: Abi, shim: Path, name: str, folder: Path, *environment: str) -> str:
    line = command(abi, shim, name, folder, *environment)
    done = subprocess.run(line, capture_output=True, text=True, timeout=TIMEOUT)
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


def buffers(told: str) -> tuple[int, int]:
    """KB that 24 buffers cost which others filled and gave back: ours, and the allocator's own."""
    found = re.fullmatch(r"memory: (\d+) KB are ours, (\d+) KB the allocator's own\n", told)
    assert found, told
    return int(found[1]), int(found[2])


def test_buffers_of_others_cost_nothing_until_they_are_touched(abi: Abi, shim: Path, tmp_path: Path) -> None:
    ours, _ = buffers(step(abi, shim, "memory", tmp_path))
    assert ours <= LAZY


def test_they_do_so_over_the_allocator_of_android(scudo: Path, tmp_path: Path) -> None:
    """It is set as in an app: what is given back leaves after a second. Its own blocks show why we
    have ours: they come back as full as they were."""
    shim = tmp_path / "shim"
    shim.mkdir()
    environment = (f"LD_PRELOAD={scudo}", "SCUDO_OPTIONS=release_to_os_interval_ms=1000")
    told = step(ABIS[-1], make_shim(ABIS[-1], shim, scudo), "memory", tmp_path, *environment)
    ours, theirs = buffers(told)
    assert ours <= LAZY
    assert theirs >= 20 * BUFFER


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
