#ifndef MUZZLE_TIME_H
#define MUZZLE_TIME_H
#include <sys/types.h>
struct timespec {
  time_t tv_sec;
  long tv_nsec;
};
struct tm {
  int tm_sec, tm_min, tm_hour, tm_mday, tm_mon, tm_year, tm_wday, tm_yday, tm_isdst;
  long tm_gmtoff;
  const char *tm_zone;
};
MUZZLE_C time_t time(time_t *);
MUZZLE_C struct tm *gmtime(const time_t *);
MUZZLE_C struct tm *localtime_r(const time_t *, struct tm *);
MUZZLE_C int nanosleep(const struct timespec *, struct timespec *);
MUZZLE_C size_t strftime(char *, size_t, const char *, const struct tm *);
#endif
