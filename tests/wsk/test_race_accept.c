/*
 * test_race_accept.c - WskAccept takes the connection that WskAcceptEvent was scheduled for: the next one
 * must still be told.
 */
#include "line.h"

WT_RACE_FIXTURE;

static volatile LONG calls;

static NTSTATUS WSKAPI on_accept(PVOID SocketContext, ULONG Flags, PSOCKADDR LocalAddress,
                                 PSOCKADDR RemoteAddress, PWSK_SOCKET AcceptSocket,
                                 PVOID *AcceptSocketContext,
                                 CONST WSK_CLIENT_CONNECTION_DISPATCH **AcceptSocketDispatch)
{
    (void)SocketContext, (void)Flags, (void)LocalAddress, (void)RemoteAddress, (void)AcceptSocket;
    (void)AcceptSocketContext, (void)AcceptSocketDispatch;
    InterlockedIncrement(&calls);
    return STATUS_REQUEST_NOT_ACCEPTED;
}

static const WSK_CLIENT_LISTEN_DISPATCH dispatch = {.WskAcceptEvent = on_accept};

TEST(accept_takes_what_the_event_was_due_for, "R-ACC-10")
{
    int port, peer, taken = 0;
    PWSK_SOCKET listener = wt_listener(AF_INET, NULL, &dispatch, &port);

    for (int i = 0; i < 40; i++) {
        struct wt_op op;
        LONG before;
        NTSTATUS status;

        peer = peer_connect(AF_INET, port, 5000);
        wt_op_init(&op);
        EXPECT_STATUS(wt_events(listener, WSK_EVENT_ACCEPT, NULL), STATUS_SUCCESS);
        status = wt_accept(listener, &op, NULL, NULL, NULL, NULL);
        if (status == STATUS_PENDING && !wt_is_done(&op)) {
            test_sleep_ms(20);
            if (!wt_is_done(&op))
                IoCancelIrp(op.irp);
        }
        if (wt_wait(&op) == STATUS_SUCCESS) {
            taken++;
            wt_close_now((PWSK_SOCKET)op.information);
        }
        wt_op_free(&op);
        if (peer >= 0)
            peer_close(peer);
        before = line_read(&calls);
        peer = peer_connect(AF_INET, port, 5000);
        EXPECT_SOON(line_read(&calls) > before);
        line_disable(listener, WSK_EVENT_ACCEPT);
        if (peer >= 0)
            peer_close(peer);
    }
    TEST_NOTE("taken %d", taken);
    wt_close_now(listener);
}
