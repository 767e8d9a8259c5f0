/*
 * closesocket.h - the two functions of the documentation page "Closing a Socket", and the socket context that
 * they share with the rest of this driver.
 */
#ifndef CLOSESOCKET_H
#define CLOSESOCKET_H

#include <ntddk.h>
#include <wsk.h>

/*
 * One socket of this driver. Nonpaged: completion routines use it at DISPATCH_LEVEL. It is freed by the
 * thread that has waited for Closed, never earlier.
 */
typedef struct _WSK_APP_SOCKET_CONTEXT {
    PWSK_SOCKET Socket;

    volatile LONG Pending; /* requests that have not completed */
    volatile LONG Inside;  /* callbacks and completion routines of this socket that run now */
    volatile LONG Ended;   /* completions so far: gives each its place in the order */

    /* What CloseSocketComplete found, valid once Closed is signalled. */
    KEVENT Closed;
    NTSTATUS CloseStatus;
    LONG ClosePlace;   /* its place in the order of completions */
    LONG ClosePending; /* Pending at that moment: has to be 0 */
    LONG CloseInside;  /* Inside at that moment: has to be 0 */
} WSK_APP_SOCKET_CONTEXT, *PWSK_APP_SOCKET_CONTEXT;

/*
 * Closes a socket of any category. No other call on the socket may be in progress; requests may be pending.
 *
 * STATUS_INSUFFICIENT_RESOURCES: nothing has happened, the socket is still open, call again later. Any other
 * value says no more than that the request was made: the outcome is what CloseSocketComplete sees. Socket
 * must not be used any more, and SocketContext only by whoever knows that it still exists.
 */
_IRQL_requires_max_(DISPATCH_LEVEL) _Must_inspect_result_ NTSTATUS
    CloseSocket(_In_ PWSK_SOCKET Socket, _In_ PWSK_APP_SOCKET_CONTEXT SocketContext);

#endif
