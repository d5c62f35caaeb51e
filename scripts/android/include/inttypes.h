#ifndef MUZZLE_INTTYPES_H
#define MUZZLE_INTTYPES_H
#include <stdint.h>
#define PRIu8 "u"
#ifdef __LP64__
#define PRId64 "ld"
#define PRIu64 "lu"
#define PRIx64 "lx"
#define PRIuPTR "lu"
#define PRIxPTR "lx"
#define PRIdPTR "ld"
#else
#define PRId64 "lld"
#define PRIu64 "llu"
#define PRIx64 "llx"
#define PRIuPTR "u"
#define PRIxPTR "x"
#define PRIdPTR "d"
#endif
#endif
