/*
 * peer-watch.c - a plain TCP client that says what it saw: how many bytes, and how the connection ended.
 *
 *   peer-watch [-4|-6] [--deaf] [--expect END] [--black-hole] PORT [TEXT]
 *       Connects to PORT on loopback, sends TEXT and a line end, and watches until the connection is over or
 *       quiet. The line "send" from the other side is answered with some bytes, "fin" with shutdown(SHUT_WR).
 *       --deaf never reads, so its window closes. --black-hole appends a port that never answers to TEXT.
 *       END: RST, FIN, or FIN+RST. Prints for example "6 bytes, RST".
 *   peer-watch [-4|-6] --echo BYTES [--burst SIZE] [--lazy] [--reset] PORT
 *       Sends a pattern in bursts and checks what comes back; then FIN, and the other side's FIN has to
 * follow.
 *       --lazy reads nothing until everything that fits is sent. --reset ends with a reset in the middle.
 *   peer-watch [-4|-6] --chat COUNT [--parallel N] PORT
 *       COUNT connections, N at a time, that send and receive until the other side resets them.
 *
 * Exit status: 0 as expected, 1 not, 2 wrong usage. Ends after 20 s in any case.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define QUIET_MS   5000 /* this long without anything: the connection lives on */
#define AFTER_FIN  2000 /* a reset that follows a FIN comes within this time */
#define PATIENCE_S 20

static bool inet6, deaf, lazy, reset;
static int port;

static _Noreturn void fail(const char *format, ...)
{
    va_list list;

    va_start(list, format);
    printf("peer-watch: ");
    vprintf(format, list);
    putchar('\n');
    exit(1);
}

static _Noreturn void usage(void)
{
    fprintf(stderr,
            "usage: peer-watch [-4|-6] [--deaf] [--expect RST|FIN|FIN+RST] [--black-hole] PORT [TEXT]\n"
            "       peer-watch [-4|-6] --echo BYTES [--burst SIZE] [--lazy] [--reset] PORT\n"
            "       peer-watch [-4|-6] --chat COUNT [--parallel N] PORT\n");
    exit(2);
}

static socklen_t loopback(struct sockaddr_storage *address, int to)
{
    memset(address, 0, sizeof *address);
    if (inet6) {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)address;

        in6->sin6_family = AF_INET6;
        in6->sin6_addr = in6addr_loopback;
        in6->sin6_port = htons((uint16_t)to);
        return sizeof *in6;
    }
    struct sockaddr_in *in = (struct sockaddr_in *)address;

    in->sin_family = AF_INET;
    in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    in->sin_port = htons((uint16_t)to);
    return sizeof *in;
}

/* A connected, non-blocking socket. */
static int connect_to(int to)
{
    struct sockaddr_storage address;
    socklen_t length = loopback(&address, to);
    int one = 1, fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || connect(fd, (struct sockaddr *)&address, length) != 0)
        fail("cannot connect to port %d: %s", to, strerror(errno));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

/* A port whose kernel drops every segment: a connect to it hangs. It lives as long as this process. */
static int black_hole(void)
{
    struct sock_filter drop = BPF_STMT(BPF_RET | BPF_K, 0);
    struct sock_fprog program = {1, &drop};
    struct sockaddr_storage address;
    socklen_t length = loopback(&address, 0);
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&address, length) != 0 || listen(fd, 1) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &length) != 0)
        fail("no black hole: %s", strerror(errno));
    return ntohs(((struct sockaddr_in *)&address)->sin_port);
}

/* poll() for one descriptor. */
static int wait_for(int fd, short events, int milliseconds)
{
    struct pollfd item = {fd, events, 0};

    if (poll(&item, 1, milliseconds) < 0)
        fail("poll: %s", strerror(errno));
    return item.revents;
}

/* The error of a connection that the other side has reset, 0 when it has not. */
static bool was_reset(int fd)
{
    int error = 0;
    socklen_t length = sizeof error;

    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0)
        fail("SO_ERROR: %s", strerror(errno));
    if (error != 0 && error != ECONNRESET && error != EPIPE)
        fail("the connection ended with: %s", strerror(error));
    return error != 0;
}

/* ---- one connection that is watched ------------------------------------------------------------------- */

/* Sends a text; false: the connection has been reset. */
static bool say(int fd, const char *text)
{
    size_t length = strlen(text);

    if (send(fd, text, length, MSG_NOSIGNAL) == (ssize_t)length)
        return true;
    if (errno != ECONNRESET && errno != EPIPE)
        fail("send: %s", strerror(errno));
    return false;
}

