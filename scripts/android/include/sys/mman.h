#ifndef MUZZLE_SYS_MMAN_H
#define MUZZLE_SYS_MMAN_H
#include <sys/types.h>
#define PROT_READ 1
#define PROT_WRITE 2
#define MAP_SHARED 1
#define MAP_FAILED ((void *)-1)
#define MREMAP_MAYMOVE 1
MUZZLE_C void *mmap(void *address, size_t length, int prot, int flags, int fd, off_t offset) MUZZLE_OFF64(mmap64);
MUZZLE_C void *mremap(void *address, size_t old_length, size_t new_length, int flags, ...);
MUZZLE_C int munmap(void *address, size_t length);
#endif
