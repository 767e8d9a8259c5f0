/*
 * channel.c - streams between processes of one user: Unix sockets that only their owner may open.
 *
 * A channel is a file descriptor.  Nothing here raises SIGPIPE, and an interrupted call goes on.
 */
#include "host/host.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define CHANNEL_BACKLOG 16

static int make_address(const char *path, struct sockaddr_un *address)
{
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    if (strlen(path) >= sizeof address->sun_path)
        return -ENAMETOOLONG;
    strcpy(address->sun_path, path);
    return 0;
}

static int new_socket(void)
{
    int channel = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    return channel < 0 ? -errno : channel;
}

int host_channel_connect(const char *path)
{
    struct sockaddr_un address;
    int channel, error = make_address(path, &address);

    if (error)
        return error;
    channel = new_socket();
    if (channel >= 0 && connect(channel, (struct sockaddr *)&address, sizeof address) != 0) {
        error = -errno;
        close(channel);
        return error;
    }
    return channel;
}

/* A socket on which nobody listens any more may be replaced; anything else is somebody's. */
static int remove_stale(const char *path)
{
    struct stat about;
    int channel;

    if (lstat(path, &about) != 0 || !S_ISSOCK(about.st_mode))
        return -1;
    channel = host_channel_connect(path);
    if (channel >= 0)
        close(channel);
    return channel == -ECONNREFUSED ? unlink(path) : -1;
}

int host_channel_listen(const char *path)
{
    struct sockaddr_un address;
    int channel, error = make_address(path, &address);

    if (error)
        return error;
    channel = new_socket();
    if (channel < 0)
        return channel;
    /* Linux makes the file with the mode of the socket: there is no moment in which others could connect. */
    if (fchmod(channel, 0600) != 0)
        goto failed;
    if (bind(channel, (struct sockaddr *)&address, sizeof address) != 0 &&
        (errno != EADDRINUSE || remove_stale(path) != 0 ||
         bind(channel, (struct sockaddr *)&address, sizeof address) != 0)) {
        if (errno == ENOENT || errno == EACCES || errno == ENOTDIR || errno == EROFS)
            goto failed;
        close(channel);
        return -EADDRINUSE;
    }
    if (listen(channel, CHANNEL_BACKLOG) == 0)
        return channel;
failed:
    error = -errno;
    close(channel);
    return error;
}

int host_channel_accept(int listener)
{
    int channel;

    do
        channel = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    while (channel < 0 && (errno == EINTR || errno == ECONNABORTED));
    return channel < 0 ? -errno : channel;
}

int host_channel_read(int channel, void *data, size_t bytes)
{
    for (size_t done = 0; done < bytes;) {
        ssize_t got = recv(channel, (char *)data + done, bytes - done, 0);

        if (got == 0 || (got < 0 && errno != EINTR))
            return -1;
        if (got > 0)
            done += (size_t)got;
    }
    return 0;
}

int host_channel_write(int channel, const void *data, size_t bytes)
{
    for (size_t done = 0; done < bytes;) {
        ssize_t put = send(channel, (const char *)data + done, bytes - done, MSG_NOSIGNAL);

        if (put < 0 && errno != EINTR)
            return -1;
        if (put > 0)
            done += (size_t)put;
    }
    return 0;
}

void host_channel_shut(int channel, int directions)
{
    int saved = errno;

    shutdown(channel, directions == HOST_CHANNEL_READ    ? SHUT_RD
                      : directions == HOST_CHANNEL_WRITE ? SHUT_WR
                                                         : SHUT_RDWR);
    errno = saved;
}

void host_channel_close(int channel)
{
    close(channel);
}
