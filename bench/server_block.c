/*
 * server_block.c - a thread for each connection, blocking calls: what a driver with synchronous calls is
 * measured against.
 */
#include "net.h"

#include <pthread.h>

static void *serve(void *argument)
{
    int fd = (int)(intptr_t)argument;
    char buffer[16384];
    ssize_t got;

    while ((got = recv(fd, buffer, sizeof buffer, 0)) > 0)
        if (send(fd, buffer, (size_t)got, MSG_NOSIGNAL) != got)
            break;
    close(fd);
    return NULL;
}

int main(int argc, char **argv)
{
    int listener = listen_on(port_argument(argc, argv), 0);

    many_descriptors();
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        pthread_t thread;

        if (fd < 0)
            continue;
        if (pthread_create(&thread, NULL, serve, (void *)(intptr_t)fd) != 0)
            die("pthread_create");
        pthread_detach(thread);
    }
}
