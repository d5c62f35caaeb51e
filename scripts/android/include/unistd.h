#ifndef MUZZLE_UNISTD_H
#define MUZZLE_UNISTD_H
#include <sys/types.h>
#define F_OK 0
#define W_OK 2
#define R_OK 4
#define SEEK_SET 0
#define _SC_PAGESIZE 0x27
MUZZLE_C int access(const char *path, int mode);
MUZZLE_C int close(int fd);
MUZZLE_C int fchown(int fd, uid_t, gid_t);
MUZZLE_C int fsync(int fd);
MUZZLE_C int ftruncate(int fd, off_t length) MUZZLE_OFF64(ftruncate64);
MUZZLE_C char *getcwd(char *buffer, size_t size);
MUZZLE_C uid_t geteuid(void);
MUZZLE_C pid_t getpid(void);
MUZZLE_C ssize_t pread(int fd, void *buffer, size_t count, off_t offset) MUZZLE_OFF64(pread64);
MUZZLE_C ssize_t pwrite(int fd, const void *buffer, size_t count, off_t offset) MUZZLE_OFF64(pwrite64);
MUZZLE_C ssize_t read(int fd, void *buffer, size_t count);
MUZZLE_C ssize_t write(int fd, const void *buffer, size_t count);
MUZZLE_C ssize_t readlink(const char *path, char *buffer, size_t size);
MUZZLE_C int rmdir(const char *path);
MUZZLE_C int unlink(const char *path);
MUZZLE_C long sysconf(int name);
MUZZLE_C long syscall(long number, ...);
#endif
