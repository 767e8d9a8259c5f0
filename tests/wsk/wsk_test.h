/*
 * wsk_test.h - what every WSK test needs: the runtime in the mode that the test runs in, a registered client,
 * IRPs whose completion is recorded, buffers, sockets with a plain Linux socket at the other end.
 *
 * Kernel world: the test acts as the driver.  Every dispatch call goes through a wt_ function, which checks
 * what every rule demands of every call: the IRP is completed exactly once (D-01), a status other than
 * STATUS_PENDING equals the IRP's and comes after its routine (D-02), PendingReturned is set if and only if
 * STATUS_PENDING was returned (D-03).
 */
#ifndef WSK_TEST_H
#define WSK_TEST_H

#include <ntddk.h>
#include <wsk.h>

#include "peer.h"
#include "uwsk_test.h"

/* All completion modes in all deliveries, on epoll, on io_uring and in the simulator.  ThreadSanitizer sees that one
 * thread follows another through a socket's system calls, but not through a ring, and nothing between fibers: there
 * the same modes run on epoll only. */
#define WT_EPOLL_MODES                                                                                       \
    "natural/dispatch natural/passive natural/mixed always-pend/dispatch always-pend/passive "               \
    "always-pend/mixed inline/dispatch inline/passive inline/mixed"
#define WT_EPOLL_DATA_MODES                                                                                  \
    WT_EPOLL_MODES " natural/dispatch/onebyte natural/dispatch/acked natural/dispatch/copied"
#ifdef __SANITIZE_THREAD__
#define WT_MODES      WT_EPOLL_MODES
#define WT_CALM_MODES WT_EPOLL_MODES
#define WT_RACE_MODES WT_EPOLL_MODES
#define WT_DATA_MODES WT_EPOLL_DATA_MODES
#define WT_TWO_MODES  "natural/dispatch"
#else
/* All completion modes in all deliveries on one back end. */
#define WT_MODES_ON(end)                                                                                     \
    " natural/dispatch/" end " natural/passive/" end " natural/mixed/" end " always-pend/dispatch/" end      \
    " always-pend/passive/" end " always-pend/mixed/" end " inline/dispatch/" end " inline/passive/" end     \
    " inline/mixed/" end
/* On io_uring each mode of completion and each delivery both with and without receives and accepts in the ring. */
#define WT_URING_MODES                                                                                       \
    " natural/dispatch/uring natural/passive/uring-all natural/mixed/uring always-pend/dispatch/uring-all "  \
    "always-pend/passive/uring always-pend/mixed/uring-all inline/dispatch/uring inline/passive/uring-all "  \
    "inline/mixed/uring"
#define WT_SIM_MODES  WT_MODES_ON("sim")
/* For tests that count on what is sent together to arrive together. */
#define WT_CALM_MODES WT_EPOLL_MODES WT_URING_MODES WT_SIM_MODES
#define WT_MODES      WT_CALM_MODES " natural/dispatch/sim/windy"
/* What tests of the data path run in beside these: one-byte segments, and the other meanings of "sent". */
#define WT_DATA_MODES_ON(end)                                                                                \
    " natural/dispatch/" end "/onebyte natural/dispatch/" end "/acked natural/dispatch/" end "/copied"
#define WT_DATA_MODES                                                                                        \
    WT_EPOLL_DATA_MODES WT_URING_MODES                                                                       \
        WT_DATA_MODES_ON("uring-all") " natural/dispatch/uring/onebyte" WT_SIM_MODES WT_DATA_MODES_ON(       \
            "sim") " natural/dispatch/sim/windy"
/* For races: many seeds in three modes that differ in everything, a few in the others. */
#define WT_SIM_RACE_MODES                                                                                    \
    " natural/dispatch/sim/races always-pend/passive/sim/races inline/mixed/sim/races natural/passive/sim "  \
    "natural/mixed/sim always-pend/dispatch/sim always-pend/mixed/sim inline/dispatch/sim "                  \
    "inline/passive/sim"
#define WT_RACE_MODES WT_EPOLL_MODES WT_URING_MODES WT_SIM_RACE_MODES
/* For what has nothing to do with how completions are delivered. */
#define WT_TWO_MODES  "natural/dispatch natural/dispatch/sim"
#endif

