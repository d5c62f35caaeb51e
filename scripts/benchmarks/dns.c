// DNS over UDP and IPv4 for scripts/bench: a resolver that is never the limit, and a client.
//   dns serve ADDR SERVER4              answers every A question with SERVER4, others with nothing
//   dns ask ADDR SECONDS NAME           one A question after the other; prints one line of JSON
// The first second of ask is not counted.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

enum { BATCH = 64, ROOM = 1500, HEADER = 12, MOST_SAMPLES = 2000000 };
static const double WARM = 1;
static struct sockaddr_in address = {.sin_family = AF_INET};

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

// Where the one question of a message ends; 0 when there is none.
static size_t question_end(const unsigned char *message, size_t length) {
  size_t at = HEADER;
  while (at < length && message[at] != 0 && message[at] < 64) at += message[at] + 1;
  return at + 5 <= length && message[at] == 0 ? at + 5 : 0;
}

// Makes the answer in the question's place (RFC 1035 §4.1) and gives its length.
static size_t answer(unsigned char *message, size_t length, struct in_addr server) {
  size_t end = question_end(message, length);
  if (end == 0 || end + 16 > ROOM) return 0;
  int is_a = message[end - 4] == 0 && message[end - 3] == 1;
  message[2] = 0x85, message[3] = 0x80;
  message[6] = 0, message[7] = is_a;
  memset(message + 8, 0, 4);
  if (!is_a) return end;
  static const unsigned char record[12] = {0xc0, HEADER, 0, 1, 0, 1, 0, 0, 1, 0x2c, 0, 4};
  memcpy(message + end, record, sizeof record);
  memcpy(message + end + sizeof record, &server, 4);
  return end + sizeof record + 4;
}

static int serve(struct in_addr server) {
  static unsigned char rooms[BATCH][ROOM];
  static struct sockaddr_in from[BATCH];
  struct iovec pieces[BATCH];
  struct mmsghdr messages[BATCH];
  int fd = socket(AF_INET, SOCK_DGRAM, 0), size = 4 << 20;
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
  if (bind(fd, (struct sockaddr *)&address, sizeof address)) return perror("bind"), 1;
  for (;;) {
    for (int i = 0; i < BATCH; i++) {
      pieces[i] = (struct iovec){rooms[i], ROOM};
      messages[i] = (struct mmsghdr){.msg_hdr = {
        .msg_name = &from[i], .msg_namelen = sizeof from[i], .msg_iov = &pieces[i], .msg_iovlen = 1}};
    }
    int count = recvmmsg(fd, messages, BATCH, MSG_WAITFORONE, NULL);
    for (int i = 0; i < count; i++)
      pieces[i].iov_len = answer(rooms[i], messages[i].msg_len, server);
    for (int sent = 0; sent < count;) {
      int more = sendmmsg(fd, messages + sent, count - sent, 0);
      sent += more > 0 ? more : 1;
    }
  }
}

// Writes an A question for a name and gives its length.
static size_t question(unsigned char *out, const char *name) {
  static const unsigned char header[HEADER] = {0, 0, 1, 0, 0, 1};
  size_t at = HEADER;
  memcpy(out, header, HEADER);
  while (*name) {
    size_t label = strcspn(name, ".");
    out[at] = label;
    memcpy(out + at + 1, name, label);
    at += label + 1, name += label + (name[label] == '.');
  }
  memcpy(out + at, "\0\0\1\0\1", 5);
  return at + 5;
}

static int order(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static int ask(double seconds, const char *name) {
  unsigned char message[ROOM], reply[ROOM];
  size_t length = question(message, name);
  double *samples = malloc(MOST_SAMPLES * sizeof(double)), begin = now();
  long count = 0, errors = 0;
  struct timeval patience = {.tv_sec = 1};
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (connect(fd, (struct sockaddr *)&address, sizeof address)) return perror("connect"), 1;
  for (unsigned id = 0; now() - begin < WARM + seconds && count < MOST_SAMPLES; id++) {
    double t = now();
    message[0] = id >> 8, message[1] = id;
    send(fd, message, length, 0);
    ssize_t got = recv(fd, reply, sizeof reply, 0);
    if (got < HEADER || reply[0] != message[0] || reply[1] != message[1]) errors++;
    else if (t - begin >= WARM) samples[count++] = now() - t;
  }
  qsort(samples, count, sizeof(double), order);
  printf("{\"p50_us\": %.1f, \"p99_us\": %.1f, \"errors\": %ld}\n",
         count ? samples[count / 2] * 1e6 : 0, count ? samples[count * 99 / 100] * 1e6 : 0, errors);
  return 0;
}

int main(int count, char **words) {
  struct in_addr server;
  address.sin_port = htons(53);
  if (count < 4 || inet_pton(AF_INET, words[2], &address.sin_addr) != 1) return 2;
  if (!strcmp(words[1], "serve") && inet_pton(AF_INET, words[3], &server) == 1) return serve(server);
  if (!strcmp(words[1], "ask") && count == 5 && strlen(words[4]) < 200)
    return ask(atof(words[3]), words[4]);
  fputs("usage: see the first lines of dns.c\n", stderr);
  return 2;
}
