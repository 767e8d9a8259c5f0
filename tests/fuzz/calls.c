/*
 * calls.c - sequences of calls: up to four sockets of any category, any call in any state, IRPs that pend, are
 * cancelled, and are ended by a close.  The client's rules are kept: one thread, no call after the close, every IRP's
 * buffers stay until it is completed.
 */
#include "fuzz.h"

enum { SOCKETS = 4, BYTES = 512 };

static PWSK_SOCKET sockets[SOCKETS];
static ULONG flags_of[SOCKETS];
static PWSK_SOCKET listener; /* all connections go there */
static int listener_port;

static struct place { /* where an op reads and writes: lasts until all are done */
    struct wt_buffer buffer;
    SOCKADDR_STORAGE local, remote;
    ULONG control_length, flags;
    UCHAR control[64];
} places[FUZZ_OPS * 4];
static ULONG place_count;

static struct wt_op *accepts[FUZZ_OPS];

static struct place *new_place(struct fuzz *fuzz)
{
    struct place *place;
    SIZE_T size, piece;

    if (place_count == ARRAYSIZE(places))
        return NULL;
    place = &places[place_count++];
    size = fuzz_u16(fuzz) % BYTES;
    piece = 1 + fuzz_u8(fuzz);
    wt_buffer_chain(&place->buffer, size, piece);
    if (fuzz_u8(fuzz) & 1 && size != 0) { /* a part of it */
        place->buffer.buf.Offset = fuzz_u8(fuzz) % (ULONG)(size < piece ? size : piece);
        place->buffer.buf.Length = (size - place->buffer.buf.Offset) / 2;
    }
    return place;
}

static int slot_for(PWSK_SOCKET socket, ULONG flags)
{
    for (int i = 0; i < SOCKETS; i++) {
        if (sockets[i] == NULL) {
            sockets[i] = socket;
            flags_of[i] = flags;
            return i;
        }
    }
    return -1;
}

static void open(struct fuzz *fuzz)
{
    static const ULONG flags[] = {WSK_FLAG_CONNECTION_SOCKET, WSK_FLAG_DATAGRAM_SOCKET,
                                  WSK_FLAG_STREAM_SOCKET, WSK_FLAG_LISTEN_SOCKET, WSK_FLAG_BASIC_SOCKET};
    ULONG which = flags[fuzz_below(fuzz, ARRAYSIZE(flags))];

    for (int i = 0; i < SOCKETS; i++) {
        if (sockets[i] == NULL) {
            slot_for(wt_open(AF_INET, which, NULL, NULL), which);
            return;
        }
    }
}

static void close(int i)
{
    wt_close_now(sockets[i]); /* C-CLOSE-12: ends what is pending; fuzz_drain() sees whether it did */
    sockets[i] = NULL;
}

/* A connection that came: it has to be closed like any other. */
static void accepted(struct wt_op *op)
{
    if (NT_SUCCESS(op->status) && op->information != 0)
        wt_close_now((PWSK_SOCKET)op->information);
}

static void settle_accepts(BOOLEAN all)
{
    for (ULONG i = 0; i < FUZZ_OPS; i++) {
        if (accepts[i] != NULL && (all || wt_is_done(accepts[i]))) {
            wt_wait(accepts[i]);
            accepted(accepts[i]);
            fuzz_wait(accepts[i]);
            accepts[i] = NULL;
        }
    }
}

static struct wt_op *next_op(void)
{
    settle_accepts(FALSE);
    return fuzz_op();
}

static void accept(PWSK_SOCKET socket, struct place *place)
{
    struct wt_op *op = next_op();

    if (op == NULL)
        return;
    fuzz_hold(op);
    wt_accept(socket, op, NULL, NULL, (PSOCKADDR)&place->local, (PSOCKADDR)&place->remote);
    for (ULONG i = 0; i < FUZZ_OPS; i++) {
        if (accepts[i] == NULL) {
            accepts[i] = op;
            return;
        }
    }
}

