#ifndef MUZZLE_STDIO_H
#define MUZZLE_STDIO_H
#include <stdarg.h>
#include <sys/types.h>
#define FILENAME_MAX 4096
typedef struct __sFILE FILE;
MUZZLE_C FILE *stderr; /* a variable of libc.so since API 23; until then a macro */
MUZZLE_C int fprintf(FILE *, const char *format, ...) __attribute__((__format__(printf, 2, 3)));
MUZZLE_C int snprintf(char *, size_t, const char *format, ...) __attribute__((__format__(printf, 3, 4)));
MUZZLE_C int fflush(FILE *);
#endif
