"""The filter through which all tests here run once more does what it is there for."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

CONFINED = Path(__file__).with_name("confined")
FORBIDDEN = {
    "io_uring": "import ctypes; ctypes.CDLL(None).syscall(425, 1, 0)",
    "an ioctl of a TUN": "import fcntl; fcntl.ioctl(0, 0x400454D0)",
}
ALLOWED = "import select; select.epoll().poll(0); print('there')"


def confined(code: str) -> subprocess.CompletedProcess[str]:
    command = [CONFINED, sys.executable, "-c", code]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)


@pytest.mark.parametrize("what", FORBIDDEN)
def test_what_android_forbids_ends_a_program(what: str) -> None:
    assert confined(FORBIDDEN[what]).returncode == -signal.SIGSYS


def test_what_android_allows_goes_on() -> None:
    assert confined(ALLOWED).stdout == "there\n"
