#ifndef MUZZLE_STRING_H
#define MUZZLE_STRING_H
#include <sys/types.h>
MUZZLE_C void *memchr(const void *, int, size_t);
MUZZLE_C int memcmp(const void *, const void *, size_t);
MUZZLE_C void *memcpy(void *, const void *, size_t);
MUZZLE_C void *memmove(void *, const void *, size_t);
MUZZLE_C void *memset(void *, int, size_t);
MUZZLE_C char *strchr(const char *, int);
MUZZLE_C char *strrchr(const char *, int);
MUZZLE_C char *strstr(const char *, const char *);
MUZZLE_C int strcmp(const char *, const char *);
MUZZLE_C int strncmp(const char *, const char *, size_t);
MUZZLE_C size_t strcspn(const char *, const char *);
MUZZLE_C size_t strspn(const char *, const char *);
MUZZLE_C size_t strlen(const char *);
#endif
