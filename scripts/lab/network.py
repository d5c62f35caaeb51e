"""Two network namespaces with a veth between them: *phone* and *internet*.

It never routes anything to the machine's real network. Addresses are those of RFC 5737 and
RFC 3849, which no real host has.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import Callable, Sequence, TypeVar

T = TypeVar("T")
CLONE_NEWNET = 0x40000000

PHONE4, PHONE6 = "10.9.0.1", "fd00:9::1"
GATE4, GATE6 = "10.9.0.2", "fd00:9::2"
RESOLVER4, RESOLVER6 = "192.0.2.53", "2001:db8::53"
COLLECTOR4, COLLECTOR6 = "203.0.113.9", "2001:db8:113::9"
FILES4, FILES6 = "203.0.113.10", "2001:db8:113::10"
WEB4, WEB6 = "198.51.100.20", "2001:db8:51::20"
UNREACHABLE4 = "203.0.113.250"
# Nobody has these, and nobody says so.
SILENT4 = [f"203.0.113.{last}" for last in range(71, 77)]
SERVED = [RESOLVER4, RESOLVER6, COLLECTOR4, COLLECTOR6, FILES4, FILES6, WEB4, WEB6]

CLEAN_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/nonexistent",
    "LANG": "C.UTF-8",
    "PYTHONDONTWRITEBYTECODE": "1",
}

HOLD = """
set -e
if [ -n "$1" ]; then
  mount --bind "$1/resolv.conf" /etc/resolv.conf
  mount --bind "$1/hosts" /etc/hosts
  if [ -e /etc/nsswitch.conf ]; then mount --bind "$1/nsswitch.conf" /etc/nsswitch.conf; fi
  if [ -d /run/nscd ]; then mount -t tmpfs none /run/nscd; fi
