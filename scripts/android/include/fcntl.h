#ifndef MUZZLE_FCNTL_H
#define MUZZLE_FCNTL_H
#include <sys/types.h>
#define O_RDONLY 0
#define O_RDWR 02
#define O_CREAT 0100
#define O_EXCL 0200
#define O_CLOEXEC 02000000
#if defined(__aarch64__) || defined(__arm__)
#define O_NOFOLLOW 0100000
#define O_LARGEFILE 0400000
#else
#define O_NOFOLLOW 0400000
#define O_LARGEFILE 0100000
#endif
#define FD_CLOEXEC 1
#define F_RDLCK 0
#define F_WRLCK 1
#define F_UNLCK 2
/* 32-bit kernels name the variants that take a 64-bit flock apart. */
#ifdef __LP64__
#define F_GETLK 5
#define F_SETLK 6
#else
#define F_GETLK 12
#define F_SETLK 13
#endif
struct flock {
  short l_type;
  short l_whence;
  off_t l_start;
  off_t l_len;
  pid_t l_pid;
};
MUZZLE_C int open(const char *path, int flags, ...);
MUZZLE_C int fcntl(int fd, int command, ...);
#endif
