#ifndef MUZZLE_LINK_H
#define MUZZLE_LINK_H
#include <sys/types.h>
typedef uint16_t Elf32_Half, Elf64_Half;
typedef uint32_t Elf32_Word, Elf64_Word, Elf32_Addr, Elf32_Off;
typedef uint64_t Elf64_Xword, Elf64_Addr, Elf64_Off;
typedef struct {
  Elf32_Word p_type;
  Elf32_Off p_offset;
  Elf32_Addr p_vaddr, p_paddr;
  Elf32_Word p_filesz, p_memsz, p_flags, p_align;
} Elf32_Phdr;
typedef struct {
  Elf64_Word p_type, p_flags;
  Elf64_Off p_offset;
  Elf64_Addr p_vaddr, p_paddr;
  Elf64_Xword p_filesz, p_memsz, p_align;
} Elf64_Phdr;
#ifdef __LP64__
#define ElfW(t) Elf64_##t
#else
#define ElfW(t) Elf32_##t
#endif
#define PT_LOAD 1
#define PT_ARM_EXIDX 0x70000001
#define PT_GNU_EH_FRAME 0x6474e550
struct dl_phdr_info {
  ElfW(Addr) dlpi_addr;
  const char *dlpi_name;
  const ElfW(Phdr) *dlpi_phdr;
  ElfW(Half) dlpi_phnum;
  unsigned long long dlpi_adds, dlpi_subs; /* since API 30 */
  size_t dlpi_tls_modid;
  void *dlpi_tls_data;
};
MUZZLE_C int dl_iterate_phdr(int (*callback)(struct dl_phdr_info *, size_t size, void *data), void *data);
#endif
