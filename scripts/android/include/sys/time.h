#ifndef MUZZLE_SYS_TIME_H
#define MUZZLE_SYS_TIME_H
#include <time.h>
struct timeval {
  time_t tv_sec;
  suseconds_t tv_usec;
};
MUZZLE_C int gettimeofday(struct timeval *, void *);
MUZZLE_C int utimes(const char *path, const struct timeval times[2]);
#endif
