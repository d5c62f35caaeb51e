"""Compares the headers in include/ with Rust's libc crate: sizes, offsets, signs, constants.

One list of facts becomes an array in C and an array in Rust, each compiled for the target into a
section of its own. The sections are compared; nothing is run, so any target can be checked.

    layout.py TARGET API INCLUDE WORK     ends with 1 and names each fact that differs
"""

import os
import pathlib
import re
import struct
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
SECTION = "muzzle_layout"

# C type: (the libc crate's type, its fields). A field is `c` or `c=rust` where the names differ.
TYPES = {
    "struct stat": (
        "stat",
        "st_dev st_ino st_mode st_nlink st_uid st_gid st_rdev st_size st_blksize st_blocks"
        " st_atim.tv_sec=st_atime st_atim.tv_nsec=st_atime_nsec st_mtim.tv_sec=st_mtime"
        " st_mtim.tv_nsec=st_mtime_nsec st_ctim.tv_sec=st_ctime st_ctim.tv_nsec=st_ctime_nsec",
    ),
    # Our off_t is 64 bits everywhere; the libc crate's is 32 bits on 32-bit ARM.
    "struct flock": ("flock64", "l_type l_whence l_start l_len l_pid"),
    "struct timeval": ("timeval", "tv_sec tv_usec"),
    "struct timespec": ("timespec", "tv_sec tv_nsec"),
    "struct tm": (
        "tm",
        "tm_sec tm_min tm_hour tm_mday tm_mon tm_year tm_wday tm_yday tm_isdst tm_gmtoff tm_zone",
    ),
    "struct dl_phdr_info": (
        "dl_phdr_info",
        "dlpi_addr dlpi_name dlpi_phdr dlpi_phnum dlpi_adds dlpi_subs dlpi_tls_modid dlpi_tls_data",
    ),
    "Elf32_Phdr": ("Elf32_Phdr", "p_type p_offset p_vaddr p_paddr p_filesz p_memsz p_flags p_align"),
    "Elf64_Phdr": ("Elf64_Phdr", "p_type p_offset p_vaddr p_paddr p_filesz p_memsz p_flags p_align"),
    "Dl_info": ("Dl_info", "dli_fname dli_fbase dli_sname dli_saddr"),
    "__typeof__(((struct stat *)0)->st_mode)": ("c_uint", ""),
    "off_t": ("off64_t", ""),
} | {
    name: (name, "")
    for name in (
        "pthread_mutex_t pthread_mutexattr_t pthread_rwlock_t off64_t time_t suseconds_t mode_t"
        " dev_t ino_t nlink_t pid_t uid_t gid_t ssize_t size_t sigset_t"
    ).split()
}
SIGNED = "time_t off_t pid_t ssize_t mode_t dev_t ino_t uid_t gid_t".split()
CONSTANTS = (
    "O_RDONLY O_RDWR O_CREAT O_EXCL O_CLOEXEC O_NOFOLLOW O_LARGEFILE FD_CLOEXEC F_RDLCK F_WRLCK"
    " F_UNLCK PROT_READ PROT_WRITE MAP_SHARED F_OK R_OK W_OK SEEK_SET _SC_PAGESIZE RTLD_NOW"
    " RTLD_GLOBAL PTHREAD_MUTEX_RECURSIVE EPERM ENOENT EINTR EIO EAGAIN EACCES EFAULT EBUSY EEXIST"
    " EISDIR EINVAL ENOSPC ERANGE ENOLCK EOVERFLOW ETIMEDOUT S_IFMT PT_LOAD PT_GNU_EH_FRAME"
    " FILENAME_MAX"
).split()
# What the libc crate lacks. The kernel's asm-generic/fcntl.h numbers the calls that take a struct
# flock of 64 bits 12 and 13 on 32-bit machines.
WORDS_64 = 'cfg!(target_pointer_width = "64")'
OTHERS = {
    "F_GETLK": ("F_GETLK", f"if {WORDS_64} {{ libc::F_GETLK }} else {{ 12 }}"),
    "F_SETLK": ("F_SETLK", f"if {WORDS_64} {{ libc::F_SETLK }} else {{ 13 }}"),
}


