// Starts hev-socks5-tunnel on a TUN as a VpnService gives it: one queue, no vnet_hdr. Its own
// command asks for vnet_hdr, which no app on a phone can have.
//   hev FILE NAME                       its settings, the interface to make
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

int hev_socks5_tunnel_main_from_file(const char *file, int tun);

int main(int count, char **words) {
  struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
  int tun = open("/dev/net/tun", O_RDWR);
  if (count != 3) return fputs("usage: hev FILE NAME\n", stderr), 2;
  strncpy(request.ifr_name, words[2], IFNAMSIZ - 1);
  if (tun < 0 || ioctl(tun, TUNSETIFF, &request)) return perror("TUN"), 1;
  return hev_socks5_tunnel_main_from_file(words[1], tun);
}
