"""What the bridge's test and bench need: a TUN, compiled Java, a JVM with the core's library."""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
from pathlib import Path
from typing import Sequence

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
API = ROOT / "android-app/src/main/java/app/muzzle/core"
NAME = "muzzle0"

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 1, 0x1000


def tun() -> int:
    """A TUN with the addresses that an app would give it; it goes with its last descriptor."""
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", NAME.encode(), IFF_TUN | IFF_NO_PI))
    for words in (f"addr add 198.18.0.1/15 dev {NAME}", f"link set {NAME} up mtu 9000", "link set lo up"):
        subprocess.run(["ip", *words.split()], check=True)
    return fd


def compile_all(into: Path) -> str:
    """Compiles the app's class of natives and the programs here. Gives the header of the natives."""
    api = sorted(map(str, API.glob("*.java")))
    ours = sorted(map(str, HERE.glob("*.java")))
    base = ["javac", "-Xlint:all", "-Werror", "-d", str(into)]
    subprocess.run([*base, "-h", str(into), *api], check=True)
    subprocess.run([*base, "-cp", str(into), *ours], check=True)
    return (into / "app_muzzle_core_NativeCore.h").read_text()


def command(classes: Path, library: Path, program: str, arguments: Sequence[object], *options: str) -> list[str]:
    """The command line of a JVM that runs one of the programs."""
    opened = "--add-opens=java.base/java.io=ALL-UNNAMED"
    path = f"-Djava.library.path={library.parent}"
    return ["java", *options, opened, path, "-cp", str(classes), program, *map(str, arguments)]
