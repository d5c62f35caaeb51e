// A SOCKS5 server (RFC 1928) over IPv4 for the peers in scripts/bench that need one, never the
// limit: bytes move by splice(2), datagrams in batches.
//   socks ADDR PORT
// It asks for no password and connects wherever it is told: for the lab only.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECT = 1, ASSOCIATE = 3, IPV4 = 1, HEADER = 10, BATCH = 32, ROOM = 2048 };
enum { STACK = 64 << 10, PIPE = 256 << 10, AT_ONCE = 1 << 20, UDP_QUEUE = 4 << 20 };
static struct sockaddr_in address;

static void no_delay(int fd) {
  int one = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

static int read_all(int fd, void *into, size_t length) {
  return recv(fd, into, length, MSG_WAITALL) == (ssize_t)length;
}

static int reply(int fd, struct sockaddr_in bound) {
  unsigned char words[HEADER] = {5, 0, 0, IPV4};
  memcpy(words + 4, &bound.sin_addr, 4);
  memcpy(words + 8, &bound.sin_port, 2);
  return write(fd, words, sizeof words) == sizeof words;
}

// One way of a connection: bytes wait in the pipe between two sockets.
struct way {
  int from, to, pipe[2];
  ssize_t waiting;
  int ended, passed;
};

static int step(struct way *way, short readable) {
  unsigned flags = SPLICE_F_MOVE | SPLICE_F_NONBLOCK;
  if (readable && !way->ended && way->waiting == 0) {
    ssize_t got = splice(way->from, NULL, way->pipe[1], NULL, AT_ONCE, flags);
    if (got < 0 && errno != EAGAIN) return 0;
    way->ended = got == 0;
    way->waiting = got > 0 ? got : 0;
  }
  if (way->waiting > 0) {
    ssize_t sent = splice(way->pipe[0], NULL, way->to, NULL, way->waiting, flags);
    if (sent < 0 && errno != EAGAIN) return 0;
    way->waiting -= sent > 0 ? sent : 0;
  }
  if (way->ended && way->waiting == 0 && !way->passed) {
    shutdown(way->to, SHUT_WR);
    way->passed = 1;
  }
  return 1;
}

static void relay(int client, int server) {
  struct way up = {.from = client, .to = server}, down = {.from = server, .to = client};
  if (pipe2(up.pipe, O_NONBLOCK)) return;
  if (pipe2(down.pipe, O_NONBLOCK)) return close(up.pipe[0]), close(up.pipe[1]), (void)0;
  fcntl(up.pipe[1], F_SETPIPE_SZ, PIPE);
  fcntl(down.pipe[1], F_SETPIPE_SZ, PIPE);
  fcntl(client, F_SETFL, O_NONBLOCK);
  fcntl(server, F_SETFL, O_NONBLOCK);
  while (!(up.passed && down.passed)) {
    struct pollfd both[2] = {{.fd = client}, {.fd = server}};
    both[0].events = (up.ended || up.waiting ? 0 : POLLIN) | (down.waiting ? POLLOUT : 0);
    both[1].events = (down.ended || down.waiting ? 0 : POLLIN) | (up.waiting ? POLLOUT : 0);
    if (poll(both, 2, -1) < 0 && errno != EINTR) break;
    if ((both[0].revents | both[1].revents) & POLLERR) break;
    if (!step(&up, both[0].revents) || !step(&down, both[1].revents)) break;
  }
  for (int i = 0; i < 2; i++) close(up.pipe[i]), close(down.pipe[i]);
}

static void connect_and_relay(int client, struct sockaddr_in to) {
  int server = socket(AF_INET, SOCK_STREAM, 0);
  if (server < 0) return;
  no_delay(server);
  if (connect(server, (struct sockaddr *)&to, sizeof to) == 0 && reply(client, to))
    relay(client, server);
  // A reset of one side reaches the other as one.
  struct linger none = {.l_onoff = 1};
  int error = 0;
  socklen_t length = sizeof error;
  getsockopt(client, SOL_SOCKET, SO_ERROR, &error, &length);
  if (error) setsockopt(server, SOL_SOCKET, SO_LINGER, &none, sizeof none);
  close(server);
}

// Datagrams of one association: each has a place for the header before its bytes.
struct batch {
  struct mmsghdr messages[BATCH];
  struct iovec pieces[BATCH];
  struct sockaddr_in peers[BATCH];
  unsigned char rooms[BATCH][HEADER + ROOM];
};

static int receive(struct batch *all, int fd, size_t skip) {
  for (int i = 0; i < BATCH; i++) {
    all->pieces[i] = (struct iovec){all->rooms[i] + skip, HEADER + ROOM - skip};
    all->messages[i].msg_hdr = (struct msghdr){
      .msg_name = &all->peers[i], .msg_namelen = sizeof all->peers[i],
      .msg_iov = &all->pieces[i], .msg_iovlen = 1};
  }
  return recvmmsg(fd, all->messages, BATCH, MSG_DONTWAIT, NULL);
}

static void send_all(struct batch *all, int fd, int count) {
  for (int sent = 0; sent < count;) {
    int more = sendmmsg(fd, all->messages + sent, count - sent, 0);
    sent += more > 0 ? more : 1;
  }
}

// Takes the headers off, and sends each datagram to the place that its header names.
static void outward(struct batch *all, int from, int to, struct sockaddr_in *client) {
  int count = receive(all, from, 0), good = 0;
  for (int i = 0; i < count; i++) {
    unsigned char *room = all->rooms[i];
    if (all->messages[i].msg_len < HEADER || room[2] != 0 || room[3] != IPV4) continue;
    *client = all->peers[i];
    memcpy(&all->peers[good].sin_addr, room + 4, 4);
    memcpy(&all->peers[good].sin_port, room + 8, 2);
    all->peers[good].sin_family = AF_INET;
    all->pieces[good++] = (struct iovec){room + HEADER, all->messages[i].msg_len - HEADER};
  }
  send_all(all, to, good);
}

// Puts the headers on, and sends all to the client.
static void inward(struct batch *all, int from, int to, struct sockaddr_in client) {
  int count = receive(all, from, HEADER);
  for (int i = 0; i < count; i++) {
    unsigned char *room = all->rooms[i];
    memcpy(room, "\0\0\0\1", 4);
    memcpy(room + 4, &all->peers[i].sin_addr, 4);
    memcpy(room + 8, &all->peers[i].sin_port, 2);
    all->peers[i] = client;
    all->pieces[i] = (struct iovec){room, all->messages[i].msg_len + HEADER};
  }
  send_all(all, to, count > 0 ? count : 0);
}

static int datagram_socket(struct sockaddr_in *bound) {
  int fd = socket(AF_INET, SOCK_DGRAM, 0), size = UDP_QUEUE;
  socklen_t length = sizeof *bound;
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
  bind(fd, (struct sockaddr *)bound, sizeof *bound);
  getsockname(fd, (struct sockaddr *)bound, &length);
  return fd;
}

// The association lives as long as its connection (RFC 1928 §7).
static void associate(int client) {
  struct sockaddr_in near = {.sin_family = AF_INET, .sin_addr = address.sin_addr}, peer = {0};
  struct sockaddr_in far = {.sin_family = AF_INET};
  int inside = datagram_socket(&near), outside = datagram_socket(&far);
  struct batch *all = calloc(1, sizeof *all);
  struct pollfd three[3] = {{.fd = client, .events = POLLIN | POLLRDHUP},
                            {.fd = inside, .events = POLLIN},
                            {.fd = outside, .events = POLLIN}};
  int alive = all && inside >= 0 && outside >= 0 && reply(client, near);
  while (alive && poll(three, 3, -1) > 0 && three[0].revents == 0) {
    if (three[1].revents) outward(all, inside, outside, &peer);
    if (three[2].revents) inward(all, outside, inside, peer);
  }
  free(all);
  close(inside);
  close(outside);
}

static void *session(void *argument) {
  int client = (int)(long)argument;
  unsigned char words[256];
  struct sockaddr_in to = {.sin_family = AF_INET};
  no_delay(client);
  if (read_all(client, words, 2) && words[0] == 5 && read_all(client, words + 2, words[1])
      && write(client, "\5\0", 2) == 2 && read_all(client, words, 4) && words[3] == IPV4
      && read_all(client, &to.sin_addr, 4) && read_all(client, &to.sin_port, 2)) {
    if (words[1] == CONNECT) connect_and_relay(client, to);
    if (words[1] == ASSOCIATE) associate(client);
  }
  close(client);
  return NULL;
}

int main(int count, char **words) {
  int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
  struct rlimit files;
  pthread_attr_t small;
  signal(SIGPIPE, SIG_IGN);
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  if (count != 3) return fputs("usage: socks ADDR PORT\n", stderr), 2;
  address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(atoi(words[2]))};
  if (inet_pton(AF_INET, words[1], &address.sin_addr) != 1) return 2;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(listener, (struct sockaddr *)&address, sizeof address)) return perror("bind"), 1;
  if (listen(listener, 4096)) return perror("listen"), 1;
  pthread_attr_init(&small);
  pthread_attr_setstacksize(&small, STACK);
  pthread_attr_setdetachstate(&small, PTHREAD_CREATE_DETACHED);
  for (;;) {
    long client = accept(listener, NULL, NULL);
    pthread_t thread;
    if (client >= 0 && pthread_create(&thread, &small, session, (void *)client)) close(client);
  }
}
