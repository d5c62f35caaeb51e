"""`muzzle run` as a child process, and its other commands as functions.

It never reads the database itself: what is asserted is what the command prints.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from pathlib import Path
from typing import Any

from . import network
from .network import Namespace

READY_SECONDS = 20
RESOLVER4, RESOLVER6 = "198.18.0.2", "fd6d:757a:7a6c::2"
FAKE4, FAKE6 = "198.18.0.0/15", "fd6d:757a:7a6c::/48"


def program() -> Path | None:
    """The muzzle to test: $MUZZLE, else the newest build."""
    if named := os.environ.get("MUZZLE"):
        return Path(named).resolve()
    root = Path(__file__).resolve().parents[2]
    target = Path(os.environ.get("CARGO_TARGET_DIR", root / "target"))
    built = [target / profile / "muzzle" for profile in ("release", "debug")]
    built = [path for path in built if path.exists()]
    return max(built, key=lambda path: path.stat().st_mtime, default=None)


def command(*arguments: str, timeout: float = 60) -> subprocess.CompletedProcess:
    """Runs a muzzle command to its end."""
    binary = program()
    if binary is None:
        raise FileNotFoundError("no muzzle is built: cargo build")
    environment = {**os.environ, "NO_COLOR": "1"}
    return subprocess.run(
        [str(binary), *arguments],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        env=environment,
    )


def events(database: Path, *filters: str) -> list[dict[str, Any]]:
    """All events of a database, as `muzzle events --json` prints them."""
    done = command("events", "--db", str(database), "--json", *filters)
    if done.returncode != 0:
        raise RuntimeError(f"muzzle events failed ({done.returncode}): {done.stderr.strip()}")
    return [json.loads(line) for line in done.stdout.splitlines() if line]


def stats(database: Path) -> dict[str, Any]:
    """All sums of a database, as `muzzle stats --json` prints them."""
    done = command("stats", "--db", str(database), "--json")
    if done.returncode != 0:
        raise RuntimeError(f"muzzle stats failed ({done.returncode}): {done.stderr.strip()}")
    return json.loads(done.stdout)


class Muzzle:
    """A running `muzzle run` in the phone namespace."""

    def __init__(
        self,
        phone: Namespace,
        database: Path,
        policy: Path,
        upstream: str = network.RESOLVER4,
        tun: str = "muzzle0",
        wait: bool = True,
        extra: tuple[str, ...] = (),
        uid: int = 0,
        wrap: tuple[str, ...] = (),
    ) -> None:
        binary = program()
        if binary is None:
            raise FileNotFoundError("no muzzle is built: cargo build")
        self.database = database
        self.lines: list[str] = []
        self._ready = threading.Event()
        self.process = phone.start(
            [*wrap, str(binary), "run", "--tun", tun, "--db", str(database), "--policy", str(policy)]
            + ["--upstream", upstream, *extra],
            uid=uid,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if wait:
            self.wait_ready()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line.rstrip("\n"))
            if "ready" in line:
                self._ready.set()

    def said(self) -> str:
        """All it wrote to standard error so far."""
        return "\n".join(self.lines)

    def wait_ready(self) -> None:
        """Waits for the line that says that packets flow."""
        network.wait_until(
            lambda: self._ready.is_set() or self.process.poll() is not None,
            READY_SECONDS,
            "muzzle run to be ready",
        )
        if not self._ready.is_set():
            self._reader.join(5)
            raise RuntimeError(f"muzzle run ended with {self.process.returncode}: {self.said()}")

    def wait_end(self, seconds: float = 10) -> int:
        """Waits for its own end and gives the exit code."""
        code = self.process.wait(seconds)
        self._reader.join(5)
        return code

    def reload(self) -> str:
        """Makes it read its policy again; gives what it said about that."""
        before = len(self.lines)
        self.process.send_signal(signal.SIGHUP)
        network.wait_until(lambda: len(self.lines) > before, 5, "a word about the new policy")
        return self.lines[-1]

    def stop(self, with_signal: int = signal.SIGTERM) -> int:
        """Ends it and gives its exit code."""
        return network.end(self.process, with_signal, seconds=15)

    def close(self) -> None:
        if self.process.poll() is None:
            self.stop()
