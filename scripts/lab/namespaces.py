"""Runs a command in namespaces of its own: `python3 -m lab.namespaces COMMAND...`.

It never leaves a process or a mount behind: the command runs under a first process of its own
PID namespace, and the kernel ends all others with it, whatever ends this program.
Exit code 77 means that this machine does not allow it; one line on standard error says why.
"""

from __future__ import annotations

import ctypes
import errno
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NoReturn

CLONE_NEWNS, CLONE_NEWIPC, CLONE_NEWUSER = 0x00020000, 0x08000000, 0x10000000
CLONE_NEWPID, CLONE_NEWNET = 0x20000000, 0x40000000
MS_NOSUID, MS_NODEV, MS_REC, MS_PRIVATE = 2, 4, 16384, 1 << 18
PR_SET_PDEATHSIG = 1
TUN = Path("/dev/net/tun")
TUN_DEVICE = os.makedev(10, 200)
GRACE_SECONDS = 10
NOT_ALLOWED = 77
WATCHED = [signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP, signal.SIGINT]

LIBC = ctypes.CDLL(None, use_errno=True)


class NotAllowed(Exception):
    """What this machine does not allow, and what would help."""


def call(name: str, *args: object) -> None:
    """A libc call that raises OSError when it fails."""
    if getattr(LIBC, name)(*args) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")


def mount(source: str, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    """mount(2)."""
    encode = lambda text: None if text is None else text.encode()  # noqa: E731
    call("mount", encode(source), encode(target), encode(kind), ctypes.c_ulong(flags), encode(data))


def sub_ids(file: str) -> tuple[int, int]:
    """First id and count of the largest range that this user was given in /etc/subuid."""
    names = {str(os.getuid()), pwd.getpwuid(os.getuid()).pw_name}
    ranges: list[tuple[int, int]] = []
    try:
        for line in Path(file).read_text().splitlines():
            parts = line.strip().split(":")
            if len(parts) == 3 and parts[0] in names:
                ranges.append((int(parts[2]), int(parts[1])))
    except (OSError, ValueError):
        pass
    if not ranges:
        user = pwd.getpwuid(os.getuid()).pw_name
        raise NotAllowed(
            f"{file} holds no ids for this user; root helps with: "
            f"usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {user}"
        )
    count, first = max(ranges)
    return first, count


def become_namespace_root() -> None:
    """Makes a user namespace in which this user is root and holds further ids for apps."""
    for tool in ("newuidmap", "newgidmap"):
        if shutil.which(tool) is None:
            raise NotAllowed(f"{tool} is missing; root helps with: apt-get install uidmap")
    uid, gid, target = os.getuid(), os.getgid(), str(os.getpid())
    maps = [("newuidmap", uid, sub_ids("/etc/subuid")), ("newgidmap", gid, sub_ids("/etc/subgid"))]
    go_read, go_write = os.pipe()
    helper = os.fork()
    if helper == 0:  # Stays outside: the maps are written from the parent namespace.
        os.close(go_write)
        if os.read(go_read, 1) != b"g":
            os._exit(1)
        for tool, own, (first, count) in maps:
            ids = ["0", str(own), "1", "1", str(first), str(min(count, 65535))]
            if subprocess.run([tool, target, *ids], check=False).returncode != 0:
                os._exit(1)
        os._exit(0)
    try:
        call("unshare", CLONE_NEWUSER)
        os.write(go_write, b"g")
    except OSError as error:
        raise NotAllowed(f"the kernel lets no plain user make a user namespace ({error})") from None
    finally:
        os.close(go_write)
        _, status = os.waitpid(helper, 0)
    if status != 0:
        raise NotAllowed("newuidmap or newgidmap failed")
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)


def check_tun() -> None:
    """Opens the TUN device once, making its node where it is missing and we may."""
    try:
        if not TUN.exists() and os.geteuid() == 0:
            TUN.parent.mkdir(exist_ok=True)
            os.mknod(TUN, 0o666 | 0o020000, TUN_DEVICE)
            os.chmod(TUN, 0o666)
        os.close(os.open(TUN, os.O_RDWR))
    except OSError as error:
        hint = {
            errno.EACCES: "; root helps with: chmod 0666 /dev/net/tun",
            errno.EPERM: "; a container needs --device /dev/net/tun",
            errno.ENODEV: "; root helps with: modprobe tun",
            errno.ENOENT: "; root helps with: modprobe tun, a container needs --device /dev/net/tun",
        }.get(error.errno, "")
        raise NotAllowed(f"{TUN} cannot be opened ({error.strerror}){hint}") from None


