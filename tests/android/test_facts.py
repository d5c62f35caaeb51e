"""What Android's linker and package installer read of the libraries."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import stubs
from conftest import ABIS, BUILT, PRODUCT, ROOT, SELFTEST, Abi
from relocations import relocations

API = 26
PAGE = 16 * 1024
# The system's own libraries; anything else would have to come with the package.
SYSTEM = {"libc.so", "libdl.so", "liblog.so", "libm.so"}
# Bytes, of the ABI that nearly all phones have.
LARGEST = {"arm64-v8a": 2_600_000}


@pytest.fixture(params=[PRODUCT, SELFTEST])
def library(request: pytest.FixtureRequest, abi: Abi) -> Path:
    return abi.library(request.param)


def readelf(library: Path, *flags: str) -> str:
    command = ["llvm-readelf", "--wide", *flags, str(library)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def dynamic(library: Path) -> list[tuple[str, str]]:
    """Name and value of each entry of the dynamic section."""
    found = re.findall(r"0x[0-9a-f]+ \((\w+)\)\s+(.*)", readelf(library, "--dynamic"))
    assert found
    return [(name, value.strip()) for name, value in found]


def symbols(library: Path) -> list[tuple[str, str, str]]:
    """Binding, section and name of each dynamic symbol; the section is UND where it is asked for."""
    found = []
    for line in readelf(library, "--dyn-syms").splitlines():
        words = line.split()
        if len(words) >= 8 and words[0].rstrip(":").isdigit():
            found.append((words[4], words[6], words[7].split("@")[0]))
    assert found
    return found


def segments(library: Path) -> list[list[str]]:
    lines = readelf(library, "--program-headers").splitlines()
    return [line.split() for line in lines if re.match(r"\s+[A-Z_]+\s+0x", line)]


def named(library: Path, entry: str) -> set[str]:
    return {value.split("[")[1].rstrip("]") for name, value in dynamic(library) if name == entry}


def test_it_needs_only_libraries_of_the_system(library: Path) -> None:
    assert {"libc.so"} <= named(library, "NEEDED") <= SYSTEM


def test_its_soname_is_its_file_name(library: Path) -> None:
    assert named(library, "SONAME") == {library.name}


def test_its_segments_lie_on_pages_of_16_kb(library: Path) -> None:
    loads = [segment for segment in segments(library) if segment[0] == "LOAD"]
    assert len(loads) >= 3
    for segment in loads:
        offset, address, alignment = (int(segment[at], 16) for at in (1, 2, -1))
        assert alignment == PAGE
        assert offset % PAGE == address % PAGE


def test_all_is_bound_at_once_and_read_only_then(library: Path) -> None:
    entries = dict(dynamic(library))
    assert "BIND_NOW" in entries["FLAGS"]
    assert "NOW" in entries["FLAGS_1"].split()
    assert any(segment[0] == "GNU_RELRO" for segment in segments(library))


def test_its_code_is_never_written_and_its_stack_never_run(library: Path) -> None:
    assert "TEXTREL" not in dict(dynamic(library))
    assert "TEXTREL" not in dict(dynamic(library)).get("FLAGS", "")
    kinds = [(segment[0], "".join(segment[6:-1])) for segment in segments(library)]
    assert all("E" not in flags for kind, flags in kinds if kind == "GNU_STACK")
    assert not [flags for kind, flags in kinds if kind == "LOAD" and {"W", "E"} <= set(flags)]


def test_it_keeps_no_storage_of_threads_that_old_linkers_lack(library: Path) -> None:
    """ELF TLS is there since API 29."""
    assert not [segment for segment in segments(library) if segment[0] == "TLS"]


def test_its_symbols_are_found_by_the_gnu_hash(library: Path) -> None:
    assert "GNU_HASH" in dict(dynamic(library))


def test_its_relocations_are_packed_and_lie_where_it_may_be_written(library: Path) -> None:
    """Android reads these since 6, and the glibc that the tests run on reads them unpacked by ours."""
    packed = relocations(library)
    assert packed
    writable = [one for one in segments(library) if one[0] == "LOAD" and "W" in "".join(one[6:-1])]
    spans = [(int(one[2], 16), int(one[2], 16) + int(one[5], 16)) for one in writable]
    assert all(any(start <= one.offset < end for start, end in spans) for one in packed)
    assert len({one.offset for one in packed}) == len(packed)


def test_readelf_unpacks_its_relocations_in_the_same_way(library: Path) -> None:
    section = readelf(library, "--relocations").split("Relocation section '")[1]
    assert section.startswith((".rela.dyn'", ".rel.dyn'"))
    lines = re.findall(r"^([0-9a-f]{8,16}) +([0-9a-f]{8,16}) ", section, re.M)
    assert lines
    found = relocations(library)
    assert [(one.offset, one.info) for one in found] == [(int(at, 16), int(info, 16)) for at, info in lines]


def test_it_exports_its_natives_and_nothing_else(abi: Abi) -> None:
    exported = {name for _, section, name in symbols(abi.library(PRODUCT)) if section != "UND"}
    source = (ROOT / "android-app/src/main/java/app/muzzle/core/NativeCore.java").read_text()
    natives = re.findall(r"public static native \w+(?:\[\])? (\w+)\(", source)
    assert exported == {"JNI_OnLoad", *(f"Java_app_muzzle_core_NativeCore_{name}" for name in natives)}


def test_the_self_test_exports_one_function(abi: Abi) -> None:
    exported = {name for _, section, name in symbols(abi.library(SELFTEST)) if section != "UND"}
    assert exported == {"muzzle_selftest"}


def test_android_8_has_all_that_it_asks_for(abi: Abi, library: Path) -> None:
    there = set().union(*stubs.symbols(abi.target, API).values())
    # What is asked for weakly may be missing: Rust looks before it calls.
    asked = {name for bind, section, name in symbols(library) if (bind, section) == ("GLOBAL", "UND")}
    assert asked - there == set()


def test_it_moves_memory_by_the_c_library(abi: Abi, library: Path) -> None:
    """Rust brings plain loops of its own, slower and linked in their place where the order is wrong."""
    asked = {name for _, section, name in symbols(library) if section == "UND"}
    prefix = "__aeabi_" if abi.name == "armeabi-v7a" else ""
    assert {f"{prefix}{name}" for name in ("memcpy", "memmove", "memset")} | {"memcmp"} <= asked


def test_the_table_of_symbols_tells_old_from_new(abi: Abi) -> None:
    """getrandom came with API 28, memcpy was always there."""
    assert "getrandom" not in stubs.symbols(abi.target, 27)["libc"]
    assert "getrandom" in stubs.symbols(abi.target, 28)["libc"]
    assert "memcpy" in stubs.symbols(abi.target, API)["libc"]


def test_it_is_stripped_and_small(abi: Abi, library: Path) -> None:
    assert ".symtab" not in readelf(library, "--section-headers")
    size = library.stat().st_size
    print(f"{abi.name} {library.name}: {size} bytes")
    assert size <= LARGEST.get(abi.name, size)


def test_checksums_make_use_of_vectors() -> None:
    """The whole program is optimised at the level of its last crate; at that of the core they do not."""
    library = str(BUILT / "symbols/arm64-v8a" / PRODUCT)
    names = subprocess.run(["llvm-nm", library], check=True, capture_output=True, text=True).stdout
    found = re.findall(r" t (\S*checksum4data\S*)", names)
    assert len(found) == 1
    command = ["llvm-objdump", "-d", f"--disassemble-symbols={found[0]}", library]
    code = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert re.search(r"\bv\d+\.(2d|4s|8h|16b)", code)


def test_it_names_no_folder_of_the_machine_that_built_it(library: Path) -> None:
    content = library.read_bytes()
    for place in (str(Path.home()), str(Path(__file__).resolve().parents[2])):
        assert place.encode() not in content


CHECKS = [
    test_it_needs_only_libraries_of_the_system,
    test_its_soname_is_its_file_name,
    test_its_segments_lie_on_pages_of_16_kb,
    test_all_is_bound_at_once_and_read_only_then,
    test_its_code_is_never_written_and_its_stack_never_run,
    test_it_keeps_no_storage_of_threads_that_old_linkers_lack,
    test_its_symbols_are_found_by_the_gnu_hash,
    test_it_names_no_folder_of_the_machine_that_built_it,
]


@pytest.fixture(scope="module")
def unfit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library that breaks every rule here."""
    folder = tmp_path_factory.mktemp("unfit")
    source = folder / "unfit.c"
    source.write_text(
        "int getrandom(void *, unsigned long, unsigned);\n"
        "__thread int kept;\n"
        f'const char *home(void) {{ return "{Path.home()}"; }}\n'
        "int ask(void) { return getrandom(0, 0, 0) + kept; }\n"
    )
    linker = "-soname,other.so -z,norelro -z,lazy -z,max-page-size=4096 -z,execstack"
    flags = [f"-Wl,{flag}" for flag in [*linker.split(), "--hash-style=sysv"]]
    library = folder / "unfit.so"
    command = ["gcc", "-shared", "-fPIC", "-g", *flags, "-o", library, source]
    subprocess.run(command, check=True)
    return library


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_each_check_sees_a_library_that_is_unfit(check: object, unfit: Path) -> None:
    with pytest.raises((AssertionError, KeyError)):
        check(unfit)


def test_what_is_too_new_not_stripped_or_large_is_seen(unfit: Path, tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        test_android_8_has_all_that_it_asks_for(ABIS[-1], unfit)
    with pytest.raises(AssertionError):
        test_it_is_stripped_and_small(ABIS[-1], unfit)
    large = tmp_path / "large.so"
    subprocess.run(["llvm-strip", "--strip-all", "-o", large, unfit], check=True)
    test_it_is_stripped_and_small(ABIS[0], large)
    with large.open("r+b") as file:
        file.truncate(LARGEST["arm64-v8a"] + 1)
    with pytest.raises(AssertionError):
        test_it_is_stripped_and_small(ABIS[0], large)
