"""Puts an unsigned APK together, and checks one.

    package.py make OUT RESOURCES_APK DEX_ZIP ASSETS_FOLDER LIB_FOLDER ABI...
    package.py check APK ABI...

The same parts give the same bytes: names are in order, times are left out. Libraries and the table
of resources are stored, because the system maps them; zipalign then moves them.
"""

from __future__ import annotations

import struct
import sys
import zipfile
from pathlib import Path

# The first time that a zip can tell.
EPOCH = (1980, 1, 1, 0, 0, 0)
PAGE = 16 * 1024
SERVERS = Path(__file__).resolve().parents[2] / "signatures/servers.bin"
STORED = ("resources.arsc", ".so", ".png", ".webp")
LOCAL_HEADER = struct.Struct("<4s5H3L2H")


def parts(resources: Path, dex: Path, assets: Path, libraries: Path, abis: list[str]) -> dict[str, bytes]:
    """Each file of the package, by its name."""
    found = {}
    with zipfile.ZipFile(resources) as linked:
        found.update((name, linked.read(name)) for name in linked.namelist())
    with zipfile.ZipFile(dex) as shrunk:
        found.update((name, shrunk.read(name)) for name in shrunk.namelist() if name.endswith(".dex"))
    for file in assets.rglob("*"):
        if file.is_file():
            found[f"assets/{file.relative_to(assets).as_posix()}"] = file.read_bytes()
    found["assets/servers.bin"] = SERVERS.read_bytes()
    for abi in abis:
        found[f"lib/{abi}/libmuzzle.so"] = (libraries / abi / "libmuzzle.so").read_bytes()
    return found


def make(out: Path, files: dict[str, bytes]) -> None:
    with zipfile.ZipFile(out, "w") as package:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.external_attr = 0o644 << 16
            stored = name.endswith(STORED)
            entry.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
            package.writestr(entry, files[name], compresslevel=9)


def offset(package: Path, entry: zipfile.ZipInfo) -> int:
    """Where the bytes of an entry begin in the file."""
    with package.open("rb") as file:
        file.seek(entry.header_offset)
        header = LOCAL_HEADER.unpack(file.read(LOCAL_HEADER.size))
    return entry.header_offset + LOCAL_HEADER.size + header[-2] + header[-1]


def faults(package: Path, abis: list[str]) -> list[str]:
    """What the system would refuse, or what should not be in the package."""
    found = []
    with zipfile.ZipFile(package) as opened:
        entries = {entry.filename: entry for entry in opened.infolist()}
        if len(entries) != len(opened.infolist()):
            found.append("a name stands twice")
        if (broken := opened.testzip()) is not None:
            found.append(f"{broken} is broken")
    libraries = {name for name in entries if name.startswith("lib/")}
    if libraries != (wanted := {f"lib/{abi}/libmuzzle.so" for abi in abis}):
        found.append(f"has {sorted(libraries)} and not {sorted(wanted)}")
    for name in ("AndroidManifest.xml", "resources.arsc", "classes.dex"):
        if name not in entries:
            found.append(f"has no {name}")
    for name, entry in entries.items():
        if not name.endswith(STORED):
            continue
        if entry.compress_type != zipfile.ZIP_STORED:
            found.append(f"{name} is compressed")
        if (at := offset(package, entry)) % (PAGE if name.endswith(".so") else 4):
            found.append(f"{name} begins at {at}, which is no page")
    return found


def main(mode: str, *arguments: str) -> int:
    if mode == "make":
        out, resources, dex, assets, libraries = map(Path, arguments[:5])
        make(out, parts(resources, dex, assets, libraries, list(arguments[5:])))
        return 0
    found = faults(Path(arguments[0]), list(arguments[1:]))
    for fault in found:
        print(f"{arguments[0]}: {fault}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