def unshare(flags: int) -> None:
    """unshare(2). A PID namespace begins with the next fork."""
    try:
        call("unshare", flags)
    except OSError as error:
        raise NotAllowed(
            f"the kernel refuses namespaces ({error.strerror}); a container needs --privileged, "
            "Ubuntu 24.04 needs root or sysctl kernel.apparmor_restrict_unprivileged_userns=0"
        ) from None


def private_mounts(directory: str) -> None:
    """Keeps our mounts to ourselves, then mounts /proc of the new PID namespace and a tmpfs."""
    points = ["/"]
    try:
        mount("none", "/", None, MS_REC | MS_PRIVATE)
    except OSError:  # In a chroot the root is no mount point: take those that can be seen.
        points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
        for point in points:
            mount("none", point.encode().decode("unicode_escape"), None, MS_PRIVATE)
    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV)
    mount("tmpfs", directory, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755")


def first_process(directory: str, command: list[str]) -> NoReturn:
    """The first process of the PID namespace: mounts, starts the command, waits for it."""
    call("prctl", PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL), 0, 0, 0)
    try:
        unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC)
        private_mounts(directory)
    except NotAllowed as reason:
        print(f"lab: {reason}", file=sys.stderr)
        os._exit(NOT_ALLOWED)
    except OSError as error:
        print(f"lab: the kernel refuses mounts ({error})", file=sys.stderr)
        os._exit(NOT_ALLOWED)
    environment = {**os.environ, "MUZZLE_LAB": directory}
    child = os.fork()
    if child == 0:
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        try:
            os.execvpe(command[0], command, environment)
        except OSError as error:
            print(f"lab: {command[0]}: {error.strerror}", file=sys.stderr)
        os._exit(127)
    os._exit(wait_for(child))


def wait_for(child: int) -> int:
    """Waits for a child while passing on what would end us; in the end with SIGKILL.

    A Ctrl-C reaches the child from the terminal as well, so it gets a moment before it is told.
    """
    sequence: list[tuple[float, int]] = []
    while True:
        if sequence:
            timeout, following = sequence[0]
            info = signal.sigtimedwait(WATCHED, timeout)
            if info is None:
                os.kill(child, following)
                sequence.pop(0)
                continue
        else:
            info = signal.sigwaitinfo(WATCHED)
        if info.si_signo in (signal.SIGTERM, signal.SIGHUP):
            os.kill(child, signal.SIGTERM)
            sequence = [(GRACE_SECONDS, signal.SIGKILL)]
        elif info.si_signo == signal.SIGINT and not sequence:
            sequence = [(1, signal.SIGTERM), (GRACE_SECONDS, signal.SIGKILL)]
        while True:  # The first process also reaps orphans.
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return 1
            if pid == child:
                code = os.waitstatus_to_exitcode(status)
                return code if code >= 0 else 128 - code
            if pid == 0:
                break


def run(command: list[str]) -> int:
    """Runs a command in fresh namespaces and gives its exit code."""
    # From here on no signal can come between making something and the plan to remove it.
    signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
    directory = tempfile.mkdtemp(prefix="muzzle-lab.")
    try:
        check_tun()
        if os.geteuid() != 0:
            become_namespace_root()
        unshare(CLONE_NEWPID)
        child = os.fork()
        if child == 0:
            first_process(directory, command)
        return wait_for(child)
    finally:
        os.rmdir(directory)


def main() -> int:
    command = sys.argv[1:]
    if not command:
        print("usage: python3 -m lab.namespaces COMMAND...", file=sys.stderr)
        return 2
    try:
        return run(command)
    except NotAllowed as reason:
        print(f"lab: {reason}", file=sys.stderr)
        return NOT_ALLOWED


if __name__ == "__main__":
    sys.exit(main())
