/*
 * close_test.h - what the tests of closing share: a transport whose calls are counted, routines that block
 * until they are let go, IRPs in numbers.
 */
#ifndef CLOSE_TEST_H
#define CLOSE_TEST_H

#include "wsk_test.h"

#include "nt/ex/ex.h"
#include "nt/ke/ke.h"
#include "wsk/wskp.h"

/* ---- the transport under observation: call ct_count_calls() before the first socket ------------------- */

static struct transport_ops ct_ops;
static const struct transport_ops *ct_below; /* whose calls they are */
static volatile LONG ct_aborts, ct_closes, ct_cancels;

static inline int32_t ct_abort(struct transport_socket *socket)
{
    InterlockedIncrement(&ct_aborts);
    return ct_below->abort(socket);
}

static inline void ct_transport_close(struct transport_socket *socket)
{
    InterlockedIncrement(&ct_closes);
    ct_below->close(socket);
}

static inline int ct_cancel(struct transport_socket *socket, struct transport_op *op)
{
    InterlockedIncrement(&ct_cancels);
    return ct_below->cancel(socket, op);
}

static inline void ct_count_calls(void)
{
    ct_below = wsk_settings.ops;
    ct_ops = *ct_below;
    ct_ops.abort = ct_abort;
    ct_ops.close = ct_transport_close;
    ct_ops.cancel = ct_cancel;
    wsk_settings.ops = &ct_ops;
}

/* ---- a place where a routine of the driver stands still, at any IRQL ---------------------------------- */

struct ct_gate {
    volatile LONG inside, open;
};

static inline void ct_stand(struct ct_gate *gate)
{
    InterlockedExchange(&gate->inside, 1);
    while (!ReadAcquire(&gate->open))
        test_sleep_ms(1);
}

static inline void ct_await(struct ct_gate *gate)
{
    EXPECT_SOON(ReadAcquire(&gate->inside));
}

static inline void ct_let_go(struct ct_gate *gate)
{
    InterlockedExchange(&gate->open, 1);
}

/* A connection whose context is the gate: its callback stands there. */
static inline NTSTATUS WSKAPI ct_stand_in_receive(PVOID SocketContext, ULONG Flags,
                                                  PWSK_DATA_INDICATION DataIndication, SIZE_T BytesIndicated,
                                                  SIZE_T *BytesAccepted)
{
    UNREFERENCED_PARAMETER(Flags);
    UNREFERENCED_PARAMETER(DataIndication);
    UNREFERENCED_PARAMETER(BytesIndicated);
    UNREFERENCED_PARAMETER(BytesAccepted);
    ct_stand(SocketContext);
    return STATUS_SUCCESS;
}

static const WSK_CLIENT_CONNECTION_DISPATCH ct_stander = {ct_stand_in_receive, NULL, NULL};

/* ---- operations --------------------------------------------------------------------------------------- */

/* An operation that the close ended: C-CLOSE-12, 13, 14, D-26. */
static inline void ct_expect_cancelled(struct wt_op *op, struct wt_op *close)
{
    EXPECT_STATUS(wt_wait(op), STATUS_CANCELLED);
    EXPECT_EQ(op->information, 0);
    EXPECT(op->cancel);
    EXPECT(op->order < close->order);
}

/* Starts the close, waits for it and for nothing else. */
static inline void ct_close(PWSK_SOCKET socket, struct wt_op *close)
{
    wt_op_init(close);
    wt_close(socket, close);
    EXPECT_STATUS(wt_wait(close), STATUS_SUCCESS);
    EXPECT_EQ(close->information, 0);
}

static inline ULONG ct_latches(PWSK_SOCKET socket)
{
    struct wsk_socket *inside = wsk_socket_of(socket);
    KIRQL irql = wsk_lock(inside);
    ULONG latches = inside->latches;

    ke_release_spin_lock(&inside->lock, irql);
    return latches;
}

/* Two ends of one connection, both WSK's. */
static inline void ct_pair(PWSK_SOCKET *one, PVOID one_context,
                           const WSK_CLIENT_CONNECTION_DISPATCH *one_events, PWSK_SOCKET *two,
                           PVOID two_context, const WSK_CLIENT_CONNECTION_DISPATCH *two_events)
{
    SOCKADDR_STORAGE local, remote;
    PWSK_SOCKET listener;
    struct wt_op connect, accept;
    int port;

    listener = wt_listener(AF_INET, NULL, NULL, &port);
    wt_op_init(&connect);
    wt_op_init(&accept);
    wt_accept(listener, &accept, two_context, two_events, NULL, NULL);
    wt_returned(&connect, wt_npi.Dispatch->WskSocketConnect(
                              wt_npi.Client, SOCK_STREAM, IPPROTO_TCP, wt_any(&local, AF_INET, 0),
                              wt_loopback(&remote, AF_INET, port), 0, one_context, one_events, NULL, NULL,
                              NULL, connect.irp));
    EXPECT_STATUS(wt_wait(&connect), STATUS_SUCCESS);
    EXPECT_STATUS(wt_wait(&accept), STATUS_SUCCESS);
    *one = (PWSK_SOCKET)connect.information;
    *two = (PWSK_SOCKET)accept.information;
    wt_op_free(&connect);
    wt_op_free(&accept);
    wt_close_now(listener);
}

static inline void ct_disconnect_now(PWSK_SOCKET socket)
{
    struct wt_op op;

    wt_op_init(&op);
    wt_disconnect(socket, &op, NULL, 0);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    wt_op_free(&op);
}

/* A connection that WSK may reset before connect() has returned: -1 then. */
static inline int ct_knock(int port)
{
    int peer = peer_connect(PEER_INET, port, 5000);

    EXPECT(peer >= 0 || peer_last_error() == 104 /* ECONNRESET */);
    return peer;
}

/* Such a connection: WSK has reset it, or does. */
static inline void ct_gone(int peer)
{
    if (peer < 0)
        return;
    peer_expect_reset(peer);
    peer_close(peer);
}

#endif
