"""What is compared. A further engine is a class here and an entry in ENGINES."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

from lab import muzzle, network, policy

from .ground import SERVER, SOCKS, UPSTREAM, Failed, Ground
from .peers import PEERS_BY_NAME, NotBuilt

# On the built-in list with all that is under it.
LISTED = "tracking.miui.com"
UNLISTED = "www.example.org"
TICKS = os.sysconf("SC_CLK_TCK")
TUN = "tun0"
TUN_SECONDS = 10


class Engine:
    """One way for bytes from the phone to the server. Started afresh for each measurement."""

    name = ""
    # One sentence for the page.
    about = ""
    # Whether it answers names itself.
    resolver: str | None = None
    # How many flows it is asked to hold; fewer where each costs more descriptors.
    most_flows = 0
    # The interface that it reads.
    tun: str | None = None
    process: subprocess.Popen | None = None

    def start(self, ground: Ground, mtu: int) -> None:
        """Starts it; `target` and `pid` hold from now on."""

    def stop(self) -> None:
        """Ends it."""
        if self.process is not None:
            network.end(self.process)
            self.process = None

    @property
    def target(self) -> str:
        """The address by which clients reach the server through it."""
        return SERVER

    @property
    def pid(self) -> int | None:
        """Its process; `None` for the kernel alone."""
        return self.process.pid if self.process else None

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
    about = "the kernel alone, with the veth's offloads: the limit of this machine"
    resolver = UPSTREAM


class Muzzle(Engine):
    """`muzzle run` in one of its reaches."""

    resolver = muzzle.RESOLVER4
    most_flows = 10_000
    tun = "muzzle0"
    reach = ""

    def start(self, ground: Ground, mtu: int) -> None:
        file = ground.directory / "bench-policy.toml"
        file.write_text(policy.text(apps=[], default="record"))
        for old in ground.directory.glob("bench.db*"):
            old.unlink()
        self._run = muzzle.Muzzle(
            ground.phone, ground.directory / "bench.db", file, upstream=UPSTREAM, tun=self.tun,
            extra=("--reach", self.reach),
        )  # fmt: skip
        self.process = self._run.process
        network.in_here(ground.phone, [f"link set {self.tun} mtu {mtu}"])

    def stop(self) -> None:
        self._run.close()
        self.process = None
        # What it wrote while it ran: counts of what it dropped, among others.
        for line in self._run.lines[1:]:
            print(f"    {self.name} says: {line}", file=sys.stderr)


class Deep(Muzzle):
    """All traffic goes through the core, which connects to the server itself."""

    name = "deep"
    about = "`muzzle run --reach deep`: relays directly; all packets of the phone pass the core"
    reach = "deep"


class Light(Muzzle):
    """Names, and flows to listed names."""

    name = "light"
    about = "`muzzle run --reach light`: answers names; only flows to listed names pass the core"
    reach = "light"
    most_flows = 0


class Proxied(Engine):
    """A peer with one process and one TUN."""

    most_flows = 3000
    tun = TUN
    # What it has to be told: few have an MTU of their own.
    most_mtu = 9000

    def start(self, ground: Ground, mtu: int) -> None:
        try:
            program = PEERS_BY_NAME[self.name].path()
        except NotBuilt as why:
            raise Failed(str(why)) from None
        mtu = min(mtu, self.most_mtu)
        with open(ground.directory / f"{self.name}.log", "a") as log:
            self.process = ground.phone.start(
                self.command(ground, program, mtu), stdout=log, stderr=log
            )
        try:
            self._route(ground, mtu)
        except (TimeoutError, RuntimeError) as why:
            self.stop()
            raise Failed(f"it made no usable TUN: {why}") from None

    def _route(self, ground: Ground, mtu: int) -> None:
        """Gives its TUN an address, and leads the server's address into it."""
        there = lambda: ground.phone.run(["ip", "link", "show", "dev", TUN]).returncode == 0  # noqa: E731
        network.wait_until(there, TUN_SECONDS, f"its interface {TUN}")
        network.in_here(ground.phone, [
            f"addr replace 10.10.10.2/24 dev {TUN}", f"link set {TUN} mtu {mtu} up",
            f"route replace {SERVER}/32 dev {TUN}",
        ])  # fmt: skip

    def command(self, ground: Ground, program: Path, mtu: int) -> list[str]:
        """Its command line."""
        raise NotImplementedError

    def stop(self) -> None:
        if self.process is not None:
            # Some wait for their sessions after SIGTERM.
            network.end(self.process, signal.SIGKILL)
            self.process = None


class Hev(Proxied):
    name = "hev"
    about = "hev-socks5-tunnel: C, lwIP; MTU 8500 where others have 9000, which it is made for"
    most_mtu = 8500

    def command(self, ground: Ground, program: Path, mtu: int) -> list[str]:
        host, port = SOCKS
        file = ground.directory / "hev.yml"
        file.write_text(
            f"tunnel:\n  name: {TUN}\n  mtu: {mtu}\n  multi-queue: false\n"
            f"socks5:\n  address: {host}\n  port: {port}\n  udp: 'udp'\n"
        )
        return [str(program), str(file), TUN]


class HevJumbo(Hev):
    name = "hev-jumbo"
    about = "a later hev-socks5-tunnel, which writes packets larger than the MTU, as Muzzle does"


class Tun2proxy(Proxied):
    name = "tun2proxy"
    about = "tun2proxy: Rust, ipstack, tokio"

    def command(self, ground: Ground, program: Path, mtu: int) -> list[str]:
        return [
            str(program), "--proxy", "socks5://{}:{}".format(*SOCKS), "--tun", TUN, "--mtu", str(mtu),
            "--tcp-mss", str(mtu - 40), "--max-sessions", "20000", "--verbosity", "off",
        ]  # fmt: skip


class NetstackSmoltcp(Proxied):
    name = "netstack-smoltcp"
    about = "netstack-smoltcp's example `forward`: Rust, smoltcp, tokio; relays directly"

    def command(self, ground: Ground, program: Path, mtu: int) -> list[str]:
        return [str(program), "-i", "wifi0", "-n", TUN, "--log-level", "error"]


class Tun2socks(Proxied):
    name = "tun2socks"
    about = "xjasonlyu's tun2socks: Go, gVisor; in a Python process, whose memory is counted too"
    code = (
        "import sys, threading; sys.path.insert(0, sys.argv[1]); import tun2socks; "
        "tun2socks.startFromArgs(sys.argv[2], 'wifi0', 'error', sys.argv[3], ''); "
        "threading.Event().wait()"
    )

    def command(self, ground: Ground, program: Path, mtu: int) -> list[str]:
        where, proxy = str(program.parents[1]), "socks5://{}:{}".format(*SOCKS)
        return [sys.executable, "-c", self.code, where, f"tun://{TUN}?mtu={mtu}", proxy]


def status_field(file: Path, name: str) -> int:
    for line in file.read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1])
    return 0


ENGINES: list[type[Engine]] = [
    Direct, Deep, Light, Hev, HevJumbo, Tun2proxy, NetstackSmoltcp, Tun2socks,
]  # fmt: skip
