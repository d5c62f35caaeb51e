"""Random scripts of two ends of a TCP connection, run step by step, and what each end saw.

A seed gives a script. Each step waits until the other end has seen its effect, so what is seen
does not depend on time. Nothing here knows of Muzzle: the caller says how sockets are opened.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import hashlib
import random
import socket
import struct
import termios
from dataclasses import dataclass, field
from typing import Callable

WAIT = 20.0
LINGER_RESET = struct.pack("ii", 1, 0)
SIZES = [1, 2, 100, 1400, 1500, 9000, 70_000, 400_000]
WEIGHTS = [20, 10, 30, 15, 15, 15, 4, 1]
# What an end may do; ENDS end the connection.
STEPS = ["send", "both send", "late reader", "shut", "both shut", "idle"]
ENDS = ["reset", "close", "close unread"]

Step = tuple[str, str, int]


@dataclass
class Script:
    """A list of steps: what, by whom ("c" or "s"), and a size."""

    seed: int
    steps: list[Step] = field(default_factory=list)

    @staticmethod
    def make(seed: int, client_first: bool) -> "Script":
        dice = random.Random(seed)
        size = lambda: dice.choices(SIZES, WEIGHTS)[0]  # noqa: E731
        script, shut = Script(seed), set()
        if client_first:
            script.steps.append(("send", "c", size()))
        for _ in range(dice.randrange(0, 9)):
            what, who = dice.choices(STEPS, [8, 2, 1, 1, 0.3, 2])[0], dice.choice("cs")
            if what == "both shut":
                who = "b"
            sends = {"b"} if what in ("both send", "both shut") else {who}
            if what != "idle" and shut & (sends if sends != {"b"} else {"c", "s"}):
                continue
            script.steps.append((what, who, size()))
            if what in ("shut", "both shut"):
                shut |= {"c", "s"} if who == "b" else {who}
        what, who = dice.choice(ENDS), dice.choice("cs")
        if what == "close unread" and {"c": "s", "s": "c"}[who] in shut:
            what = "reset"
        if shut != {"c", "s"}:
            script.steps.append((what, who, 1 + dice.randrange(3000)))
        return script


class Ends:
    """Both ends of one connection; each method gives what was seen, as text."""

    def __init__(self, client: socket.socket, server: socket.socket, seed: int) -> None:
        self.loop = asyncio.get_running_loop()
        self.sock = {"c": client, "s": server}
        self.seed, self.number = seed, 0

    def data(self, size: int) -> bytes:
        """Bytes of this step alone; the first is no capital, so that nothing takes it for HTTP."""
        self.number += 1
        return b"m" + hashlib.shake_128(b"%d %d" % (self.seed, self.number)).digest(size - 1)

    async def read(self, who: str, wanted: bytes) -> str:
        got = b""
        try:
            while len(got) < len(wanted):
                piece = await asyncio.wait_for(
                    self.loop.sock_recv(self.sock[who], len(wanted) - len(got)), WAIT
                )
                if not piece:
                    return f"{who}: end after {len(got)} of {len(wanted)}"
                got += piece
        except (OSError, asyncio.TimeoutError) as error:
            return f"{who}: {name(error)} after {len(got)} of {len(wanted)}"
        return f"{who}: {len(got)} " + ("right" if got == wanted else "WRONG")

    async def write(self, who: str, data: bytes) -> str:
        try:
            await asyncio.wait_for(self.loop.sock_sendall(self.sock[who], data), WAIT)
        except (OSError, asyncio.TimeoutError) as error:
            return f" {who}: {name(error)} on sending"
        return ""

    async def ended(self, who: str) -> str:
        """How an end finds its peer gone: two reads and a write."""
        seen = []
        for _ in range(2):
            try:
                got = await asyncio.wait_for(self.loop.sock_recv(self.sock[who], 100), WAIT)
                seen.append("end" if not got else f"{len(got)} more")
            except (OSError, asyncio.TimeoutError) as error:
                seen.append(name(error))
        # What was read may be older than the last word of the peer, which is still on its way.
        await asyncio.sleep(0.2)
        return f"{who}: " + ", ".join(seen) + await self.write(who, b"m")

    async def send(self, who: str, size: int, pause: float = 0) -> str:
        data, peer = self.data(size), other(who)
        writing = asyncio.ensure_future(self.write(who, data))
        if pause:
            await asyncio.sleep(pause)
        seen = await self.read(peer, data)
        return seen + await writing

    async def step(self, what: str, who: str, size: int) -> str:
        if what == "idle":
            await asyncio.sleep(size % 20 / 1000)
            return "idle"
        if what == "send":
            return await self.send(who, size)
        if what == "late reader":
            return await self.send(who, 10 * size, 0.02)
        if what == "both send":
            return " ".join(await asyncio.gather(self.send("c", size), self.send("s", size)))
        if what in ("shut", "both shut"):
            ends = "cs" if who == "b" else who
            for end in ends:
                self.sock[end].shutdown(socket.SHUT_WR)
            return " ".join([await self.end_seen(other(end)) for end in ends])
        return await self.last(what, who, size)

    async def end_seen(self, who: str) -> str:
        try:
            got = await asyncio.wait_for(self.loop.sock_recv(self.sock[who], 100), WAIT)
        except (OSError, asyncio.TimeoutError) as error:
            return f"{who}: {name(error)}"
        return f"{who}: " + ("end" if not got else f"{len(got)} unexpected")

    async def last(self, what: str, who: str, size: int) -> str:
        peer = other(who)
        if what == "reset":
            self.sock[who].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_RESET)
        if what == "close unread":
            wrong = await self.write(peer, self.data(size))
            if wrong or not await self.waiting(who, size):
                return f"nothing waits {wrong}"
        self.sock[who].close()
        return await self.ended(peer)

    async def waiting(self, who: str, size: int) -> bool:
        """Whether so many bytes came to wait unread."""
        for _ in range(int(WAIT * 1000)):
            count = fcntl.ioctl(self.sock[who], termios.FIONREAD, b"\0\0\0\0")
            if struct.unpack("i", count)[0] == size:
                return True
            await asyncio.sleep(0.001)
        return False

    def close(self) -> None:
        for sock in self.sock.values():
            sock.close()


def other(who: str) -> str:
    return "s" if who == "c" else "c"


def name(error: BaseException) -> str:
    number = getattr(error, "errno", None)
    return errno.errorcode.get(number, type(error).__name__) if number else type(error).__name__


async def run(
    script: Script, listener: socket.socket, to: tuple[str, int], mark: Callable[[socket.socket], None]
) -> list[str]:
    """Runs a script over a new connection; what was seen, step by step."""
    loop = asyncio.get_running_loop()
    client = socket.socket(listener.family)
    client.setblocking(False)
    mark(client)
    try:
        await asyncio.wait_for(loop.sock_connect(client, to), WAIT)
    except (OSError, asyncio.TimeoutError) as error:
        client.close()
        return [f"connect: {name(error)}"]
    ends = Ends(client, client, script.seed)
    seen, steps = [], list(script.steps)
    try:
        first = b""
        if steps and steps[0][:2] == ("send", "c"):
            # Some networks look at the first bytes before they connect on.
            first = ends.data(steps.pop(0)[2])
            writing = asyncio.ensure_future(ends.write("c", first))
        ends.sock["s"], _ = await asyncio.wait_for(loop.sock_accept(listener), WAIT)
        if first:
            seen.append(await ends.read("s", first) + await writing)
        for what, who, size in steps:
            seen.append(await ends.step(what, who, size))
    except asyncio.TimeoutError:
        seen.append("nobody came")
    finally:
        ends.close()
    return seen


async def refused(family: int, to: tuple[str, int], mark: Callable[[socket.socket], None]) -> str:
    """How a connect ends that nobody takes."""
    client = socket.socket(family)
    client.setblocking(False)
    mark(client)
    with client:
        try:
            await asyncio.wait_for(asyncio.get_running_loop().sock_connect(client, to), WAIT)
        except (OSError, asyncio.TimeoutError) as error:
            return name(error)
    return "connected"
