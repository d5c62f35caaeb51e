#ifndef MUZZLE_MATH_H
#define MUZZLE_MATH_H
#include <sys/types.h>
#define INFINITY __builtin_inff()
#define isnan(x) __builtin_isnan(x)
MUZZLE_C double exp(double), fabs(double), log(double);
#endif
