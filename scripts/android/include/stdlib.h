#ifndef MUZZLE_STDLIB_H
#define MUZZLE_STDLIB_H
#include <sys/types.h>
MUZZLE_C void *malloc(size_t);
MUZZLE_C void *realloc(void *, size_t);
MUZZLE_C void free(void *);
MUZZLE_C void abort(void) __attribute__((__noreturn__));
MUZZLE_C char *getenv(const char *);
MUZZLE_C void qsort(void *, size_t count, size_t width, int (*compare)(const void *, const void *));
#endif
