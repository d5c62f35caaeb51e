"""Reads what dig prints. It never asks anything itself."""

from __future__ import annotations

import re
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Record:
    """One resource record."""

    name: str
    ttl: int
    kind: str
    data: str


@dataclass
class Reply:
    """A reply: its status (NOERROR, NXDOMAIN, ..., TIMEOUT when none came) and records."""

    status: str = "TIMEOUT"
    flags: list[str] = field(default_factory=list)
    answers: list[Record] = field(default_factory=list)
    authority: list[Record] = field(default_factory=list)

    def of(self, kind: str) -> list[str]:
        """Data of the answers of one type, sorted."""
        return sorted(one.data for one in self.answers if one.kind == kind)


def read(text: str) -> Reply:
    """Reads dig's output with +comments +answer +authority."""
    reply = Reply()
    target: list[Record] | None = None
    for line in text.splitlines():
        if found := re.search(r"status: (\w+)", line):
            reply.status = found[1]
        elif found := re.match(r";; flags: ([\w ]+);", line):
            reply.flags = found[1].split()
        elif found := re.match(r";; (\w+) SECTION", line):
            target = {"ANSWER": reply.answers, "AUTHORITY": reply.authority}.get(found[1])
        elif line.strip() and not line.startswith(";") and target is not None:
            name, ttl, _, kind, data = line.split(None, 4)
            target.append(Record(name.rstrip("."), int(ttl), kind, data))
    return reply