/* One call of a connection or stream socket. */
static void connection_call(struct fuzz *fuzz, PWSK_SOCKET socket, struct place *place, struct wt_op *op)
{
    static const ULONG flags[] = {
        0, 0, 0, WSK_FLAG_WAITALL, WSK_FLAG_DRAIN, WSK_FLAG_NODELAY, WSK_FLAG_ABORTIVE, 0xffffffff};
    ULONG flag = flags[fuzz_below(fuzz, ARRAYSIZE(flags))];

    switch (fuzz_u8(fuzz) % 7) {
    case 0:
        wt_connect(socket, op, wt_loopback(&place->remote, AF_INET, listener_port));
        break;
    case 1:
        wt_connect_ex(socket, op, wt_loopback(&place->remote, AF_INET, listener_port), &place->buffer.buf);
        break;
    case 2:
    case 3:
        wt_send(socket, op, &place->buffer.buf, flag);
        break;
    case 4:
    case 5:
        wt_receive(socket, op, &place->buffer.buf, flag);
        break;
    default:
        wt_disconnect(socket, op, fuzz_u8(fuzz) & 1 ? &place->buffer.buf : NULL, flag);
    }
}

static void datagram_call(struct fuzz *fuzz, PWSK_SOCKET socket, struct place *place, struct wt_op *op)
{
    place->control_length = fuzz_u8(fuzz) % sizeof place->control;
    if (fuzz_u8(fuzz) & 1)
        wt_send_to(socket, op, &place->buffer.buf, wt_loopback(&place->remote, AF_INET, listener_port), 0,
                   NULL);
    else
        wt_receive_from(socket, op, &place->buffer.buf, (PSOCKADDR)&place->remote, &place->control_length,
                        (PCMSGHDR)place->control, &place->flags);
}

static void common_call(struct fuzz *fuzz, int i, struct place *place, struct wt_op *op)
{
    const WSK_PROVIDER_STREAM_DISPATCH *stream = wt_stream(sockets[i]);
    BOOLEAN any = fuzz_u8(fuzz) & 1;
    PSOCKADDR address = any ? wt_any(&place->local, AF_INET, 0) : wt_loopback(&place->local, AF_INET, 0);

    if (flags_of[i] == WSK_FLAG_STREAM_SOCKET)
        wt_returned(op, stream->WskBind(sockets[i], address, 0, op->irp));
    else
        wt_bind(sockets[i], op, address);
}

static void local(int i, struct place *place, struct wt_op *op)
{
    PSOCKADDR address = (PSOCKADDR)&place->local;

    if (flags_of[i] == WSK_FLAG_LISTEN_SOCKET)
        wt_returned(op, wt_listen(sockets[i])->WskGetLocalAddress(sockets[i], address, op->irp));
    else if (flags_of[i] == WSK_FLAG_DATAGRAM_SOCKET)
        wt_returned(op, wt_datagram(sockets[i])->WskGetLocalAddress(sockets[i], address, op->irp));
    else
        wt_local_address(sockets[i], op, address);
}

static void one_call(struct fuzz *fuzz)
{
    UCHAR what = fuzz_u8(fuzz);
    int i = what & 3;
    struct place *place;
    struct wt_op *op;

    what = what >> 2 & 15;
    if (what == 0 || sockets[i] == NULL) {
        open(fuzz);
        return;
    }
    if (what == 1) {
        close(i);
        return;
    }
    if (what == 2) {
        op = fuzz_pending(fuzz_below(fuzz, FUZZ_OPS));
        if (op != NULL && !wt_is_done(op))
            IoCancelIrp(op->irp);
        return;
    }
    place = new_place(fuzz);
    if (place == NULL || flags_of[i] == WSK_FLAG_BASIC_SOCKET)
        return;
    if (flags_of[i] == WSK_FLAG_LISTEN_SOCKET && what > 8) {
        accept(sockets[i], place);
        return;
    }
    op = next_op();
    if (op == NULL)
        return;
    if (what == 3)
        common_call(fuzz, i, place, op);
    else if (what == 4 || flags_of[i] == WSK_FLAG_LISTEN_SOCKET)
        local(i, place, op);
    else if (what == 5 && flags_of[i] == WSK_FLAG_STREAM_SOCKET)
        wt_returned(op, wt_stream(sockets[i])->WskListen(sockets[i], op->irp));
    else if (flags_of[i] == WSK_FLAG_DATAGRAM_SOCKET)
        datagram_call(fuzz, sockets[i], place, op);
    else
        connection_call(fuzz, sockets[i], place, op);
}

void fuzz_one(struct fuzz *fuzz)
{
    listener = wt_listener(AF_INET, NULL, NULL, &listener_port);
    while (fuzz->left != 0)
        one_call(fuzz);
    for (int i = 0; i < SOCKETS; i++) {
        if (sockets[i] != NULL)
            close(i);
    }
    wt_close_now(listener);
    settle_accepts(TRUE);
    fuzz_drain();
    while (place_count != 0)
        wt_buffer_free(&places[--place_count].buffer);
}
