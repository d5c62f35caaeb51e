"""Compacts who runs an address, and in which country, into one table.

    servers.py FOLDER OUT [--check]

FOLDER keeps the packages that were downloaded. docs/signatures.md says what is left out and why,
rust-core/src/servers.rs gives the form. The same packages give the same bytes.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
import struct
import subprocess
import sys
import tarfile
from collections import Counter, defaultdict
from pathlib import Path

VERSION = "2.3.2026061719"
DATE = 20260617
PACKAGES = {
    "asn": "b9425daf2f011c28f8586685d4f89166e77627e2c15fd93c6262c3e2dead6153",
    "geo-whois-asn-country": "2a3e609015884c93c2d398e777ce1d2d34cab026054c43559bff32b25669f606",
}

# Networks with most IPv4 addresses whose operator is named, and others that trackers are hosted by.
LARGEST = 4000
ALSO = re.compile(
    r"alibaba|aliyun|taobao|alipay|xiaomi|kingsoft|ksyun|tencent|huawei|baidu|bytedance|tiktok|ucloud"
    r"|qiniu|wangsu|chinanetcenter|netease|jd\.com|jingdong|qihoo|yandex|mail\.ru|vk|google|amazon"
    r"|microsoft|akamai|cloudflare|fastly|edgio|limelight|cdn77|bunny|gcore|g-core|oracle|digitalocean"
    r"|linode|ovh|hetzner|leaseweb|facebook|meta platforms|twitter|apple|oppo|vivo|samsung|flipkart",
    re.IGNORECASE,
)
# Bits of the smallest group that is told apart.
V4, V6_COUNTRY, V6_OPERATOR = 24, 32, 48
# Addresses that are nobody's (RFC 6890), as groups of 24 bits.
SPECIAL = [
    (0x000000, 0x010000), (0x0A0000, 0x0B0000), (0x644000, 0x648000), (0x7F0000, 0x800000),
    (0xA9FE00, 0xA9FF00), (0xAC1000, 0xAC2000), (0xC00000, 0xC00001), (0xC00002, 0xC00003),
    (0xC0A800, 0xC0A900), (0xC61200, 0xC61400), (0xC63364, 0xC63365), (0xCB0071, 0xCB0072),
    (0xE00000, 0x1000000),
]
# Likewise as groups of 32 bits: Teredo, documentation (RFC 3849, RFC 9637), 6to4.
SPECIAL6 = [
    (0x20010000, 0x20010001), (0x20010DB8, 0x20010DB9), (0x20020000, 0x20030000), (0x3FFF0000, 0x3FFF1000),
]
BLOCK = 16
NEAR = 15

Range = tuple[int, int, object]


def package(folder: Path, name: str) -> tarfile.TarFile:
    """A package in the pinned version, got by npm where it is missing."""
    file = folder / f"ip-location-db-{name}-{VERSION}.tgz"
    if not file.exists():
        print(f"downloading {name} {VERSION}", file=sys.stderr)
        npm = ["npm", "pack", "--silent", f"@ip-location-db/{name}@{VERSION}"]
        subprocess.run(npm, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    content = file.read_bytes()
    if hashlib.sha256(content).hexdigest() != PACKAGES[name]:
        file.unlink()
        sys.exit(f"{name} {VERSION} has another SHA-256 than expected; nothing was written")
    return tarfile.open(fileobj=io.BytesIO(content))


def rows(archive: tarfile.TarFile, name: str) -> list[list[str]]:
    file = archive.extractfile(f"package/{name}")
    assert file is not None
    return list(csv.reader(io.TextIOWrapper(file, encoding="utf-8", newline="")))


def disjoint(ranges: list[Range]) -> list[Range]:
    """The same without overlaps: where two say something, the one that begins later counts."""
    out: list[Range] = []
    stack: list[Range] = []
    at = 0
    def put(last: int, value: object) -> None:
        nonlocal at
        if at <= last:
            out.append((at, last, value))
            at = last + 1
    for one in sorted(ranges, key=lambda one: (one[0], -one[1])):
        while stack and stack[-1][1] < one[0]:
            put(stack[-1][1], stack.pop()[2])
        if stack:
            put(one[0] - 1, stack[-1][2])
        at = max(at, one[0])
        stack.append(one)
    while stack:
        put(stack[-1][1], stack.pop()[2])
    return out


def grouped(ranges: list[Range], shift: int) -> list[tuple[int, int, object]]:
    """Ranges in whole groups, their ends exclusive. A group that is shared has the value of three
    quarters of it, or none."""
    size = 1 << shift
    whole = []
    parts: dict[int, Counter] = defaultdict(Counter)
    for first, last, value in ranges:
        begin, end = (first + size - 1) >> shift, (last + 1) >> shift
        if begin < end:
            whole.append((begin, end, value))
        head, tail = first >> shift, last >> shift
        if head == tail and begin >= end:
            parts[head][value] += last - first + 1
            continue
        if first & (size - 1):
            parts[head][value] += (head + 1) * size - first
        if (last + 1) & (size - 1):
            parts[tail][value] += last - tail * size + 1
    for group, shares in parts.items():
        value, count = shares.most_common(1)[0]
        whole.append((group, group + 1, value if count * 4 >= size * 3 else None))
    return sorted(whole, key=lambda one: one[:2])


def without(groups: list[tuple[int, int, object]], holes: list[tuple[int, int]]) -> list[tuple[int, int, object]]:
    """The same with no value in the holes, which are in order."""
    out: list[tuple[int, int, object]] = [(begin, end, None) for begin, end in holes]
    for begin, end, value in groups:
        for first, behind in holes:
            if begin < behind and first < end:
                if begin < first:
                    out.append((begin, first, value))
                begin = behind
        if begin < end:
            out.append((begin, end, value))
    return sorted(out, key=lambda one: one[:2])


def steps(groups: list[tuple[int, int, object]], join: int) -> list[tuple[int, object]]:
    """Where the value changes, and to what. Gaps of so many groups that nobody has go to the one
    before."""
    out: list[tuple[int, object]] = [(0, None)]
    at = 0
    for begin, end, value in groups:
        if end <= at:
            continue
        if begin - at > join and out[-1][1] is not None:
            out.append((at, None))
        if out[-1][1] != value:
            out.append((max(begin, at), value))
        at = end
    out.append((at, None))
    return out


def paired(ones: list[tuple[int, object]], others: list[tuple[int, object]]) -> list[tuple[int, object]]:
    """Two lists as one, of pairs; none where neither has anything."""
    out: list[tuple[int, object]] = []
    one, other = dict(ones), dict(others)
    a = b = None
    for place in sorted(one.keys() | other.keys()):
        a, b = one.get(place, a), other.get(place, b)
        value = None if a is None and b is None else (a, b)
        if not out or out[-1][1] != value:
            out.append((place, value))
    return out


def number(value: int) -> bytes:
    """LEB128."""
    out = bytearray()
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def packed(changes: list[tuple[int, int]], width: int) -> tuple[int, bytes]:
    """The number of blocks, and a list as servers.rs reads it."""
    starts, offsets, entries = bytearray(), bytearray(), bytearray()
    for first in range(0, len(changes), BLOCK):
        block = changes[first : first + BLOCK]
        starts += block[0][0].to_bytes(width, "little")
        offsets += struct.pack("<I", len(entries))
        entries += number(block[0][1])
        for place in range(1, len(block)):
            begin, value = block[place]
            delta = begin - block[place - 1][0]
            before = [v for _, v in reversed(block[max(0, place - NEAR) : place])]
            near = before.index(value) + 1 if value in before else 0
            entries.append((delta if delta <= NEAR else 0) << 4 | near)
            if delta > NEAR:
                entries += number(delta - NEAR - 1)
            if not near:
                entries += number(value)
    return len(offsets) // 4, bytes(starts + offsets + entries)


def table(folder: Path) -> bytes:
    archive = package(folder, "asn")
    names: dict[int, str] = {}
    sizes: Counter = Counter()
    operators: dict[int, list[Range]] = {}
    for family in (4, 6):
        operators[family] = []
        for first, last, asn, name in rows(archive, f"asn-ipv{family}-num.csv"):
            names[int(asn)] = name.strip()
            operators[family].append((int(first), int(last), int(asn)))
            if family == 4:
                sizes[int(asn)] += int(last) - int(first) + 1
    archive = package(folder, "geo-whois-asn-country")
    countries = {
        family: [(int(a), int(b), c) for a, b, c in rows(archive, f"geo-whois-asn-country-ipv{family}-num.csv")]
        for family in (4, 6)
    }
    chosen = {asn for asn, _ in sorted(sizes.items(), key=lambda one: (-one[1], one[0]))[:LARGEST]}
    chosen |= {asn for asn, name in names.items() if ALSO.search(name)}

    def listed(ranges: list[Range], bits: int, of: int) -> list[tuple[int, object]]:
        groups = grouped(disjoint(ranges), of - bits)
        if of == 32:
            return steps(without(groups, SPECIAL), 64)
        more = bits - V6_COUNTRY
        return steps(without(groups, [(begin << more, end << more) for begin, end in SPECIAL6]), 0)

    def kept(ranges: list[Range]) -> list[Range]:
        return [(a, b, asn if asn in chosen else None) for a, b, asn in ranges]

    four = [listed(countries[4], V4, 32), listed(kept(operators[4]), V4, 32)]
    six = [listed(countries[6], V6_COUNTRY, 128), listed(kept(operators[6]), V6_OPERATOR, 128)]

    def frequent(*all_of_them: list[tuple[int, object]]) -> list:
        """The most frequent first: they have the shortest numbers."""
        counts = Counter(value for changes in all_of_them for _, value in changes if value is not None)
        return [value for value, _ in sorted(counts.items(), key=lambda one: (-one[1], str(one[0])))]

    def placed(values: list) -> dict:
        """0 is nobody."""
        return {value: place + 1 for place, value in enumerate(values)} | {None: 0}

    order = [frequent(four[which], six[which]) for which in (0, 1)]
    country, operator = placed(order[0]), placed(order[1])
    both = paired(*four)
    pairs = frequent(both)
    lists = [(both, placed(pairs), 4), (six[0], country, 8), (six[1], operator, 8)]
    texts = [names[asn].encode() for asn in order[1]]
    ends, end = [], 0
    for text in texts:
        end += len(text)
        ends.append(end)
    bodies = []
    sizes_of = []
    for changes, places, width in lists:
        blocks, body = packed([(begin, places[value]) for begin, value in changes], width)
        bodies.append(body)
        sizes_of += [blocks, len(body)]
        print(f"{len(changes)} changes, {len(body)} bytes", file=sys.stderr)
    out = b"MUZSERV\x02"
    out += struct.pack("<11I", DATE, len(order[0]), len(order[1]), end, len(pairs), *sizes_of)
    out += "".join(order[0]).encode()
    out += struct.pack(f"<{len(order[1])}I", *order[1]) + struct.pack(f"<{len(ends)}I", *ends)
    out += b"".join(texts)
    out += b"".join(struct.pack("<2H", country[one], operator[other]) for one, other in pairs)
    out += b"".join(bodies)
    print(f"{len(order[0])} countries, {len(order[1])} operators, {len(out)} bytes", file=sys.stderr)
    return out


def main(folder: str, out: str, *options: str) -> int:
    Path(folder).mkdir(parents=True, exist_ok=True)
    made, target = table(Path(folder)), Path(out)
    if options == ("--check",):
        if target.read_bytes() == made:
            return 0
        print(f"{out} is another table", file=sys.stderr)
        return 1
    draft = target.with_suffix(".draft")
    draft.write_bytes(made)
    draft.replace(target)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
