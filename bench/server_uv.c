/*
 * server_uv.c - an echo on libuv as its guide writes it, but that it tries to send at once first.
 */
#include "net.h"

#include <signal.h>
#include <uv.h>

static char buffer[65536];

static void check(int result, const char *what)
{
    if (result < 0) {
        fprintf(stderr, "%s: %s\n", what, uv_strerror(result));
        exit(1);
    }
}

static void on_closed(uv_handle_t *handle)
{
    free(handle);
}

static void on_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    (void)handle;
    (void)suggested;
    *out = uv_buf_init(buffer, sizeof buffer);
}

static void on_written(uv_write_t *write, int status)
{
    if (status < 0 && !uv_is_closing((uv_handle_t *)write->handle))
        uv_close((uv_handle_t *)write->handle, on_closed);
    free(write);
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *in)
{
    uv_buf_t out;
    uv_write_t *write;
    int sent;

    if (got == 0)
        return;
    if (got < 0) {
        if (!uv_is_closing((uv_handle_t *)stream))
            uv_close((uv_handle_t *)stream, on_closed);
        return;
    }
    out = uv_buf_init(in->base, (unsigned)got);
    sent = uv_try_write(stream, &out, 1);
    if (sent == (int)got)
        return;
    if (sent < 0)
        sent = 0;
    write = malloc(sizeof *write + (size_t)(got - sent));
    if (!write)
        die("malloc");
    out = uv_buf_init((char *)(write + 1), (unsigned)(got - sent));
    memcpy(out.base, in->base + sent, out.len);
    if (uv_write(write, stream, &out, 1, on_written) < 0)
        free(write);
}

static void on_connection(uv_stream_t *listener, int status)
{
    uv_tcp_t *tcp = malloc(sizeof *tcp);

    check(status, "connection");
    if (!tcp)
        die("malloc");
    check(uv_tcp_init(listener->loop, tcp), "uv_tcp_init");
    check(uv_accept(listener, (uv_stream_t *)tcp), "uv_accept");
    check(uv_read_start((uv_stream_t *)tcp, on_buffer, on_read), "uv_read_start");
}

int main(int argc, char **argv)
{
    uv_loop_t *loop = uv_default_loop();
    uv_tcp_t listener;

    many_descriptors();
    signal(SIGPIPE, SIG_IGN);
    check(uv_tcp_init(loop, &listener), "uv_tcp_init");
    check(uv_tcp_open(&listener, listen_on(port_argument(argc, argv), SOCK_NONBLOCK)), "uv_tcp_open");
    check(uv_listen((uv_stream_t *)&listener, SOMAXCONN, on_connection), "uv_listen");
    return uv_run(loop, UV_RUN_DEFAULT);
}
