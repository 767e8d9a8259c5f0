/*
 * statistics.h - an extension interface of uwsk's own: what one socket has done.
 *
 * For drivers, beside wsk.h.  A driver registers a socket, of any category, with WskControlSocket,
 * SIO_WSK_REGISTER_EXTENSION and no IRP, and counts from then on:
 *
 *     WSK_EXTENSION_CONTROL_IN in = {&NPI_UWSK_STATISTICS_ID, context, NULL};
 *     WSK_EXTENSION_CONTROL_OUT out;
 *     UWSK_STATISTICS now;
 *
 *     status = basic->WskControlSocket(socket, WskIoctl, SIO_WSK_REGISTER_EXTENSION, 0, sizeof in, &in,
 *                                      sizeof out, &out, NULL, NULL);
 *     if (NT_SUCCESS(status))
 *         ((const UWSK_STATISTICS_PROVIDER_DISPATCH *)out.ProviderDispatch)->UwskQueryStatistics(
 *             out.ProviderContext, &now);
 *
 * The functions count as functions of the socket: none may be in progress when WskCloseSocket is called, none
 * may be called after (C-CLOSE-06).  Other WSK subsystems answer STATUS_NOT_SUPPORTED (C-EXT-03).
 */
#ifndef UWSK_STATISTICS_H
#define UWSK_STATISTICS_H

#include <wsk.h>

#ifdef __cplusplus
extern "C" {
#endif

static CONST NPIID NPI_UWSK_STATISTICS_ID __attribute__((__unused__)) = {
    0x9d1f6e2a, 0x3c57, 0x4b80, {0xa6, 0x14, 0x5e, 0x0b, 0xd7, 0x92, 0x48, 0xf3}};

/* Since the registration or the last reset.  A request counts once, when it ends, before its completion routine
 * runs; one that the socket refused because it was closing does not.  The counters are not of one moment: what ends
 * while they are read or reset may stand in some of them only. */
typedef struct _UWSK_STATISTICS {
    ULONG64 BytesSent;         /* by WskSend, WskSendTo, WskSendMessages, WskConnectEx */
    ULONG64 BytesReceived;     /* by WskReceive, WskReceiveFrom, and taken by the client in event callbacks */
    ULONG64 DatagramsSent;     /* to the network stack */
    ULONG64 DatagramsReceived; /* the same ways as bytes */
    ULONG64 Sends;             /* send requests of all kinds that have ended, well or not */
    ULONG64 Receives;          /* WskReceive and WskReceiveFrom that have ended, well or not */
    ULONG64 Requests;          /* IRPs of all kinds that have ended, those of sends and receives, too */
    ULONG64 Errors;            /* those of them that ended with an error */
    ULONG64 Callbacks;         /* event callbacks that have begun */
    ULONG64 Pending;           /* IRPs that the socket has now, whenever they came; never reset */
} UWSK_STATISTICS, *PUWSK_STATISTICS;

/*
 * Reads the counters. ProviderContext is what the registration returned. IRQL <=
 * DISPATCH_LEVEL. STATUS_SUCCESS, STATUS_INVALID_PARAMETER, and from a socket that
 * is closing or closed STATUS_FILE_FORCED_CLOSED.
 */
typedef _IRQL_requires_max_(DISPATCH_LEVEL) _Must_inspect_result_
    NTSTATUS(WSKAPI *PFN_UWSK_QUERY_STATISTICS)(_In_ PVOID ProviderContext,
                                                _Out_ PUWSK_STATISTICS Statistics);

/* Counts from 0 again. As UwskQueryStatistics. */
typedef _IRQL_requires_max_(DISPATCH_LEVEL)
    NTSTATUS(WSKAPI *PFN_UWSK_RESET_STATISTICS)(_In_ PVOID ProviderContext);

/* What WSK offers for this interface. */
typedef struct _UWSK_STATISTICS_PROVIDER_DISPATCH {
    PFN_UWSK_QUERY_STATISTICS UwskQueryStatistics;
    PFN_UWSK_RESET_STATISTICS UwskResetStatistics;
} UWSK_STATISTICS_PROVIDER_DISPATCH, *PUWSK_STATISTICS_PROVIDER_DISPATCH;

/*
 * The socket's connection is over: both sides have disconnected (STATUS_SUCCESS),
 * or it was aborted or reset (why). Comes once, never with another callback of the
 * socket, after those that are due before it; at once when it was over before the
 * registration. Flags: WSK_FLAG_AT_DISPATCH_LEVEL or 0. IRQL <= DISPATCH_LEVEL.
 */
typedef VOID(WSKAPI *PFN_UWSK_CONNECTION_ENDED_EVENT)(_In_opt_ PVOID ClientContext, _In_ ULONG Flags,
                                                      _In_ NTSTATUS Status);

/* What the driver offers: the registration's ClientDispatch, which may be NULL, as may the function. */
typedef struct _UWSK_STATISTICS_CLIENT_DISPATCH {
    PFN_UWSK_CONNECTION_ENDED_EVENT UwskConnectionEndedEvent;
} UWSK_STATISTICS_CLIENT_DISPATCH, *PUWSK_STATISTICS_CLIENT_DISPATCH;

#ifdef __cplusplus
}
#endif

#endif
