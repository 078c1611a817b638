// A crowded host: processes that hold sockets and do nothing.
//
//   crowd PROCESSES     each holds 11 sockets: one that listens on loopback, both sides of a connection to it, four socket pairs
//
// Prints "crowd PROCESSES" once all are there, and ends them with itself.
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void hold(int told) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0), pair[2];
    if (bind(listener, (void *)&address, size) || listen(listener, 1) || getsockname(listener, (void *)&address, &size))
        fail("listen");
    if (connect(client, (void *)&address, size) || accept(listener, NULL, NULL) < 0) fail("connect");
    for (int count = 0; count < 4; count++)
        if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair)) fail("socketpair");
    if (write(told, "1", 1) != 1) fail("write");
    for (;;) pause();
}

int main(int count, char **words) {
    int told[2], processes = count == 2 ? atoi(words[1]) : 0;
    char there;
    if (processes <= 0) {
        fprintf(stderr, "usage: crowd PROCESSES\n");
        return 2;
    }
    if (pipe(told)) fail("pipe");
    for (int number = 0; number < processes; number++) {
        int child = fork();
        if (child < 0) fail("fork");
        if (child == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            hold(told[1]);
        }
        if (read(told[0], &there, 1) != 1) fail("read");
    }
    printf("crowd %d\n", processes);
    fflush(stdout);
    for (;;) pause();
}
