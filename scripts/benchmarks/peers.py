"""Other engines: fetched from registries, checked against hashes, built in the build folder.

`python3 -m benchmarks.peers [NAME...]` builds what is missing; `scripts/bench` calls it. Nothing of
them is ever part of Muzzle. One that cannot be built leaves the reason in NAME.failed, and the
table shows that.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / "build" / "bench"
PEERS = TOOLS / "peers"
REQUIREMENTS = Path(__file__).with_name("peers.txt")
HEV_LIBRARIES = [
    "bin/libhev-socks5-tunnel.a", "third-part/lwip/bin/liblwip.a", "third-part/yaml/bin/libyaml.a",
    "third-part/hev-task-system/bin/libhev-task-system.a",
]  # fmt: skip
BUILD_SECONDS = 1800


class NotBuilt(Exception):
    """Why a peer is not there."""


@dataclass(frozen=True)
class Peer:
    """One of them. `package` and `version` name it in its registry."""

    name: str
    package: str
    version: str
    registry: str
    # Of the crate's archive; the wheels' hashes are in peers.txt.
    sha256: str
    build: Callable[[Path], None]
    # What runs, below the folder it is built in.
    program: str

    @property
    def directory(self) -> Path:
        return PEERS / f"{self.package}-{self.version}"

    def path(self) -> Path:
        """Its program, when it was built."""
        if not (self.directory / self.program).exists():
            raise NotBuilt(self._failed.read_text() if self._failed.exists() else "it is not built")
        return self.directory / self.program

    @property
    def _failed(self) -> Path:
        return PEERS / f"{self.name}.failed"

    def make(self) -> None:
        """Fetches and builds it, if it is not there. Notes a failure, and does not raise it."""
        if (self.directory / self.program).exists():
            return
        print(f"building {self.name} {self.version}", file=sys.stderr)
        self._failed.unlink(missing_ok=True)
        try:
            shutil.rmtree(self.directory, ignore_errors=True)
            if self.sha256:
                unpack(self)
            self.build(self.directory)
        except (NotBuilt, OSError, subprocess.TimeoutExpired) as why:
            print(f"  {self.name}: {why}", file=sys.stderr)
            self._failed.write_text(f"not built: {why}")


def run(*command: str, within: Path) -> None:
    """Runs a command with its output in the log of the peers."""
    with open(PEERS / "build.log", "a") as log:
        print("+", *command, file=log, flush=True)
        done = subprocess.run(
            command, cwd=within, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False,
            timeout=BUILD_SECONDS,
        )  # fmt: skip
    if done.returncode != 0:
        raise NotBuilt(f"{Path(command[0]).name} gave {done.returncode}, see build/bench/peers/build.log")


def unpack(peer: Peer) -> None:
    """Lets cargo download the crate, checks its hash, and unpacks it."""
    asking = PEERS / "fetch"
    (asking / "src").mkdir(parents=True, exist_ok=True)
    (asking / "src" / "lib.rs").touch()
    (asking / "Cargo.toml").write_text(
        '[package]\nname = "fetch"\nversion = "0.0.0"\nedition = "2021"\n[workspace]\n'
        f'[dependencies]\n{peer.package} = "={peer.version}"\n'
    )
    (asking / "Cargo.lock").unlink(missing_ok=True)
    run("cargo", "fetch", "--quiet", within=asking)
    home = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo"))
    name = f"{peer.package}-{peer.version}"
    found = [
        file for file in home.glob(f"registry/cache/*/{name}.crate")
        if hashlib.sha256(file.read_bytes()).hexdigest() == peer.sha256
    ]  # fmt: skip
    if not found:
        raise NotBuilt(f"{name}.crate has another SHA-256 than expected")
    run("tar", "-xzf", str(found[0]), "-C", str(PEERS), within=PEERS)
    # Otherwise cargo would take it for a member of the workspace around it.
    with open(peer.directory / "Cargo.toml", "a") as manifest:
        manifest.write("\n[workspace]\n")


def hev(directory: Path) -> None:
    inside = directory / "impl"
    run("make", "-j2", "static", within=inside)
    libraries = [str(inside / name) for name in HEV_LIBRARIES]
    # The library brings a main of its own; ours comes first.
    run(
        "cc", "-O2", "-Wl,--allow-multiple-definition", "-o", str(directory / "hev"),
        str(Path(__file__).with_name("hev.c")), *libraries, "-pthread", within=inside,
    )  # fmt: skip


def cargo(*what: str) -> Callable[[Path], None]:
    """A release with the crate's own Cargo.lock."""
    return lambda directory: run(
        "cargo", "build", "--quiet", "--release", "--locked", "--target-dir", "target", *what,
        within=directory,
    )  # fmt: skip


def wheel(directory: Path) -> None:
    directory.mkdir(parents=True)
    python = str(ROOT / "build" / "venv" / "bin" / "python")
    run(
        python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--require-hashes",
        "--no-deps", "--only-binary", ":all:", "--target", str(directory), "-r", str(REQUIREMENTS),
        within=directory,
    )  # fmt: skip


PEERS_BY_NAME = {
    peer.name: peer
    for peer in [
        Peer("hev", "tun2socks", "0.1.10", "crates.io",
             "3157a6c4bca34b33cc84121359aedf7d05de945d598d1815b8f95cf7fb29a7d9",
             hev, "hev"),
        Peer("hev-jumbo", "tun2socks", "0.1.11", "crates.io",
             "d93bed68278bf4c65060f1d3539a4012b485399166a0147ba0fe404af89331c1",
             hev, "hev"),
        Peer("tun2proxy", "tun2proxy", "0.8.7", "crates.io",
             "62fe12ec15b4555ef3068d1082e5fab7d366bd65ba59127990cb917ed5a1f2e0",
             cargo("--bin", "tun2proxy-bin"), "target/release/tun2proxy-bin"),
        Peer("netstack-smoltcp", "netstack-smoltcp", "0.2.4", "crates.io",
             "4c38f66cdd673ff0e760752f27c6d34a7e3a140f0b1eea9efae3c46d8867c83d",
             cargo("--example", "forward"), "target/release/examples/forward"),
        Peer("tun2socks", "tun2socks", "2.7.0.1", "PyPI", "", wheel, "tun2socks/__init__.py"),
    ]
}  # fmt: skip


def main() -> int:
    PEERS.mkdir(parents=True, exist_ok=True)
    for name in sys.argv[1:] or list(PEERS_BY_NAME):
        if name in PEERS_BY_NAME:
            PEERS_BY_NAME[name].make()
    return 0


if __name__ == "__main__":
    sys.exit(main())