fi
ip link set lo up
: > "$0"
exec sleep infinity
"""


class Namespace:
    """A network and mount namespace, held open by one sleeping process."""

    def __init__(self, name: str, directory: Path, resolver: str | None = None) -> None:
        self.name = name
        ready = directory / f"{name}.ready"
        etc = self._etc(directory, resolver) if resolver else ""
        self.holder = subprocess.Popen(
            ["unshare", "--net", "--mount", "--propagation", "unchanged"]
            + ["sh", "-c", HOLD, str(ready), etc],
            stdin=subprocess.DEVNULL,
        )
        wait_until(lambda: ready.exists() or self.holder.poll() is not None, 10, f"{name} to exist")
        if self.holder.poll() is not None:
            raise RuntimeError(f"the namespace {name} could not be made; the lines above say why")
        ready.unlink()

    def _etc(self, directory: Path, resolver: str) -> str:
        """Name service files that this namespace alone sees."""
        etc = directory / f"{self.name}.etc"
        etc.mkdir(exist_ok=True)
        (etc / "resolv.conf").write_text(f"nameserver {resolver}\noptions timeout:2 attempts:2\n")
        (etc / "hosts").write_text("127.0.0.1 localhost\n::1 localhost\n")
        (etc / "nsswitch.conf").write_text(
            "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n"
        )
        return str(etc)

    def wrap(self, command: Sequence[str], uid: int = 0) -> list[str]:
        """The command line that runs a command in here as a user."""
        # The root too: a mount namespace entered from a chroot starts at the real root. And the
        # folder: ours has no path in there.
        inside = ["nsenter", "-t", str(self.holder.pid), "-n", "-m", "-r", "-w", "--"]
        if uid:
            inside += ["setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups"]
            inside += ["--no-new-privs", "--"]
        return inside + list(command)

    def start(self, command: Sequence[str], uid: int = 0, **options: object) -> subprocess.Popen:
        """Starts a command in here, with an environment that knows no proxy."""
        options.setdefault("env", CLEAN_ENVIRONMENT)
        options.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.Popen(self.wrap(command, uid), **options)  # type: ignore[call-overload]

    def run(
        self, command: Sequence[str], uid: int = 0, timeout: float = 30, **options: object
    ) -> subprocess.CompletedProcess:
        """Runs a command in here to its end and keeps what it prints, as text."""
        options.setdefault("env", CLEAN_ENVIRONMENT)
        options.setdefault("text", True)
        if "input" not in options:
            options.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.run(  # type: ignore[call-overload]
            self.wrap(command, uid), capture_output=True, timeout=timeout, check=False, **options
        )

    def inside(self, work: Callable[[], T]) -> T:
        """Calls a function on a thread that is in this network namespace (for sockets)."""
        results: list[T] = []
        errors: list[BaseException] = []

        def thread() -> None:
            try:
                libc = ctypes.CDLL(None, use_errno=True)
                with open(f"/proc/{self.holder.pid}/ns/net") as handle:
                    if libc.setns(handle.fileno(), CLONE_NEWNET) != 0:
                        raise OSError(ctypes.get_errno(), "setns")
                results.append(work())
            except BaseException as error:  # noqa: BLE001 - handed to the caller
                errors.append(error)

        runner = threading.Thread(target=thread, name=f"in-{self.name}")
        runner.start()
        runner.join()
        if errors:
            raise errors[0]
        return results[0]

    def listen(self, address: str, port: int) -> socket.socket:
        """A listening TCP socket in here."""

        def work() -> socket.socket:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            listener = socket.socket(family, socket.SOCK_STREAM)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((address, port))
            listener.listen(512)
            return listener

        return self.inside(work)

    def close(self) -> None:
        end(self.holder, signal.SIGKILL)


def wait_until(ready: Callable[[], object], seconds: float, what: str) -> None:
    """Waits for a condition; TimeoutError names what did not come."""
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:g} s for {what}")
        time.sleep(0.01)


def end(process: subprocess.Popen, with_signal: int = signal.SIGTERM, seconds: float = 5) -> int:
    """Ends a process, in the end with SIGKILL, and gives its exit code."""
    if process.poll() is None:
        process.send_signal(with_signal)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()


def ip(*arguments: str) -> None:
    """Runs `ip`; a failure shows its own words."""
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")


def has_ipv6() -> bool:
    """Whether this kernel speaks IPv6 at all."""
    return os.path.exists("/proc/net/if_inet6")


def connect(phone: Namespace, internet: Namespace) -> None:
    """Joins the two namespaces with a veth, addresses and default routes."""
    here, there = str(phone.holder.pid), str(internet.holder.pid)
    ip("link", "add", "name", "wifi0", "netns", here, "type", "veth",
       "peer", "name", "isp0", "netns", there)  # fmt: skip
    # Both ends come up before they get addresses: IPv6 would wait a second for the other end.
    for space, device in ((phone, "wifi0"), (internet, "isp0")):
        quiet = [f"link set dev {device} addrgenmode none"] if has_ipv6() else []
        in_here(space, [*quiet, f"link set {device} up"])
    in_here(internet, [f"addr add {GATE4}/24 dev isp0"])
    in_here(phone, [f"addr add {PHONE4}/24 dev wifi0", f"route add default via {GATE4}"])
    in_here(phone, [f"route add unreachable {UNREACHABLE4}"])
    if has_ipv6():
        in_here(internet, [f"addr add {GATE6}/64 dev isp0 nodad"])
        in_here(phone, [f"addr add {PHONE6}/64 dev wifi0 nodad"])
        in_here(phone, [f"-6 route add default via {GATE6}"])
    let_everybody_ping(phone)
    for address in SERVED:
        if ":" not in address:
            in_here(internet, [f"addr add {address} dev lo"])
        elif has_ipv6():
            in_here(internet, [f"addr add {address} dev lo nodad"])


def let_everybody_ping(space: Namespace) -> None:
    """Lets every user open a datagram socket of ICMP (icmp(7)), as Android's init does."""
    done = space.run(["sh", "-c", "echo '0 20000' > /proc/sys/net/ipv4/ping_group_range"])
    if done.returncode != 0:
        raise RuntimeError(f"ping_group_range in {space.name}: {done.stderr.strip()}")


def in_here(space: Namespace, lines: Sequence[str]) -> None:
    """Runs `ip` lines in a namespace; a failure shows its own words."""
    for line in lines:
        done = space.run(["ip", *line.split()])
        if done.returncode != 0:
            raise RuntimeError(f"ip {line} in {space.name}: {done.stderr.strip()}")