/* Does what the other side has asked for; false: the connection has been reset. */
static bool answer(int fd, const char *line)
{
    if (strstr(line, "fin\n"))
        shutdown(fd, SHUT_WR);
    return !strstr(line, "send\n") || say(fd, "here you are\n");
}

/* Reads on until FIN ("FIN"), reset ("RST") or silence (NULL); adds up the bytes. */
static const char *watch(int fd, size_t *bytes)
{
    char buffer[65536];
    char line[64] = "";
    size_t in_line = 0;

    for (;;) {
        ssize_t got;

        if (wait_for(fd, deaf ? 0 : POLLIN, QUIET_MS) == 0)
            return NULL;
        if (deaf)
            return was_reset(fd) ? "RST" : NULL;
        got = recv(fd, buffer, sizeof buffer, 0);
        if (got == 0)
            return "FIN";
        if (got < 0 && errno == EAGAIN)
            continue;
        if (got < 0 && (errno == ECONNRESET || errno == EPIPE))
            return "RST";
        if (got < 0)
            fail("recv: %s", strerror(errno));
        *bytes += (size_t)got;
        for (ssize_t i = 0; i < got && in_line + 1 < sizeof line; i++) {
            line[in_line++] = buffer[i];
            if (buffer[i] == '\n') {
                line[in_line] = '\0';
                in_line = 0;
                if (!answer(fd, line))
                    return "RST";
            }
        }
    }
}

static int one_connection(const char *text, const char *expect)
{
    int fd = connect_to(port);
    const char *end = "RST";
    size_t bytes = 0;
    char line[300] = "";

    if (text != NULL && snprintf(line, sizeof line, "%s\n", text) >= (int)sizeof line)
        usage();
    if (say(fd, line))
        end = watch(fd, &bytes);
    if (end != NULL && strcmp(end, "FIN") == 0) {
        /* With both directions over the socket hangs up and nothing more can come. Else a reset may follow.
         */
        wait_for(fd, 0, AFTER_FIN);
        if (was_reset(fd))
            end = "FIN+RST";
    }
    printf("%zu bytes, %s\n", bytes, end != NULL ? end : "still open");
    return expect != NULL && (end == NULL || strcmp(expect, end) != 0);
}

/* ---- echo ------------------------------------------------------------------------------------------------
 */

static unsigned char pattern(size_t at)
{
    return (unsigned char)(at * 31 + at / 251);
}

/* Sends what fits of the next burst; false: the window is closed for now. */
static bool send_some(int fd, size_t *sent, size_t total, size_t burst)
{
    unsigned char buffer[65536];
    size_t part = total - *sent < burst ? total - *sent : burst;
    ssize_t done;

    for (size_t i = 0; i < part; i++)
        buffer[i] = pattern(*sent + i);
    done = send(fd, buffer, part, MSG_NOSIGNAL);
    if (done < 0 && errno == EAGAIN)
        return false;
    if (done < 0)
        fail("send after %zu bytes: %s", *sent, strerror(errno));
    *sent += (size_t)done;
    return true;
}

/* Takes and checks what is there; false: the other side's FIN. */
static bool receive_some(int fd, size_t *got)
{
    unsigned char buffer[65536];
    ssize_t part = recv(fd, buffer, sizeof buffer, 0);

    if (part < 0 && errno == EAGAIN)
        return true;
    if (part < 0)
        fail("recv after %zu bytes: %s", *got, strerror(errno));
    for (ssize_t i = 0; i < part; i++, ++*got)
        if (buffer[i] != pattern(*got))
            fail("byte %zu is %02x, not %02x", *got, buffer[i], pattern(*got));
    return part != 0;
}

static void reset_now(int fd)
{
    struct linger linger = {1, 0};

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    close(fd);
}

static int echo(size_t total, size_t burst)
{
    size_t sent = 0, got = 0;
    int fd = connect_to(port);
    bool finished = false;

    while (lazy && sent < total && (wait_for(fd, POLLOUT, 200) & POLLOUT))
        send_some(fd, &sent, total, burst);
    for (;;) {
        short events = wait_for(fd, (short)(POLLIN | (sent < total ? POLLOUT : 0)), PATIENCE_S * 1000);

        if ((events & POLLOUT) && sent < total)
            send_some(fd, &sent, total, burst);
        if (reset && sent >= total / 2) {
            reset_now(fd);
            printf("%zu bytes sent, %zu came back, then a reset of ours\n", sent, got);
            return 0;
        }
        if (sent == total && !finished) {
            shutdown(fd, SHUT_WR);
            finished = true;
        }
        if ((events & (POLLIN | POLLHUP | POLLERR)) && !receive_some(fd, &got))
            break;
    }
    if (was_reset(fd))
        fail("reset after %zu bytes", got);
    printf("%zu of %zu bytes came back, FIN\n", got, total);
    return got != total;
}

