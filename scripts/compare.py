"""Holds our lists against lists of others that somebody has on disk.

    compare.py SIGNATURES NAME=FILE NAME=allow:FILE ...

Prints what they block under the vendors' domains that no row of ours speaks about, and what we block
that they free. It takes nothing over: each name is to be judged as docs/signatures.md says, and only
lists under a permissive licence may be a source. Understands hosts files, plain names, adblock rules
and the data files of v2fly, of which only names with @ads count. FILE after `allow:` frees all its
names.
"""

from __future__ import annotations

import csv
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

# Lists whose rows tell the vendors' domains. The others name services of anybody.
VENDORS = ("alibaba", "sensors", "xiaomi")
NAME = re.compile(r"(?=.{4,253}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z][a-z0-9-]{1,62}")
ADDRESS = re.compile(r"(?:0|0\.0\.0\.0|127\.\d+\.\d+\.\d+|::1?)")
ADBLOCK = re.compile(r"(@@)?\|\|([^/^$|*]+)\^?\|?(?:\$(.*))?")
# Modifiers that leave a rule one about the whole host.
WHOLE = {"important", "all"}
V2FLY = re.compile(r"(?:(domain|full|regexp|keyword|include):)?(\S+)((?:\s+[@&]\S+)*)")
# Second labels under which names are given out in two-letter domains.
SECOND = {"ac", "co", "com", "edu", "gov", "net", "org"}


class Refused(Exception):
    """Why a file could not be compared."""


def registrable(name: str) -> str:
    labels = name.split(".")
    deep = len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in SECOND
    return ".".join(labels[-3 if deep else -2 :])


class Ours:
    """The rows of our lists, by host; suffixes with their leading dot."""

    def __init__(self, folder: Path) -> None:
        self.rows: dict[str, str] = {}
        self.domains: set[str] = set()
        for file in sorted(folder.glob("*.csv")):
            lines = (line for line in file.read_text().splitlines() if not line.startswith("#"))
            for row in csv.DictReader(lines):
                host = row["host"]
                if self.rows.get(host) != "never":
                    self.rows[host] = row["default"]
                if file.stem in VENDORS and NAME.fullmatch(host.lstrip(".")):
                    self.domains.add(registrable(host.lstrip(".")))

    def row(self, name: str) -> str | None:
        """The host of the row that speaks about a name."""
        labels = name.split(".")
        below = ["." + ".".join(labels[at:]) for at in range(len(labels))]
        found = [host for host in [name, *below] if host in self.rows]
        never = [host for host in found if self.rows[host] == "never"]
        return next(iter(never + found), None)

    def blocks(self, name: str) -> str | None:
        host = self.row(name)
        return host if host and self.rows[host] == "block" else None


Said = tuple[bool, str, bool]  # whether it frees, the name, whether all under it is meant


def v2fly(file: Path, unread: Counter, wanted: set[str], seen: set) -> Iterator[Said]:
    """Names of one data file, and of those it includes, that have all the attributes wanted."""
    if (file, frozenset(wanted)) in seen:
        return
    seen.add((file, frozenset(wanted)))
    for line in text_of(file):
        line = line.split("#", 1)[0].strip()
        rule = V2FLY.fullmatch(line)
        if not rule:
            if line:
                unread["no rule"] += 1
            continue
        kind, name, rest = rule[1] or "domain", rule[2], rule[3].split()
        attributes = {word[1:] for word in rest if word.startswith("@")}
        if kind == "include":
            if not re.fullmatch(r"[A-Za-z0-9!-]+", name):
                raise Refused(f"{file}: what {name} includes is no file beside it")
            yield from v2fly(file.with_name(name.lower()), unread, wanted | attributes, seen)
        elif not wanted <= attributes:
            continue
        elif kind in ("domain", "full"):
            yield False, name, kind == "domain"
        else:
            unread[kind] += 1


def lines_of_hosts(file: Path, unread: Counter) -> Iterator[Said]:
    """Names of a hosts file, of plain names or of adblock rules, also mixed."""
    for line in text_of(file):
        line = line.strip()
        if not line or line[0] in "#![":
            continue
        if rule := ADBLOCK.fullmatch(line):
            if set((rule[3] or "all").split(",")) <= WHOLE:
                yield bool(rule[1]), rule[2], True
            else:
                unread["under conditions"] += 1
            continue
        first, *rest = line.split("#", 1)[0].split()
        if ADDRESS.fullmatch(first) and rest:
            yield from ((False, name, False) for name in rest)
        elif not rest:
            yield False, first.removeprefix("*"), first[0] in "*."
        else:
            unread["no rule"] += 1


def text_of(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise Refused(f"{file}: {error.strerror}") from error


def said(file: Path, frees: bool, unread: Counter) -> Iterator[Said]:
    """What a file says of names that are names."""
    marks = re.compile(r"^(?:domain|full|regexp|keyword|include):|^[a-z0-9.-]+\s+@\w", re.MULTILINE)
    if marks.search("\n".join(text_of(file))):
        rules = v2fly(file, unread, set() if frees else {"ads"}, set())
    else:
        rules = lines_of_hosts(file, unread)
    for free, name, below in rules:
        name = name.lower().strip(".")
        if NAME.fullmatch(name):
            yield free or frees, name, below
        elif name not in ("localhost", "0.0.0.0"):
            unread["no name"] += 1


def compare(ours: Ours, sources: list[str]) -> Iterator[str]:
    """The lines of the report."""
    lacked, freed = defaultdict(set), defaultdict(set)
    unread = {}
    for source in sources:
        title, equals, file = source.partition("=")
        frees = file.startswith("allow:")
        file = file.removeprefix("allow:")
        if not (title and equals and file):
            raise Refused(f"{source} is not NAME=FILE")
        counts = unread.setdefault(title, Counter())
        for free, name, below in said(Path(file), frees, counts):
            if registrable(name) not in ours.domains:
                continue
            if not free:
                if ours.row(name) is None:
                    lacked[name].add(title)
                continue
            if host := ours.blocks(name):
                freed[name, host].add(title)
            if below:
                for host, default in ours.rows.items():
                    if default == "block" and host.endswith("." + name):
                        freed[host.lstrip("."), host].add(title)
    by_domain = lambda name: name.split(".")[::-1]
    yield f"They block, we have no row ({len(lacked)}):"
    yield from (f"  {name}  {', '.join(sorted(lacked[name]))}" for name in sorted(lacked, key=by_domain))
    yield f"We block, they free ({len(freed)}):"
    for name, host in sorted(freed, key=lambda one: by_domain(one[0])):
        yield f"  {name}  row {host}  {', '.join(sorted(freed[name, host]))}"
    for title, counts in unread.items():
        if counts:
            told = ", ".join(f"{count} {why}" for why, count in sorted(counts.items()))
            yield f"Not compared of {title}: {told}"


def main(folder: str, *sources: str) -> int:
    try:
        if not sources:
            raise Refused("no list is named: NAME=FILE")
        report = list(compare(Ours(Path(folder)), list(sources)))
    except Refused as error:
        print(error, file=sys.stderr)
        return 2
    print("\n".join(report))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
