#ifndef MUZZLE_PTHREAD_H
#define MUZZLE_PTHREAD_H
#include <sys/types.h>
typedef long pthread_mutexattr_t;
typedef long pthread_rwlockattr_t;
#ifdef __LP64__
typedef struct { int32_t muzzle_private[10]; } pthread_mutex_t;
typedef struct { int32_t muzzle_private[14]; } pthread_rwlock_t;
#else
typedef struct { int32_t muzzle_private[1]; } pthread_mutex_t;
typedef struct { int32_t muzzle_private[10]; } pthread_rwlock_t;
#endif
#define PTHREAD_MUTEX_INITIALIZER {{0}}
#define PTHREAD_RWLOCK_INITIALIZER {{0}}
#define PTHREAD_MUTEX_RECURSIVE 1
MUZZLE_C int pthread_mutexattr_init(pthread_mutexattr_t *);
MUZZLE_C int pthread_mutexattr_settype(pthread_mutexattr_t *, int type);
MUZZLE_C int pthread_mutexattr_destroy(pthread_mutexattr_t *);
MUZZLE_C int pthread_mutex_init(pthread_mutex_t *, const pthread_mutexattr_t *);
MUZZLE_C int pthread_mutex_destroy(pthread_mutex_t *);
MUZZLE_C int pthread_mutex_lock(pthread_mutex_t *);
MUZZLE_C int pthread_mutex_trylock(pthread_mutex_t *);
MUZZLE_C int pthread_mutex_unlock(pthread_mutex_t *);
MUZZLE_C int pthread_rwlock_rdlock(pthread_rwlock_t *);
MUZZLE_C int pthread_rwlock_wrlock(pthread_rwlock_t *);
MUZZLE_C int pthread_rwlock_unlock(pthread_rwlock_t *);
#endif