def facts(arm64: bool) -> list[tuple[str, str, str]]:
    """Each fact's name, and what it is in C and in Rust."""
    found = []
    for c_type, (rust_type, fields) in TYPES.items():
        rust = f"libc::{rust_type}"
        found.append((f"sizeof({c_type})", f"sizeof({c_type})", f"size_of::<{rust}>()"))
        found.append((f"alignof({c_type})", f"_Alignof({c_type})", f"align_of::<{rust}>()"))
        for field in fields.split():
            c, _, r = field.partition("=")
            offset = f"__builtin_offsetof({c_type}, {c})"
            found.append((f"offset of {c_type}.{c}", offset, f"std::mem::offset_of!({rust}, {r or c})"))
    for name in SIGNED:
        rust = TYPES[name][0]
        found.append((f"{name} is signed", f"({name})-1 < 0", f"!(0 as libc::{rust}) < (0 as libc::{rust})"))
    found += [(name, f"(unsigned)({name})", f"libc::{name} as u32") for name in CONSTANTS]
    found += [(name, f"(unsigned)({c})", f"({rust}) as u32") for name, (c, rust) in OTHERS.items()]
    if arm64:  # Only there does libunwind make a system call.
        found.append(("SYS_rt_sigprocmask", "SYS_rt_sigprocmask", "libc::SYS_rt_sigprocmask"))
    return found


def c_side(target: str, api: str, include: pathlib.Path, work: pathlib.Path, values: list[str]) -> bytes:
    headers = sorted(str(h.relative_to(include)) for h in include.rglob("*.h"))
    lines = [f"#include <{header}>" for header in headers]
    lines.append(f'__attribute__((section("{SECTION}"), used))')
    lines.append("const unsigned long long facts[] = {")
    lines += [f"  (unsigned long long)({value})," for value in values]
    source = work / "layout.c"
    source.write_text("\n".join([*lines, "};", ""]))
    compiled = work / "layout-c.o"
    flags = [f"--target={target}{api}", "-nostdlibinc", "-isystem", include, "-Wall", "-Werror"]
    subprocess.run(["clang", *flags, "-c", source, "-o", compiled], check=True)
    return section(compiled)


def rust_side(target: str, work: pathlib.Path, values: list[str]) -> bytes:
    """Compiles with the very libc crate that the core is locked to."""
    lock = (ROOT / "Cargo.lock").read_text()
    version = re.search(r'name = "libc"\nversion = "([^"]+)"', lock)[1]
    (work / "src").mkdir(parents=True, exist_ok=True)
    (work / "Cargo.toml").write_text(
        '[workspace]\n[package]\nname = "layout"\nversion = "0.0.0"\nedition = "2024"\n'
        f'[dependencies]\nlibc = "={version}"\n'
    )
    lines = ["#[used]", f'#[unsafe(link_section = "{SECTION}")]']
    lines.append(f"pub static LAYOUT: [u64; {len(values)}] = [")
    lines += [f"    ({value}) as u64," for value in values]
    (work / "src/lib.rs").write_text("\n".join([*lines, "];", ""]))
    compiled = work / "layout-rust.o"
    command = ["cargo", "rustc", "-q", "--lib", "--target", target]
    command += ["--target-dir", str(work.parent / "layout-target"), "--", f"--emit=obj={compiled}"]
    # The flags of the core's own build have no say in a layout.
    plain = {k: v for k, v in os.environ.items() if "RUSTFLAGS" not in k}
    subprocess.run([*command, "-Ccodegen-units=1"], cwd=work, env=plain, check=True)
    return section(compiled)


def section(compiled: pathlib.Path) -> bytes:
    raw = compiled.with_suffix(".bin")
    copy = ["llvm-objcopy", "-O", "binary", f"--only-section={SECTION}", compiled, raw]
    subprocess.run(copy, check=True)
    return raw.read_bytes()


def main(target: str, api: str, include: str, work: str) -> int:
    folder = pathlib.Path(work)
    folder.mkdir(parents=True, exist_ok=True)
    names, c, rust = zip(*facts(target.startswith("aarch64")))
    ours = c_side(target, api, pathlib.Path(include), folder, list(c))
    crate = rust_side(target, folder, list(rust))
    form = f"<{len(names)}Q"
    both = zip(names, struct.unpack(form, ours), struct.unpack(form, crate))
    differ = [(name, h, l) for name, h, l in both if h != l]
    for name, header, libc in differ:
        print(f"{target}: {name} is {header} in our headers, {libc} in the libc crate", file=sys.stderr)
    print(f"{target}: {len(names)} facts of layout, {len(differ)} differ")
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
