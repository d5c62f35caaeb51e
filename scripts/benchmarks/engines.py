"""What is compared. A further engine is a class here and an entry in ENGINES."""

from __future__ import annotations

import os
import sys
from collections import Counter
from pathlib import Path

from lab import muzzle, policy

from .ground import SERVER, UPSTREAM, Ground

# On the built-in list with all that is under it.
LISTED = "tracking.miui.com"
UNLISTED = "www.example.org"
TICKS = os.sysconf("SC_CLK_TCK")


class Engine:
    """One way for bytes from the phone to the server. Started once, or again for a clean count."""

    name = ""
    # Whether it answers names itself.
    resolver: str | None = None
    # How many flows it is asked to hold; fewer where each costs more descriptors.
    most_flows = 0

    def start(self, ground: Ground) -> None:
        """Starts it; `target` and `pid` hold from now on."""

    def stop(self) -> None:
        """Ends it."""

    @property
    def target(self) -> str:
        """The address by which clients reach the server through it."""
        return SERVER

    @property
    def pid(self) -> int | None:
        """Its process; `None` for the kernel alone."""
        return None

    def cpu_seconds(self) -> float:
        """Processor time that its process has taken (proc(5), stat)."""
        if self.pid is None:
            return 0.0
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def resident_kb(self) -> int:
        """Memory of its process that is in use (proc(5), VmRSS)."""
        return status_field(Path(f"/proc/{self.pid}/status"), "VmRSS:")

    def wakeups(self) -> Counter[str]:
        """How often each of its threads was woken until now."""
        counts: Counter[str] = Counter()
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            name = f"{(task / 'comm').read_text().strip()}/{task.name}"
            counts[name] = status_field(task / "status", "voluntary_ctxt_switches:")
        return counts


class Direct(Engine):
    """The bare veth: the limit of this machine."""

    name = "veth"
    resolver = UPSTREAM


class Muzzle(Engine):
    """`muzzle run`, which records the flows to a listed name."""

    name = "muzzle"
    resolver = muzzle.RESOLVER4
    most_flows = 10_000

    def start(self, ground: Ground) -> None:
        file = ground.directory / "bench-policy.toml"
        file.write_text(policy.text(apps=[], default="record"))
        database = ground.directory / "bench.db"
        for old in ground.directory.glob("bench.db*"):
            old.unlink()
        self._run = muzzle.Muzzle(ground.phone, database, file, upstream=UPSTREAM)
        self._target = ground.address(LISTED, self.resolver)

    def stop(self) -> None:
        self._run.close()
        for line in self._run.lines[1:]:
            print(f"  {self.name} says: {line}", file=sys.stderr)

    @property
    def target(self) -> str:
        return self._target

    @property
    def pid(self) -> int | None:
        return self._run.process.pid


def status_field(file: Path, name: str) -> int:
    for line in file.read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1])
    return 0


ENGINES: list[type[Engine]] = [Direct, Muzzle]
