"""Android's packed relocations, which glibc's loader does not know.

The form is bionic's (linker/linker_reloc_iterators.h): numbers in SLEB128 after the word APS2, in
groups that say what their relocations have in common.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

BY_INFO, BY_OFFSET, BY_ADDEND, HAS_ADDEND = 1, 2, 4, 8
PT_LOAD, PT_DYNAMIC, PT_NOTE = 1, 2, 4
READ = 4
PAGE = 16 * 1024
# Tags of a packed table and its size, and those of a plain one.
PLAIN = {0x6000000F: 17, 0x60000010: 18, 0x60000011: 7, 0x60000012: 8}
TABLES, SIZES = (0x6000000F, 0x60000011), (0x60000010, 0x60000012)


@dataclass(frozen=True)
class Relocation:
    offset: int
    info: int
    addend: int = 0


@dataclass(frozen=True)
class Form:
    """How one class of ELF writes its structures."""

    header: str
    segment: str
    # Where offset, address, sizes, flags and alignment stand among a segment's fields.
    order: str
    dynamic: str
    relocation: str


FORMS = {
    1: Form("<16sHHIIIIIHHHHHH", "<8I", "type offset vaddr paddr filesz memsz flags align", "<II", "<II"),
    2: Form("<16sHHIQQQIHHHHHH", "<IIQQQQQQ", "type flags offset vaddr paddr filesz memsz align", "<QQ", "<QQq"),
}


def numbers(packed: bytes) -> list[int]:
    """SLEB128 (DWARF 5, 7.6)."""
    found, value, shift = [], 0, 0
    for byte in packed:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            found.append(value - (1 << shift) if byte & 0x40 else value)
            value = shift = 0
    return found


def unpacked(packed: bytes) -> list[Relocation]:
    assert packed[:4] == b"APS2"
    stream = iter(numbers(packed[4:]))
    count, offset = next(stream), next(stream)
    found, info, addend = [], 0, 0
    while len(found) < count:
        size, flags = next(stream), next(stream)
        step = next(stream) if flags & BY_OFFSET else 0
        info = next(stream) if flags & BY_INFO else info
        if not flags & HAS_ADDEND:
            addend = 0
        elif flags & BY_ADDEND:
            addend += next(stream)
        for _ in range(size):
            offset += step if flags & BY_OFFSET else next(stream)
            info = info if flags & BY_INFO else next(stream)
            if flags & HAS_ADDEND and not flags & BY_ADDEND:
                addend += next(stream)
            found.append(Relocation(offset, info, addend))
    assert len(found) == count
    return found


class Library:
    """The parts of an ELF file that say where its relocations are."""

    def __init__(self, content: bytes) -> None:
        self.content = bytearray(content)
        self.form = FORMS[content[4]]
        head = struct.unpack_from(self.form.header, content)
        self.table_at, self.count = head[5], head[10]
        self.segments = [self.segment(number) for number in range(self.count)]

    def segment(self, number: int) -> dict[str, int]:
        at = self.table_at + number * struct.calcsize(self.form.segment)
        return dict(zip(self.form.order.split(), struct.unpack_from(self.form.segment, self.content, at)))

    def write_segment(self, number: int) -> None:
        at = self.table_at + number * struct.calcsize(self.form.segment)
        struct.pack_into(self.form.segment, self.content, at, *self.segments[number].values())

    def place(self, address: int) -> int:
        """Where in the file an address lies."""
        for one in self.segments:
            if one["type"] == PT_LOAD and one["vaddr"] <= address < one["vaddr"] + one["filesz"]:
                return address - one["vaddr"] + one["offset"]
        raise ValueError(f"{address:#x} is in no segment")

    def dynamic(self) -> list[tuple[int, int, int]]:
        """Place in the file, tag and value of each entry."""
        [part] = [one for one in self.segments if one["type"] == PT_DYNAMIC]
        size = struct.calcsize(self.form.dynamic)
        places = range(part["offset"], part["offset"] + part["filesz"], size)
        return [(at, *struct.unpack_from(self.form.dynamic, self.content, at)) for at in places]

    def packed(self) -> bytes | None:
        """The packed table, where there is one."""
        values = {tag: value for _, tag, value in self.dynamic()}
        for table, size in zip(TABLES, SIZES):
            if table in values:
                start = self.place(values[table])
                return bytes(self.content[start : start + values[size]])
        return None


def relocations(library: Path) -> list[Relocation] | None:
    """What is packed in a library; None where nothing is."""
    packed = Library(library.read_bytes()).packed()
    return None if packed is None else unpacked(packed)


def plain(library: Path, out: Path) -> None:
    """Writes the same library with a plain table, in a segment at its end that takes the place of the notes."""
    found = Library(library.read_bytes())
    packed = found.packed()
    if packed is None:
        out.write_bytes(found.content)
        return
    words = len(found.form.relocation) - 1
    table = b"".join(
        struct.pack(found.form.relocation, *(one.offset, one.info, one.addend)[:words])
        for one in unpacked(packed)
    )
    loads = [one for one in found.segments if one["type"] == PT_LOAD]
    end = max(one["vaddr"] + one["memsz"] for one in loads)
    address = -(-end // PAGE) * PAGE
    found.content += bytes(-len(found.content) % PAGE)
    number = [one["type"] for one in found.segments].index(PT_NOTE)
    found.segments[number].update(
        type=PT_LOAD, flags=READ, offset=len(found.content), vaddr=address, paddr=address,
        filesz=len(table), memsz=len(table), align=PAGE,
    )  # fmt: skip
    found.write_segment(number)
    for at, tag, value in found.dynamic():
        if tag in PLAIN:
            there = address if tag in TABLES else len(table)
            struct.pack_into(found.form.dynamic, found.content, at, PLAIN[tag], there)
    out.write_bytes(found.content + table)
