/* The C library of Android as far as SQLite and LLVM's libunwind name it, written for bionic's ABI.
   scripts/android/layout.py compares sizes, offsets and constants with Rust's libc crate. */
#ifndef MUZZLE_SYS_TYPES_H
#define MUZZLE_SYS_TYPES_H
#include <stddef.h>
#include <stdint.h>
typedef long ssize_t;
typedef long time_t;
typedef long suseconds_t;
typedef int pid_t;
typedef unsigned int uid_t;
typedef unsigned int gid_t;
typedef unsigned int nlink_t;
typedef long long off64_t;
/* Always 64 bits: every function that takes an off_t is bound to its *64 twin. */
#ifdef __LP64__
typedef long off_t;
typedef unsigned int mode_t;
typedef unsigned long dev_t;
#else
typedef long long off_t;
typedef unsigned short mode_t;
typedef unsigned int dev_t;
#endif
typedef unsigned long ino_t;
#ifdef __cplusplus
#define MUZZLE_C extern "C"
#else
#define MUZZLE_C extern
#endif
/* Binds a declaration to a name of bionic's on 32-bit targets. */
#ifdef __LP64__
#define MUZZLE_OFF64(sym)
#else
#define MUZZLE_OFF64(sym) __asm__(#sym)
#endif
#endif
