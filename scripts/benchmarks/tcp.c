// TCP load over IPv4 for scripts/bench: an echo server, and clients that time what they see.
//   tcp serve ADDR PORT                 echoes until it is ended
//   tcp rr ADDR PORT SECONDS THREADS    16 bytes there and back on one connection a thread
//   tcp crr ADDR PORT SECONDS THREADS   connect, 16 bytes there and back, reset; again
//   tcp hold ADDR PORT COUNT            opens COUNT connections, each with one exchange; closes
//                                       them in order when standard input ends
// Clients print one line of JSON. The first second of rr and crr is not counted.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { EXCHANGE = 16, MOST_SAMPLES = 1000000, MOST_THREADS = 64 };
static const double WARM = 1, PATIENCE = 5;

static struct sockaddr_in address;
static double seconds;
static int fresh_connections;

struct worker {
  pthread_t thread;
  long count, errors;
  double *samples;
};

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

static void fail(const char *what) {
  perror(what);
  exit(1);
}

// A connected socket whose calls all end within PATIENCE; -1 when there is no connection.
static int open_connection(void) {
  int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
  struct timeval patience = {.tv_sec = PATIENCE};
  if (fd < 0) return -1;
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0) return fd;
  close(fd);
  return -1;
}

static int exchange(int fd) {
  char bytes[EXCHANGE] = {0};
  return write(fd, bytes, EXCHANGE) == EXCHANGE
      && recv(fd, bytes, EXCHANGE, MSG_WAITALL) == EXCHANGE;
}

// Without the wait for the last segments of a peaceful end, ports are free again at once.
static void reset(int fd) {
  struct linger none = {.l_onoff = 1};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
  close(fd);
}

static void *work(void *argument) {
  struct worker *me = argument;
  double begin = now();
  int fd = -1;
  for (double t = begin; t - begin < WARM + seconds;) {
    if (fd < 0) fd = open_connection();
    int ok = fd >= 0 && exchange(fd);
    if (fd >= 0 && (fresh_connections || !ok)) reset(fd), fd = -1;
    double end = now();
    if (!ok) me->errors++, usleep(1000);
    if (ok && t - begin >= WARM && me->count < MOST_SAMPLES) me->samples[me->count++] = end - t;
    t = now();
  }
  if (fd >= 0) close(fd);
  return NULL;
}

static int order(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static void load(int threads) {
  static struct worker workers[MOST_THREADS];
  long count = 0, errors = 0;
  if (threads < 1 || threads > MOST_THREADS) threads = 1;
  for (int i = 0; i < threads; i++) {
    workers[i].samples = malloc(MOST_SAMPLES * sizeof(double));
    if (pthread_create(&workers[i].thread, NULL, work, &workers[i])) fail("thread");
  }
  double *all = malloc((size_t)threads * MOST_SAMPLES * sizeof(double));
  for (int i = 0; i < threads; i++) {
    pthread_join(workers[i].thread, NULL);
    memcpy(all + count, workers[i].samples, workers[i].count * sizeof(double));
    count += workers[i].count, errors += workers[i].errors;
  }
  qsort(all, count, sizeof(double), order);
  double p50 = count ? all[count / 2] : 0, p99 = count ? all[count * 99 / 100] : 0;
  printf("{\"per_second\": %.1f, \"p50_us\": %.1f, \"p99_us\": %.1f, \"errors\": %ld}\n",
         count / seconds, p50 * 1e6, p99 * 1e6, errors);
}

static void hold(int wanted) {
  int *fds = calloc(wanted, sizeof(int)), held = 0;
  double begin = now();
  while (held < wanted && (fds[held] = open_connection()) >= 0 && exchange(fds[held])) held++;
  printf("{\"held\": %d, \"seconds\": %.2f}\n", held, now() - begin);
  fflush(stdout);
  while (getchar() != EOF) {}
  for (int i = 0; i < held; i++) close(fds[i]);
}

static void serve(void) {
  int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), poll = epoll_create1(0);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(listener, (struct sockaddr *)&address, sizeof address)) fail("bind");
  if (listen(listener, 4096)) fail("listen");
  struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, events[256];
  epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);
  for (;;) {
    int ready = epoll_wait(poll, events, 256, -1);
    for (int i = 0; i < ready; i++) {
      int fd = events[i].data.fd;
      char bytes[4096];
      if (fd == listener) {
        while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
          setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
          event = (struct epoll_event){.events = EPOLLIN, .data.fd = fd};
          epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
        }
        continue;
      }
      ssize_t length = read(fd, bytes, sizeof bytes);
      if (length < 0 && errno == EAGAIN) continue;
      if (length <= 0 || write(fd, bytes, length) != length) close(fd);
    }
  }
}

int main(int count, char **words) {
  struct rlimit files;
  signal(SIGPIPE, SIG_IGN);
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  if (count < 4) return fputs("usage: see the first lines of tcp.c\n", stderr), 2;
  address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(atoi(words[3]))};
  if (inet_pton(AF_INET, words[2], &address.sin_addr) != 1) return 2;
  fresh_connections = !strcmp(words[1], "crr");
  if (!strcmp(words[1], "serve")) serve();
  else if (!strcmp(words[1], "hold") && count == 5) hold(atoi(words[4]));
  else if (count == 6) seconds = atof(words[4]), load(atoi(words[5]));
  else return 2;
  return 0;
}
