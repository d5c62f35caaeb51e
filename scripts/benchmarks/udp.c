// UDP echo over IPv4 for scripts/bench.
//   udp serve ADDR PORT                 echoes until it is ended
//   udp echo ADDR PORT SECONDS SIZE     keeps WINDOW datagrams under way on each of SOCKETS
//                                       sockets; prints one line of JSON
// The first second of echo is not counted. What has not come back in PATIENCE is lost.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum { SOCKETS = 8, WINDOW = 16, BATCH = 32, ROOM = 2048, QUEUE = 4 << 20 };
static const double WARM = 1, PATIENCE = 0.3;
static struct sockaddr_in address;
static unsigned char rooms[BATCH][ROOM];
static struct iovec pieces[BATCH];
static struct mmsghdr messages[BATCH];
static struct sockaddr_in from[BATCH];

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

static void prepare(size_t length, int named) {
  for (int i = 0; i < BATCH; i++) {
    pieces[i] = (struct iovec){rooms[i], length};
    messages[i].msg_hdr = (struct msghdr){.msg_iov = &pieces[i], .msg_iovlen = 1};
    if (named) messages[i].msg_hdr.msg_name = &from[i];
    if (named) messages[i].msg_hdr.msg_namelen = sizeof from[i];
  }
}

static int serve(void) {
  int fd = socket(AF_INET, SOCK_DGRAM, 0), size = QUEUE;
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
  if (bind(fd, (struct sockaddr *)&address, sizeof address)) return perror("bind"), 1;
  for (;;) {
    prepare(ROOM, 1);
    int count = recvmmsg(fd, messages, BATCH, MSG_WAITFORONE, NULL);
    for (int i = 0; i < count; i++) pieces[i].iov_len = messages[i].msg_len;
    for (int sent = 0; sent < count;) {
      int more = sendmmsg(fd, messages + sent, count - sent, 0);
      sent += more > 0 ? more : 1;
    }
  }
}

struct flow {
  int under_way;
  double heard;
};

static void fill(int fd, struct flow *flow, size_t size) {
  prepare(size, 0);
  while (flow->under_way < WINDOW) {
    int sent = sendmmsg(fd, messages, WINDOW - flow->under_way, 0);
    if (sent <= 0) return;
    flow->under_way += sent;
  }
}

static int echo(double seconds, size_t size) {
  static struct pollfd sockets[SOCKETS];
  static struct flow flows[SOCKETS];
  long back = 0, lost = 0;
  double begin = now(), t = begin;
  for (int i = 0; i < SOCKETS; i++) {
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof address)) return perror("connect"), 1;
    sockets[i] = (struct pollfd){.fd = fd, .events = POLLIN};
    flows[i].heard = begin;
    fill(fd, &flows[i], size);
  }
  while (t - begin < WARM + seconds) {
    poll(sockets, SOCKETS, 50);
    t = now();
    int counted = t - begin >= WARM;
    for (int i = 0; i < SOCKETS; i++) {
      prepare(ROOM, 0);
      int got = recvmmsg(sockets[i].fd, messages, BATCH, MSG_DONTWAIT, NULL);
      if (got > 0) {
        if (counted) back += got;
        flows[i].under_way = got < flows[i].under_way ? flows[i].under_way - got : 0;
        flows[i].heard = t;
      } else if (t - flows[i].heard > PATIENCE) {
        if (counted) lost += flows[i].under_way;
        flows[i] = (struct flow){.heard = t};
      }
      fill(sockets[i].fd, &flows[i], size);
    }
  }
  printf("{\"per_second\": %.1f, \"back\": %ld, \"lost\": %ld}\n", back / seconds, back, lost);
  return 0;
}

int main(int count, char **words) {
  if (count < 4) return fputs("usage: see the first lines of udp.c\n", stderr), 2;
  address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(atoi(words[3]))};
  if (inet_pton(AF_INET, words[2], &address.sin_addr) != 1) return 2;
  if (!strcmp(words[1], "serve")) return serve();
  if (!strcmp(words[1], "echo") && count == 6 && atoi(words[5]) <= ROOM)
    return echo(atof(words[4]), atoi(words[5]));
  return 2;
}
