/* Loads a library for Android and calls a step of its self-test: load LIBRARY STEP FOLDER DATA */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>

int main(int count, char **argument) {
  if (count != 5) return 98;
  /* Its own libc.so first, glibc after. */
  void *library = dlopen(argument[1], RTLD_NOW | RTLD_DEEPBIND);
  if (!library) {
    fprintf(stderr, "load: %s\n", dlerror());
    return 99;
  }
  int (*step)(const char *, const char *, const char *) = dlsym(library, "muzzle_selftest");
  if (!step) {
    fprintf(stderr, "load: %s\n", dlerror());
    return 99;
  }
  return step(argument[2], argument[3], argument[4]);
}
