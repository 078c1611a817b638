/* A 32-bit program without a C library: what it reads from standard input it writes to standard output, with the
 * system calls that its two arguments name. Built by the test: cc -m32 -static -nostdlib -ffreestanding. */

typedef unsigned int word;

struct iovec { word base, length; };
struct msghdr { word name, name_length, vector, vectors, control, control_length, flags; };
struct mmsghdr { struct msghdr header; word length; };

static word call(word number, word a, word b, word c, word d, word e) {
    word result;
    /* The sixth argument, the flags of preadv2 and pwritev2, is 0. */
    __asm__ volatile("push %%ebp; xor %%ebp, %%ebp; int $0x80; pop %%ebp"
                     : "=a"(result)
                     : "0"(number), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e)
                     : "memory");
    return result;
}

static int equal(const char *one, const char *other) {
    while (*one && *one == *other) one++, other++;
    return *one == *other;
}

enum {
    EXIT = 1, READ = 3, WRITE = 4, SOCKETCALL = 102, READV = 145, WRITEV = 146, VMSPLICE = 316,
    SENDMMSG = 345, SENDTO = 369, SENDMSG = 370, RECVFROM = 371, RECVMSG = 372, PREADV2 = 378, PWRITEV2 = 379,
    CALL_SEND = 9, CALL_RECV = 10, CALL_SENDMSG = 16, CALL_RECVMSG = 17,
};

/* What was given to vmsplice must stay as it is, so it is used once. */
static char buffer[1 << 20];

/* Uneven halves, an empty one first. */
static word halves(struct iovec *vector, char *at, word length) {
    vector[0] = (struct iovec){(word)at, 0};
    vector[1] = (struct iovec){(word)at, length / 3};
    vector[2] = (struct iovec){(word)at + length / 3, length - length / 3};
    return 3;
}

/* MSG_DONTWAIT is not set anywhere: a call moves what it can. */
static int move(const char *form, word fd, int out, char *at, word length) {
    struct iovec vector[3];
    struct msghdr message = {0, 0, (word)vector, halves(vector, at, length), 0, 0, 0};
    struct mmsghdr messages[2] = {{message, 0}, {message, 0}};
    word arguments[4] = {fd, (word)at, length, 0};
    if (equal(form, "read") || equal(form, "write"))
        return call(out ? WRITE : READ, fd, (word)at, length, 0, 0);
    if (equal(form, "readv") || equal(form, "writev"))
        return call(out ? WRITEV : READV, fd, (word)vector, 3, 0, 0);
    if (equal(form, "preadv2") || equal(form, "pwritev2"))
        return call(out ? PWRITEV2 : PREADV2, fd, (word)vector, 3, -1, -1);
    if (equal(form, "vmsplice"))
        return call(VMSPLICE, fd, (word)vector, 3, 0, 0);
    if (equal(form, "recvfrom") || equal(form, "sendto"))
        return call(out ? SENDTO : RECVFROM, fd, (word)at, length, 0, 0);
    if (equal(form, "recvmsg") || equal(form, "sendmsg"))
        return call(out ? SENDMSG : RECVMSG, fd, (word)&message, 0, 0, 0);
    if (equal(form, "socketcall-recv") || equal(form, "socketcall-send"))
        return call(SOCKETCALL, out ? CALL_SEND : CALL_RECV, (word)arguments, 0, 0, 0);
    if (equal(form, "socketcall-recvmsg") || equal(form, "socketcall-sendmsg")) {
        arguments[1] = (word)&message, arguments[2] = 0;
        return call(SOCKETCALL, out ? CALL_SENDMSG : CALL_RECVMSG, (word)arguments, 0, 0, 0);
    }
    if (equal(form, "sendmmsg")) {
        /* Two messages: the first third, and the rest. */
        messages[0].header.vectors = 2;
        messages[1].header.vector = (word)&vector[2], messages[1].header.vectors = 1;
        int sent = call(SENDMMSG, fd, (word)messages, 2, 0, 0);
        return sent < 1 ? -1 : messages[0].length + (sent == 2 ? messages[1].length : 0);
    }
    return -1;
}

__attribute__((used)) static void begin(word *stack) {
    char **arguments = (char **)(stack + 1);
    char *at = buffer;
    for (;;) {
        int length = move(arguments[1], 0, 0, at, 32768);
        if (length <= 0) call(EXIT, length < 0 ? 2 : 0, 0, 0, 0, 0);
        while (length > 0) {
            int moved = move(arguments[2], 1, 1, at, length);
            if (moved <= 0) call(EXIT, 3, 0, 0, 0, 0);
            at += moved, length -= moved;
        }
        if (at > buffer + sizeof buffer - 65536) at = buffer;
    }
}

__asm__(".globl _start\n_start: mov %esp, %eax\n push %eax\n call begin\n");
