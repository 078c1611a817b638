// What a sensor adds to input and output: the processor time of known calls, by one thread, with nobody to wait for.
//
//   workload CHANNEL PAYLOAD BYTES TIMES     CHANNEL: pipe unix tcp null file   PAYLOAD: text json mcp
//   workload getpid TIMES
//
// Each time is one write and the read of what was written; getpid is a system call without either. Prints
// "workload CHANNEL PAYLOAD NANOSECONDS", of this process alone, per time. Where a guest's clock counts instructions, these are
// instructions. The first few and a pause come before: a sensor has its verdict on the channel by then.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define BYTES_MAX 65536
// Messages in a row before a sensor that shares the only processor gets its turn: fewer than fill its ring.
#define IN_A_ROW 64
#define FIRST 256

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static uint64_t processor_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return now.tv_sec * 1000000000ull + now.tv_nsec;
}

// Both ends of a channel: what is written at one is read at the other, in both directions if there is a way back.
struct channel {
    int end[2];
    // Read ends, where they are not the same.
    int reads[2];
};

static struct channel both_ways(int one, int other) {
    return (struct channel){.end = {one, other}, .reads = {one, other}};
}

static struct channel one_way(int writes, int reads) {
    return (struct channel){.end = {writes, -1}, .reads = {-1, reads}};
}

static struct channel open_tcp(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (void *)&address, size) || listen(listener, 1) || getsockname(listener, (void *)&address, &size))
        fail("listen");
    if (connect(client, (void *)&address, size)) fail("connect");
    int server = accept(listener, NULL, NULL);
    if (server < 0) fail("accept");
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    close(listener);
    return both_ways(client, server);
}

static struct channel open_channel(const char *kind) {
    int ends[2], back[2];
    if (!strcmp(kind, "pipe")) {
        if (pipe(ends) || pipe(back)) fail("pipe");
        return (struct channel){.end = {ends[1], back[1]}, .reads = {back[0], ends[0]}};
    }
    if (!strcmp(kind, "unix")) {
        if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends)) fail("socketpair");
        return both_ways(ends[0], ends[1]);
    }
    if (!strcmp(kind, "tcp")) return open_tcp();
    if (!strcmp(kind, "null")) return one_way(open("/dev/null", O_WRONLY), open("/dev/zero", O_RDONLY));
    if (!strcmp(kind, "file")) {
        int writes = open("/dev/shm/workload", O_WRONLY | O_CREAT | O_TRUNC, 0600);
        struct channel file = one_way(writes, open("/dev/shm/workload", O_RDONLY));
        unlink("/dev/shm/workload");
        return file;
    }
    fprintf(stderr, "workload: no channel %s\n", kind);
    exit(2);
}

static void move(struct channel *channel, int from, const char *bytes, size_t size) {
    static char read_back[BYTES_MAX];
    int reader = channel->reads[!from];
    ssize_t written = write(channel->end[from], bytes, size);
    if (written < 0 || (size_t)written != size) fail("write");
    for (size_t left = size; left > 0;) {
        ssize_t got = read(reader, read_back, left);
        if (got <= 0) fail("read");
        left -= got;
    }
}

// A line of exactly `size` bytes whose head and tail are given.
static void fill(char *line, size_t size, const char *head, const char *tail) {
    size_t begin = strlen(head), end = strlen(tail);
    if (size < begin + end + 1) {
        fprintf(stderr, "workload: %zu bytes are too few\n", size);
        exit(2);
    }
    memset(line, 'x', size);
    memcpy(line, head, begin);
    memcpy(line + size - 1 - end, tail, end);
    line[size - 1] = '\n';
}

static void say(struct channel *channel, int from, const char *message) { move(channel, from, message, strlen(message)); }

static void shake_hands(struct channel *channel) {
    say(channel, 0,
        "{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"initialize\",\"params\":{\"protocolVersion\":\"2025-11-25\",\"capabilities\":{},"
        "\"clientInfo\":{\"name\":\"workload\",\"version\":\"1\"}}}\n");
    say(channel, 1,
        "{\"jsonrpc\":\"2.0\",\"id\":0,\"result\":{\"protocolVersion\":\"2025-11-25\",\"capabilities\":{\"tools\":{}},"
        "\"serverInfo\":{\"name\":\"workload\",\"version\":\"1\"}}}\n");
    say(channel, 0, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n");
}

// Message number `number`: of MCP a call, then its answer, and so on.
static void next(struct channel *channel, const char *payload, size_t size, long number) {
    static char line[BYTES_MAX], head[256];
    static int is_filled;
    if (strcmp(payload, "mcp")) {
        if (!is_filled++) fill(line, size, strcmp(payload, "json") ? "" : "{\"level\":\"info\",\"msg\":\"", strcmp(payload, "json") ? "" : "\"}");
        move(channel, 0, line, size);
        return;
    }
    long id = 1000000 + number / 2;
    if (number % 2 == 0) {
        sprintf(head, "{\"jsonrpc\":\"2.0\",\"id\":%ld,\"method\":\"tools/call\",\"params\":{\"name\":\"echo\",\"arguments\":{\"text\":\"", id);
        fill(line, size, head, "\"}}}");
    } else {
        sprintf(head, "{\"jsonrpc\":\"2.0\",\"id\":%ld,\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"", id);
        fill(line, size, head, "\"}]}}");
    }
    move(channel, number % 2, line, size);
}

static double input_output(const char *kind, const char *payload, size_t size, long times) {
    if (size > BYTES_MAX) exit(2);
    struct channel channel = open_channel(kind);
    int is_mcp = !strcmp(payload, "mcp");
    if (is_mcp) shake_hands(&channel);
    long number = 0;
    for (; number < FIRST; number++) {
        next(&channel, payload, size, number);
        if (number % IN_A_ROW == 0) usleep(2000);
    }
    sleep(1);
    uint64_t begun = processor_ns();
    for (; number < FIRST + times; number++) {
        next(&channel, payload, size, number);
        // Only these are copied to a sensor; it must not fall behind.
        if (is_mcp && number % IN_A_ROW == 0) usleep(2000);
    }
    return (double)(processor_ns() - begun) / times;
}

int main(int count, char **words) {
    if (count == 3 && !strcmp(words[1], "getpid")) {
        long times = atol(words[2]);
        uint64_t begun = processor_ns();
        for (long i = 0; i < times; i++) syscall(SYS_getpid);
        printf("workload getpid - %.2f\n", (double)(processor_ns() - begun) / times);
    } else if (count == 5) {
        double each = input_output(words[1], words[2], atol(words[3]), atol(words[4]));
        printf("workload %s %s %.2f\n", words[1], words[2], each);
    } else {
        fprintf(stderr, "usage: workload CHANNEL PAYLOAD BYTES TIMES | workload getpid TIMES\n");
        return 2;
    }
    return 0;
}
