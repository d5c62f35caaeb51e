"""Writes stub libraries that hold every symbol bionic has at an API level, and nothing newer.

Linked with --no-undefined, they are the check that the core asks an old phone for nothing new.
"""

import csv
import pathlib
import subprocess
import sys

ARCH = {"aarch64": "arm64", "armv7": "arm", "x86_64": "x86_64"}
LIBRARIES = ("libc", "libm", "libdl", "liblog")
TABLE = pathlib.Path(__file__).with_name("bionic-symbols.csv")


def symbols(triple: str, api: int) -> dict[str, set[str]]:
    """The public symbols of each library for a Rust target such as aarch64-linux-android.

    Deprecated ones are left out: on 32-bit ARM they are helpers of the compiler, which the core
    brings along.
    """
    arch = ARCH[triple.split("-")[0]]
    found: dict[str, set[str]] = {library: set() for library in LIBRARIES}
    with TABLE.open(newline="") as table:
        for row in csv.DictReader(table):
            hidden = "PRIVATE" in row["version"] or "DEPRECATED" in row["version"]
            if row["arch"] == arch and int(row["first_api"]) <= api and not hidden:
                found[row["library"]].add(row["symbol"])
    return found


def write(triple: str, api: int, folder: pathlib.Path) -> None:
    for library, names in symbols(triple, api).items():
        labels = "".join(f".globl {n}\n.type {n},%function\n{n}:\n" for n in sorted(names))
        source = folder / f"{library}.s"
        source.write_text(f'.text\n{labels}.byte 0\n.section .note.GNU-stack,"",%progbits\n')
        compiled = folder / f"{library}.o"
        subprocess.run(["clang", f"--target={triple}{api}", "-c", source, "-o", compiled], check=True)
        shared = ["-shared", "--hash-style=gnu", "-soname", f"{library}.so"]
        linker = [sys.argv[4], "-flavor", "gnu", *shared]
        subprocess.run([*linker, "-o", folder / f"{library}.so", compiled], check=True)


if __name__ == "__main__":
    write(sys.argv[1], int(sys.argv[2]), pathlib.Path(sys.argv[3]))