/* Start and end of the runtime in the process of the test; the end checks that nothing is left. */
void wt_setup(void);
void wt_teardown(void);
#define WT_FIXTURE                                                                                           \
    TEST_FIXTURE(wt_setup, wt_teardown);                                                                     \
    TEST_MATRIX(WT_MODES)

/* Of datagrams: a windy network loses them. */
#define WT_CALM_FIXTURE                                                                                      \
    TEST_FIXTURE(wt_setup, wt_teardown);                                                                     \
    TEST_MATRIX(WT_CALM_MODES)

#define WT_RACE_FIXTURE                                                                                      \
    TEST_FIXTURE(wt_setup, wt_teardown);                                                                     \
    TEST_MATRIX(WT_RACE_MODES)

#define WT_DATA_FIXTURE                                                                                      \
    TEST_FIXTURE(wt_setup, wt_teardown);                                                                     \
    TEST_MATRIX(WT_DATA_MODES)

/* The client that wt_setup has registered and captured. */
extern WSK_PROVIDER_NPI wt_npi;
extern WSK_REGISTRATION wt_registration;

/* ---- one call with its IRP ---------------------------------------------------------------------------- */

struct wt_op {
    PIRP irp;
    KEVENT done;
    volatile LONG completions;
    NTSTATUS returned; /* what the dispatch function returned */
    NTSTATUS status;
    ULONG_PTR information;
    BOOLEAN pending_returned;
    BOOLEAN cancel; /* Irp->Cancel as the routine saw it */
    KIRQL irql;     /* the routine's */
    PVOID thread;   /* KeGetCurrentThread() in the routine */
    LONG order;     /* 1, 2, 3 ... over all completions and wt_mark() of the test */
    void (*hook)(
        struct wt_op *op); /* runs in the routine, after the above was recorded, before done is set */
    PVOID context;         /* for the hook */
};

extern volatile LONG wt_order;
LONG wt_mark(void); /* the next number in the order of things */

/* A fresh IRP with its routine set.  Done: wait with wt_wait, use it again with wt_again, end with
 * wt_op_free. */
void wt_op_init(struct wt_op *op);
void wt_again(struct wt_op *op); /* IoReuseIrp and the routine again (C-IRP-03, C-IRP-05) */
void wt_op_free(struct wt_op *op);
/* Waits 10 s at most for the completion; answers IoStatus.Status. */
NTSTATUS wt_wait(struct wt_op *op);
BOOLEAN wt_is_done(struct wt_op *op);
/* To be given what a dispatch function returned: checks D-02; the routine and wt_wait check D-01 and D-03. */
NTSTATUS wt_returned(struct wt_op *op, NTSTATUS status);

/* ---- the dispatch functions --------------------------------------------------------------------------- */

NTSTATUS wt_socket(struct wt_op *op, ADDRESS_FAMILY family, ULONG flags, PVOID context, const VOID *dispatch);
NTSTATUS wt_bind(PWSK_SOCKET socket, struct wt_op *op, PSOCKADDR address);
NTSTATUS wt_connect(PWSK_SOCKET socket, struct wt_op *op, PSOCKADDR address);
NTSTATUS wt_connect_ex(PWSK_SOCKET socket, struct wt_op *op, PSOCKADDR address, PWSK_BUF buffer);
NTSTATUS wt_local_address(PWSK_SOCKET socket, struct wt_op *op,
                          PSOCKADDR address); /* not of listening sockets */
NTSTATUS wt_accept(PWSK_SOCKET socket, struct wt_op *op, PVOID context,
                   const WSK_CLIENT_CONNECTION_DISPATCH *dispatch, PSOCKADDR local, PSOCKADDR remote);
NTSTATUS wt_send(PWSK_SOCKET socket, struct wt_op *op, PWSK_BUF buffer, ULONG flags);
NTSTATUS wt_receive(PWSK_SOCKET socket, struct wt_op *op, PWSK_BUF buffer, ULONG flags);
NTSTATUS wt_disconnect(PWSK_SOCKET socket, struct wt_op *op, PWSK_BUF buffer, ULONG flags);
NTSTATUS wt_close(PWSK_SOCKET socket, struct wt_op *op);
NTSTATUS wt_control(PWSK_SOCKET socket, struct wt_op *op, WSK_CONTROL_SOCKET_TYPE type, ULONG code,
                    ULONG level, SIZE_T in_size, PVOID in, SIZE_T out_size, PVOID out);
