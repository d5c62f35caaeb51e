#ifndef MUZZLE_SYS_IOCTL_H
#define MUZZLE_SYS_IOCTL_H
#include <sys/types.h>
MUZZLE_C int ioctl(int fd, int request, ...);
#endif
