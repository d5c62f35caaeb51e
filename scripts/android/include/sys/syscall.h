#ifndef MUZZLE_SYS_SYSCALL_H
#define MUZZLE_SYS_SYSCALL_H
#ifdef __aarch64__
#define SYS_rt_sigprocmask 135
#endif
#endif
