"""The whole lab as one context manager.

It never runs outside `scripts/in-lab`: that is what makes sure that nothing is left behind.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from dataclasses import dataclass
from pathlib import Path
from typing import Sequence

from . import dig, muzzle, network, odd, resolver
from .network import Namespace
from .web import Collector, Web


@dataclass(frozen=True)
class App:
    """An app of the phone: Android gives each one a uid of its own."""

    uid: int
    package: str
    setting: str
    when_blocked: str = "refuse"


BLOCKED = App(10101, "com.mi.globalbrowser", "block")
RECORDED = App(10102, "com.mi.globalbrowser.mini", "record")
OFF = App(10103, "com.example.other", "off")
CAPTURED = App(10104, "com.miui.player", "block", "capture")
APPS = [BLOCKED, RECORDED, OFF, CAPTURED]


def inside() -> Path:
    """The lab's own directory, which goes with the lab."""
    directory = os.environ.get("MUZZLE_LAB")
    if not directory:
        raise RuntimeError("a lab is built only inside scripts/in-lab")
    return Path(directory)


@cache
def python() -> str:
    """A Python that every app's user can run: our environment, mounted where all may read it.

    A home directory is often closed to other users, and apps are other users here.
    """
    if sys.prefix == sys.base_prefix:
        return sys.executable
    place = inside() / "python"
    place.mkdir()
    subprocess.run(["mount", "--bind", sys.prefix, str(place)], check=True)
    return str(place / "bin" / "python")


class Lab:
    """Phone and internet with its servers. `muzzle run` is started in it, once or more often."""

    def __init__(
        self, name: str, records: Path | None = None, phone_resolver: str = muzzle.RESOLVER4
    ) -> None:
        self.phone_resolver = phone_resolver
        self.directory = inside() / name
        self.directory.mkdir(parents=True, exist_ok=True)
        self.records = records or self.directory
        self._open: list[object] = []

    def __enter__(self) -> "Lab":
        try:
            self._build()
        except BaseException:
            self.close()
            raise
        return self

    def _build(self) -> None:
        python()  # Before the namespaces copy the mounts.
        self.internet = self._keep(Namespace("internet", self.directory))
        self.phone = self._keep(Namespace("phone", self.directory, self.phone_resolver))
        network.connect(self.phone, self.internet)
        self.resolver = self._keep(resolver.Resolver(self.internet, self.directory))
        six = network.has_ipv6()
        collector = [network.COLLECTOR4] + ([network.COLLECTOR6] if six else [])
        files = [network.FILES4] + ([network.FILES6] if six else [])
        web = [network.WEB4] + ([network.WEB6] if six else [])
        record = self.records / "collector.jsonl"
        self.collector = self._keep(Collector(self.internet, collector, [80], record))
        self.files = self._keep(Web(self.internet, files, [80]))
        self.odd = self._keep(odd.Odd(self.internet, files, odd.PORTS))
        self.datagrams = self._keep(odd.UdpEcho(self.internet, files))
        self.web = self._keep(Web(self.internet, web, [80]))

    def _keep(self, part):  # type: ignore[no-untyped-def]
        self._open.append(part)
        return part

    def start_muzzle(self, policy: str, database: Path | None = None, **options) -> muzzle.Muzzle:
        """Starts `muzzle run` with a policy text; it ends with the lab."""
        file = self.policy_file(policy)
        database = database or self.directory / "muzzle.db"
        return self._keep(muzzle.Muzzle(self.phone, database, file, **options))

    def policy_file(self, policy: str) -> Path:
        """Writes the policy file that `muzzle run` reads at its start and on SIGHUP."""
        file = self.directory / "policy.toml"
        file.write_text(policy)
        return file

    def app(
        self, app: App, command: Sequence[str], timeout: float = 60, **options
    ) -> subprocess.CompletedProcess:
        """Runs a command as an app of the phone."""
        return self.phone.run(command, uid=app.uid, timeout=timeout, **options)

    def curl(self, app: App, *arguments: str, timeout: float = 60, **options):
        """curl as an app; standard output holds the body and, last, the status."""
        usual = ["--silent", "--show-error", "--max-time", str(int(timeout - 5))]
        return self.app(app, ["curl", *usual, *arguments], timeout, **options)

    def python(self, app: App, file: Path, *arguments: str, timeout: float = 60, **options):
        """Runs a Python program to its end as an app."""
        return self.app(app, self.program(file, *arguments), timeout, **options)

    def start_python(self, app: App, file: Path, *arguments: str) -> subprocess.Popen:
        """Starts a Python program as an app, with pipes for what it prints."""
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return self.phone.start(self.program(file, *arguments), uid=app.uid, **pipes)

    def program(self, file: Path, *arguments: str) -> list[str]:
        """A command line with the program at a place that every app's user can read."""
        home = self.directory / "programs"
        home.mkdir(exist_ok=True)
        copy = home / file.name
        shutil.copyfile(file, copy)
        copy.chmod(0o644)
        return [python(), str(copy), *arguments]

    def dig(self, *arguments: str, server: str | None = None, app: App = RECORDED) -> dig.Reply:
        """dig against the phone's resolver, one try."""
        usual = ["+time=3", "+tries=1", "+noall", "+comments", "+answer", "+authority"]
        server = server or self.phone_resolver
        return dig.read(self.app(app, ["dig", f"@{server}", *usual, *arguments], 30).stdout)

    def close(self) -> None:
        while self._open:
            self._open.pop().close()  # type: ignore[attr-defined]

    def __exit__(self, *_: object) -> None:
        self.close()
