#ifndef MUZZLE_SIGNAL_H
#define MUZZLE_SIGNAL_H
#include <sys/types.h>
#define NSIG 65
#ifdef __LP64__
typedef struct { unsigned long muzzle_bits[1]; } sigset_t;
#else
typedef unsigned long sigset_t;
#endif
#endif