/* SO_WSK_EVENT_CALLBACK; op NULL = no IRP. */
NTSTATUS wt_events(PWSK_SOCKET socket, ULONG mask, struct wt_op *op);
NTSTATUS wt_release(PWSK_SOCKET socket, PWSK_DATA_INDICATION list);
NTSTATUS wt_send_to(PWSK_SOCKET socket, struct wt_op *op, PWSK_BUF buffer, PSOCKADDR remote,
                    ULONG control_length, PCMSGHDR control);
NTSTATUS wt_send_messages(PWSK_SOCKET socket, struct wt_op *op, PWSK_BUF_LIST list, PSOCKADDR remote);
NTSTATUS wt_receive_from(PWSK_SOCKET socket, struct wt_op *op, PWSK_BUF buffer, PSOCKADDR remote,
                         PULONG control_length, PCMSGHDR control, PULONG flags);
NTSTATUS wt_release_datagrams(PWSK_SOCKET socket, PWSK_DATAGRAM_INDICATION list);

/* ---- in one go (they wait, and end the test when it does not work) ------------------------------------ */

PWSK_SOCKET wt_open(ADDRESS_FAMILY family, ULONG flags, PVOID context, const VOID *dispatch);
/* A listening socket on loopback; *port in host order. */
PWSK_SOCKET wt_listener(ADDRESS_FAMILY family, PVOID context, const WSK_CLIENT_LISTEN_DISPATCH *dispatch,
                        int *port);
/* A datagram socket bound to a port of loopback. */
PWSK_SOCKET wt_datagrams(ADDRESS_FAMILY family, PVOID context, const WSK_CLIENT_DATAGRAM_DISPATCH *dispatch,
                         int *port);
/* A connection that WSK opened to a plain Linux peer. */
PWSK_SOCKET wt_connected(ADDRESS_FAMILY family, PVOID context, const WSK_CLIENT_CONNECTION_DISPATCH *dispatch,
                         int *peer);
/* A connection that WSK accepted (WskAccept) from a plain Linux peer. */
PWSK_SOCKET wt_accepted(ADDRESS_FAMILY family, PVOID context, const WSK_CLIENT_CONNECTION_DISPATCH *dispatch,
                        int *peer);
void wt_close_now(PWSK_SOCKET socket);
/* Sends or receives n bytes and waits; the receive answers the bytes. */
void wt_send_now(PWSK_SOCKET socket, const void *data, SIZE_T length);
SIZE_T wt_receive_now(PWSK_SOCKET socket, void *data, SIZE_T length, ULONG flags);
/* Four bytes there, four back. */
void wt_talk(PWSK_SOCKET socket, int peer);

/* ---- buffers and addresses ---------------------------------------------------------------------------- */

struct wt_buffer {
    UCHAR *bytes;
    SIZE_T size;
    PMDL mdl;
    WSK_BUF buf; /* all of it */
};
void wt_buffer_init(struct wt_buffer *buffer, SIZE_T size);
/* The same bytes described by a chain of MDLs of `piece` bytes each. */
void wt_buffer_chain(struct wt_buffer *buffer, SIZE_T size, SIZE_T piece);
void wt_buffer_free(struct wt_buffer *buffer);

/* 127.0.0.1 or ::1, port in host order; port 0 with any = TRUE is the wildcard address. */
PSOCKADDR wt_loopback(SOCKADDR_STORAGE *storage, ADDRESS_FAMILY family, int port);
PSOCKADDR wt_any(SOCKADDR_STORAGE *storage, ADDRESS_FAMILY family, int port);
int wt_port(const void *address);

/* ---- table access ------------------------------------------------------------------------------------- */

static inline const WSK_PROVIDER_BASIC_DISPATCH *wt_basic(PWSK_SOCKET socket)
{
    return socket->Dispatch;
}
static inline const WSK_PROVIDER_CONNECTION_DISPATCH *wt_connection(PWSK_SOCKET socket)
{
    return socket->Dispatch;
}
static inline const WSK_PROVIDER_DATAGRAM_DISPATCH *wt_datagram(PWSK_SOCKET socket)
{
    return socket->Dispatch;
}
static inline const WSK_PROVIDER_STREAM_DISPATCH *wt_stream(PWSK_SOCKET socket)
{
    return socket->Dispatch;
}
static inline const WSK_PROVIDER_LISTEN_DISPATCH *wt_listen(PWSK_SOCKET socket)
{
    return socket->Dispatch;
}

#endif
