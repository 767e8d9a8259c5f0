/*
 * own_net.c - own_net COMMAND…: the command, in a network of its own.
 *
 * Ports belong to the whole machine.  A test that gives a port back and looks whether it is free meets whatever else
 * runs: any connect() may have got that very port, and old connections in TIME_WAIT may have all of them.  With a
 * network namespace the test has ports, and a loopback, that nobody else sees.  Where that is not allowed, or the
 * loopback in there does not work as the one out here, the command runs without.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static int write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    int failed = fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text);

    if (fd >= 0)
        close(fd);
    return failed ? -1 : 0;
}

/* Root may just have one; for others it takes a user namespace, in which they are who they were. */
static int enter(void)
{
    unsigned user = geteuid(), group = getegid();
    char map[64];

    if (unshare(CLONE_NEWNET) == 0)
        return 0;
    if (errno != EPERM || unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
        return -1;
    snprintf(map, sizeof map, "%u %u 1", user, user);
    if (write_file("/proc/self/uid_map", map) != 0 || write_file("/proc/self/setgroups", "deny") != 0)
        return -1;
    snprintf(map, sizeof map, "%u %u 1", group, group);
    return write_file("/proc/self/gid_map", map);
}

static int loopback_up(void)
{
    struct ifreq request = {.ifr_name = "lo"};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int result = -1;

    if (fd < 0)
        return -1;
    if (ioctl(fd, SIOCGIFFLAGS, &request) == 0) {
        request.ifr_flags |= IFF_UP;
        result = ioctl(fd, SIOCSIFFLAGS, &request);
    }
    close(fd);
    return result;
}

/* A connection to oneself through loopback can be made. */
static int works(int family)
{
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr *address = family == AF_INET ? (struct sockaddr *)&four : (struct sockaddr *)&six;
    socklen_t length = family == AF_INET ? sizeof four : sizeof six;
    int listener = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int client = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int result = listener >= 0 && client >= 0 && bind(listener, address, length) == 0 &&
                 listen(listener, 1) == 0 && getsockname(listener, address, &length) == 0 &&
                 connect(client, address, length) == 0;

    close(listener);
    close(client);
    return result;
}

/* Tried by a child first: there is no way back for who has entered. */
static int can_be_had(void)
{
    int four = works(AF_INET), six = works(AF_INET6), status;
    pid_t child = fork();

    if (child == 0)
        _exit(enter() == 0 && loopback_up() == 0 && works(AF_INET) >= four && works(AF_INET6) >= six ? 0 : 1);
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: own_net COMMAND [ARGUMENT]...\n");
        return 2;
    }
    /* A process that a sanitizer has given a thread may have no user namespace: it runs without. */
    if (can_be_had() && enter() == 0 && loopback_up() != 0) {
        fprintf(stderr, "own_net: the loopback does not come up: %s\n", strerror(errno));
        return 2;
    }
    execvp(argv[1], argv + 1);
    fprintf(stderr, "own_net: %s: %s\n", argv[1], strerror(errno));
    return 127;
}
