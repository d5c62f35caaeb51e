#ifndef MUZZLE_SYS_STAT_H
#define MUZZLE_SYS_STAT_H
#include <sys/types.h>
#include <time.h>
struct stat {
#if defined(__aarch64__)
  dev_t st_dev;
  ino_t st_ino;
  unsigned int st_mode;
  nlink_t st_nlink;
  uid_t st_uid;
  gid_t st_gid;
  dev_t st_rdev;
  unsigned long muzzle_pad1;
  off_t st_size;
  int st_blksize;
  int muzzle_pad2;
  long st_blocks;
#elif defined(__x86_64__)
  dev_t st_dev;
  ino_t st_ino;
  unsigned long st_nlink;
  unsigned int st_mode;
  uid_t st_uid;
  gid_t st_gid;
  dev_t st_rdev; /* four bytes of padding before it */
  off_t st_size;
  long st_blksize;
  long st_blocks;
#elif defined(__arm__)
  unsigned long long st_dev;
  unsigned char muzzle_pad0[4];
  unsigned long muzzle_old_ino;
  unsigned int st_mode;
  nlink_t st_nlink;
  uid_t st_uid;
  gid_t st_gid;
  unsigned long long st_rdev;
  unsigned char muzzle_pad3[4];
  long long st_size;
  unsigned long st_blksize;
  unsigned long long st_blocks;
#else
#error "no struct stat for this target"
#endif
  struct timespec st_atim;
  struct timespec st_mtim;
  struct timespec st_ctim;
#if defined(__aarch64__)
  unsigned int muzzle_unused[2];
#elif defined(__x86_64__)
  long muzzle_unused[3];
#else
  unsigned long long st_ino;
#endif
};
#define S_IFMT 0170000
#define S_ISDIR(m) (((m) & S_IFMT) == 0040000)
#define S_ISREG(m) (((m) & S_IFMT) == 0100000)
#define S_ISLNK(m) (((m) & S_IFMT) == 0120000)
MUZZLE_C int stat(const char *path, struct stat *);
MUZZLE_C int lstat(const char *path, struct stat *);
MUZZLE_C int fstat(int fd, struct stat *);
MUZZLE_C int fchmod(int fd, mode_t);
MUZZLE_C int mkdir(const char *path, mode_t);
#endif