/* ---- chat ------------------------------------------------------------------------------------------------
 */

/* One turn of one connection; true: it has been reset. */
static bool chat_turn(int fd, short events)
{
    char buffer[4096];
    ssize_t done;

    if (events & (POLLIN | POLLHUP | POLLERR)) {
        done = recv(fd, buffer, sizeof buffer, 0);
        if (done < 0 && (errno == ECONNRESET || errno == EPIPE))
            return true;
        if (done == 0)
            fail("FIN instead of a reset");
    }
    if (events & POLLOUT) {
        memset(buffer, 'x', sizeof buffer);
        done = send(fd, buffer, sizeof buffer, MSG_NOSIGNAL);
        if (done < 0 && (errno == ECONNRESET || errno == EPIPE))
            return true;
    }
    return false;
}

static int chat(size_t count, size_t parallel)
{
    struct pollfd *items = calloc(parallel, sizeof *items);
    size_t started = 0, ended = 0;

    if (items == NULL)
        fail("no memory");
    for (size_t i = 0; i < parallel; i++)
        items[i].fd = -1;
    while (ended < count) {
        for (size_t i = 0; i < parallel && started < count; i++) {
            if (items[i].fd < 0) {
                items[i] = (struct pollfd){connect_to(port), POLLIN | POLLOUT, 0};
                started++;
            }
        }
        if (poll(items, parallel, PATIENCE_S * 1000) <= 0)
            fail("%zu of %zu connections were reset, then nothing", ended, count);
        for (size_t i = 0; i < parallel; i++) {
            if (items[i].fd >= 0 && items[i].revents != 0 && chat_turn(items[i].fd, items[i].revents)) {
                close(items[i].fd);
                items[i].fd = -1;
                ended++;
            }
        }
    }
    free(items);
    printf("%zu connections, each ended by RST\n", ended);
    return 0;
}

/* ---- the command line --------------------------------------------------------------------------------- */

static size_t number(const char *text)
{
    char *end;
    unsigned long value = text != NULL ? strtoul(text, &end, 10) : 0;

    if (text == NULL || end == text || *end != '\0')
        usage();
    return value;
}

int main(int argc, char **argv)
{
    size_t echo_bytes = 0, burst = 65536, chat_count = 0, parallel = 4;
    const char *expect = NULL, *text = NULL;
    bool hole = false;
    char line[256];
    int i;

    for (i = 1; i < argc && argv[i][0] == '-'; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;

        if (!strcmp(argv[i], "-6"))
            inet6 = true;
        else if (!strcmp(argv[i], "-4"))
            inet6 = false;
        else if (!strcmp(argv[i], "--deaf"))
            deaf = true;
        else if (!strcmp(argv[i], "--lazy"))
            lazy = true;
        else if (!strcmp(argv[i], "--reset"))
            reset = true;
        else if (!strcmp(argv[i], "--black-hole"))
            hole = true;
        else if (!strcmp(argv[i], "--expect"))
            expect = value, i++;
        else if (!strcmp(argv[i], "--echo"))
            echo_bytes = number(value), i++;
        else if (!strcmp(argv[i], "--burst"))
            burst = number(value), i++;
        else if (!strcmp(argv[i], "--chat"))
            chat_count = number(value), i++;
        else if (!strcmp(argv[i], "--parallel"))
            parallel = number(value), i++;
        else
            usage();
    }
    if (i >= argc || argc - i > 2 || burst == 0 || burst > 65536 || parallel == 0)
        usage();
    port = (int)number(argv[i]);
    text = argv[i + 1];
    alarm(PATIENCE_S + 5);
    if (echo_bytes != 0)
        return echo(echo_bytes, burst);
    if (chat_count != 0)
        return chat(chat_count, parallel);
    if (hole) {
        snprintf(line, sizeof line, "%s %d", text != NULL ? text : "", black_hole());
        text = line;
    }
    return one_connection(text, expect);
}
