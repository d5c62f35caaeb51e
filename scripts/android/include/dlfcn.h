#ifndef MUZZLE_DLFCN_H
#define MUZZLE_DLFCN_H
#include <sys/types.h>
#ifdef __LP64__
#define RTLD_NOW 2
#define RTLD_GLOBAL 0x100
#else
#define RTLD_NOW 0
#define RTLD_GLOBAL 2
#endif
typedef struct {
  const char *dli_fname;
  void *dli_fbase;
  const char *dli_sname;
  void *dli_saddr;
} Dl_info;
MUZZLE_C void *dlopen(const char *file, int flags);
MUZZLE_C int dlclose(void *handle);
MUZZLE_C char *dlerror(void);
MUZZLE_C void *dlsym(void *handle, const char *symbol);
MUZZLE_C int dladdr(const void *address, Dl_info *info);
#endif
