/* Bionic's names and layouts over glibc, as far as the core asks for them: so that a library built
   for Android runs in a process of this machine. For tests only. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* glibc's own function of a name that is defined here. */
static void *real(const char *name) {
  static void *libc;
  if (!libc) libc = dlopen("libc.so.6", RTLD_NOW);
  void *found = dlsym(libc, name);
  if (!found) {
    fprintf(stderr, "shim: glibc has no %s\n", name);
    abort();
  }
  return found;
}

int *__errno(void) { return &errno; }

/* No property is set. */
int __system_property_get(const char *name, char *value) {
  (void)name;
  *value = 0;
  return 0;
}

/* Bionic's is POSIX's, glibc's of this name is GNU's. */
int shim_strerror_r(int, char *, size_t) __asm__("strerror_r");
int shim_strerror_r(int number, char *text, size_t size) { return __xpg_strerror_r(number, text, size); }

/* The numbers are bionic's. */
long sysconf(int name) {
  long (*ask)(int) = real("sysconf");
  switch (name) {
    case 0x27: case 0x28: return ask(_SC_PAGESIZE);
    case 0x60: return ask(_SC_NPROCESSORS_CONF);
    case 0x61: return ask(_SC_NPROCESSORS_ONLN);
  }
  fprintf(stderr, "shim: sysconf(%d)\n", name);
  return -1;
}

int __android_log_write(int level, const char *tag, const char *text) {
  return fprintf(stderr, "[%d %s] %s\n", level, tag, text);
}
int __android_log_buf_write(int buffer, int level, const char *tag, const char *text) {
  (void)buffer;
  return __android_log_write(level, tag, text);
}

/* An unversioned reference may be bound to glibc's oldest realpath, which refuses NULL. */
char *realpath(const char *path, char *resolved) {
  (void)resolved;
  return canonicalize_file_name(path);
}

/* Locks and attributes are smaller in bionic than in glibc, so each holds a pointer to glibc's. A
   static initialiser is zeros, in both. */
static void *inner(void **outer, size_t size) {
  void *found = __atomic_load_n(outer, __ATOMIC_ACQUIRE);
  if (found) return found;
  void *made = calloc(1, size);
  if (__atomic_compare_exchange_n(outer, &found, made, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) return made;
  free(made);
  return found;
}
#define MUTEX(m) inner((void **)(m), sizeof(pthread_mutex_t))
#define RWLOCK(l) inner((void **)(l), sizeof(pthread_rwlock_t))
typedef int (*on_one)(void *);

/* A mutex attribute is a long that holds the type. */
int pthread_mutexattr_init(pthread_mutexattr_t *a) { *(long *)a = 0; return 0; }
int pthread_mutexattr_settype(pthread_mutexattr_t *a, int type) { *(long *)a = type; return 0; }
int pthread_mutexattr_destroy(pthread_mutexattr_t *a) { *(long *)a = -1; return 0; }

int pthread_mutex_init(pthread_mutex_t *m, const pthread_mutexattr_t *a) {
  pthread_mutexattr_t attributes;
  ((on_one)real("pthread_mutexattr_init"))(&attributes);
  if (a && *(const long *)a == 1)
    ((int (*)(void *, int))real("pthread_mutexattr_settype"))(&attributes, PTHREAD_MUTEX_RECURSIVE);
  *(void **)m = NULL;
  return ((int (*)(void *, const void *))real("pthread_mutex_init"))(MUTEX(m), &attributes);
}
int pthread_mutex_destroy(pthread_mutex_t *m) { free(*(void **)m); *(void **)m = NULL; return 0; }
int pthread_mutex_lock(pthread_mutex_t *m) { return ((on_one)real("pthread_mutex_lock"))(MUTEX(m)); }
int pthread_mutex_trylock(pthread_mutex_t *m) { return ((on_one)real("pthread_mutex_trylock"))(MUTEX(m)); }
int pthread_mutex_unlock(pthread_mutex_t *m) { return ((on_one)real("pthread_mutex_unlock"))(MUTEX(m)); }
int pthread_rwlock_rdlock(pthread_rwlock_t *l) { return ((on_one)real("pthread_rwlock_rdlock"))(RWLOCK(l)); }
int pthread_rwlock_wrlock(pthread_rwlock_t *l) { return ((on_one)real("pthread_rwlock_wrlock"))(RWLOCK(l)); }
int pthread_rwlock_unlock(pthread_rwlock_t *l) { return ((on_one)real("pthread_rwlock_unlock"))(RWLOCK(l)); }

int pthread_attr_init(pthread_attr_t *a) {
  *(void **)a = malloc(sizeof(pthread_attr_t));
  return ((on_one)real("pthread_attr_init"))(*(void **)a);
}
int pthread_attr_destroy(pthread_attr_t *a) { free(*(void **)a); return 0; }
int pthread_attr_setstacksize(pthread_attr_t *a, size_t size) {
  return ((int (*)(void *, size_t))real("pthread_attr_setstacksize"))(*(void **)a, size);
}
int pthread_create(pthread_t *thread, const pthread_attr_t *a, void *(*start)(void *), void *argument) {
  int (*create)(pthread_t *, const void *, void *(*)(void *), void *) = real("pthread_create");
  return create(thread, a ? *(void *const *)a : NULL, start, argument);
}

#ifdef __arm__
/* Bionic's struct stat and struct dirent are glibc's 64-bit ones there. */
struct dirent *readdir(DIR *folder) { return (struct dirent *)readdir64(folder); }
int stat(const char *path, struct stat *s) { return stat64(path, (struct stat64 *)s); }
int lstat(const char *path, struct stat *s) { return lstat64(path, (struct stat64 *)s); }
int fstat(int fd, struct stat *s) { return fstat64(fd, (struct stat64 *)s); }
#endif
