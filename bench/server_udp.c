/*
 * server_udp.c - the UDP peers: `server_udp PORT echo|sink|source one|many|cut`.
 *
 * one:  recvfrom() and sendto(), a datagram each
 * many: recvmmsg() and sendmmsg(), up to 32
 * cut:  the same with UDP_GRO and UDP_SEGMENT: the kernel puts them together and cuts them
 *
 * One blocking socket, one thread: nothing else is cheaper.
 */
#include "udp.h"

enum how { ONE, MANY, CUT };

static struct {
    int fd;
    enum how how;
    uint64_t counted;
    struct udp_batch batch;
} server;

static void echo(int count)
{
    struct udp_batch *batch = &server.batch;

    for (int i = 0; i < count; i++) {
        size_t segment = udp_segment(batch, i);
        struct msghdr *message = &batch->headers[i].msg_hdr;

        message->msg_control = NULL;
        message->msg_controllen = 0;
        batch->parts[i].iov_len = batch->headers[i].msg_len;
        if (segment < batch->headers[i].msg_len)
            udp_cut(message, batch->control[i], segment);
    }
    udp_send(server.fd, batch->headers, count);
}

static void answer(const struct sockaddr_in *to)
{
    sendto(server.fd, &server.counted, sizeof server.counted, 0, (const struct sockaddr *)to, sizeof *to);
}

static void send_list(const struct sockaddr_in *to)
{
    static char bytes[UDP_LIST * UDP_BYTES];
    _Alignas(struct cmsghdr) char control[64];
    struct mmsghdr headers[UDP_LIST];
    struct iovec parts[UDP_LIST];
    int count = server.how == CUT ? 1 : UDP_LIST;

    for (int i = 0; i < count; i++) {
        parts[i] = (struct iovec){.iov_base = bytes + i * UDP_BYTES,
                                  .iov_len = server.how == CUT ? sizeof bytes : UDP_BYTES};
        headers[i].msg_hdr = (struct msghdr){
            .msg_name = (void *)to, .msg_namelen = sizeof *to, .msg_iov = &parts[i], .msg_iovlen = 1};
    }
    if (server.how == CUT)
        udp_cut(&headers[0].msg_hdr, control, UDP_BYTES);
    if (server.how != ONE) {
        udp_send(server.fd, headers, count);
        return;
    }
    for (int i = 0; i < count; i++)
        sendto(server.fd, bytes, UDP_BYTES, 0, (const struct sockaddr *)to, sizeof *to);
}

static void send_burst(const struct sockaddr_in *to)
{
    for (int i = 0; i < UDP_BURST / UDP_LIST; i++)
        send_list(to);
}

static void sink_or_source(bool source, const struct sockaddr_in *from, size_t length, size_t segment)
{
    if (length != UDP_ASK)
        server.counted += (length + segment - 1) / segment;
    else if (source)
        send_burst(from);
    else
        answer(from);
}

_Noreturn static void serve_each(bool echoes, bool source)
{
    static char bytes[2048];

    for (;;) {
        struct sockaddr_in from;
        socklen_t size = sizeof from;
        ssize_t got = recvfrom(server.fd, bytes, sizeof bytes, 0, (struct sockaddr *)&from, &size);

        if (got > 0 && echoes)
            sendto(server.fd, bytes, (size_t)got, 0, (struct sockaddr *)&from, size);
        else if (got > 0)
            sink_or_source(source, &from, (size_t)got, (size_t)got);
    }
}

_Noreturn static void serve_many(bool echoes, bool source)
{
    struct udp_batch *batch = &server.batch;

    udp_batch_init(batch, server.how == CUT);
    for (;;) {
        int count = udp_receive(server.fd, batch, MSG_WAITFORONE);

        if (echoes)
            echo(count);
        for (int i = 0; !echoes && i < count; i++)
            sink_or_source(source, &batch->names[i], batch->headers[i].msg_len, udp_segment(batch, i));
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_in address;
    bool echoes, source;

    if (argc != 4) {
        fprintf(stderr, "usage: server_udp PORT echo|sink|source one|many|cut\n");
        return 2;
    }
    echoes = strcmp(argv[2], "echo") == 0;
    source = strcmp(argv[2], "source") == 0;
    server.how = strcmp(argv[3], "one") == 0 ? ONE : strcmp(argv[3], "many") == 0 ? MANY : CUT;
    address = loopback(INADDR_LOOPBACK, (unsigned)atoi(argv[1]));
    server.fd = CHECK(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    CHECK(bind(server.fd, (struct sockaddr *)&address, sizeof address));
    if (server.how == CUT)
        udp_coalesce(server.fd);
    if (server.how == ONE)
        serve_each(echoes, source);
    serve_many(echoes, source);
}
