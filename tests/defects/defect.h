/*
 * defect.h - what the drivers of tests/defects have in common.
 *
 * Each of them is a small driver with one planted bug of a kind that is met in the field; README.md lists them.
 * Compiled with -DFIXED the bug is gone: what the simulator reports on the one and not on the other is the bug.
 * A driver supplies DefectStart and DefectStop; defect.c registers, listens and unloads.
 */
#ifndef DEFECT_H
#define DEFECT_H

#include <ntddk.h>
#include <wsk.h>

#include "../../drivers/common/wskclient.h"

#define DEFECT_PORT 7001
#define DEFECT_TAG  'tcfD'

/* The driver's own part, at PASSIVE_LEVEL: after the registration, before the deregistration. When DefectStart
 * fails it has undone what it did, and DefectStop is not called. DefectStop closes every socket. */
NTSTATUS DefectStart(VOID);
VOID DefectStop(VOID);

/* The socket that DefectListen made, and what the unload signals before it calls DefectStop. */
extern PWSK_SOCKET DefectListener;
extern KEVENT DefectStopping;

/* Listens on 127.0.0.1, DEFECT_PORT; with a dispatch table its WskAcceptEvent is enabled. */
NTSTATUS DefectListen(_In_opt_ CONST WSK_CLIENT_LISTEN_DISPATCH *Dispatch, _In_opt_ PVOID Context);

/* Waits for the next client, or NULL when the driver is to go. The dispatch table may be NULL. */
PWSK_SOCKET DefectAccept(_In_opt_ PVOID Context, _In_opt_ CONST WSK_CLIENT_CONNECTION_DISPATCH *Dispatch);

/* Listens, and serves one client after the other on each of so many threads; Serve closes the socket. What every
 * driver here does that has nothing else to show. DefectServeEnd waits for the threads and closes the listener. */
typedef VOID DEFECT_SERVE(_In_ PWSK_SOCKET Socket);
NTSTATUS DefectServe(_In_ DEFECT_SERVE *Serve, _In_ ULONG Threads);
VOID DefectServeEnd(VOID);

/* A system thread; DefectJoin waits for its end. NULL without memory. */
PVOID DefectThread(_In_ PKSTART_ROUTINE Routine, _In_opt_ PVOID Context);
VOID DefectJoin(_In_opt_ PVOID Thread);

/* Nonpaged memory, zeroed; DefectFree accepts NULL. */
PVOID DefectAllocate(_In_ SIZE_T Bytes);
VOID DefectFree(_In_opt_ PVOID Memory);

/* An IRP with a completion routine that is always called. NULL without memory. */
PIRP DefectIrp(_In_ PIO_COMPLETION_ROUTINE Routine, _In_opt_ PVOID Context);

/* Memory with an MDL, and a WSK_BUF over all of it. */
typedef struct _DEFECT_BUFFER {
    WSK_BUF WskBuf;
    UCHAR Data[256];
} DEFECT_BUFFER, *PDEFECT_BUFFER;
PDEFECT_BUFFER DefectBuffer(VOID);
VOID DefectBufferFree(_In_opt_ PDEFECT_BUFFER Buffer);

/* The functions of a connection. */
#define CONNECTION(Socket) ((CONST WSK_PROVIDER_CONNECTION_DISPATCH *)(Socket)->Dispatch)

/* Waits for the end of a request, or for the event that an IRP's completion routine sets, and cancels it when the
 * driver is to go: a peer that has fallen silent ends nothing.  The final status of the request. */
NTSTATUS DefectWait(_In_ PCLIENT_REQUEST Request);
VOID DefectWaitFor(_In_ PKEVENT Done, _In_ PIRP Irp);

/* Receives something, or sends the whole buffer, and waits; the final status. */
NTSTATUS DefectReceive(_In_ PWSK_SOCKET Socket, _In_ PDEFECT_BUFFER Buffer, _Out_opt_ PULONG_PTR Bytes);
NTSTATUS DefectSend(_In_ PWSK_SOCKET Socket, _In_ PDEFECT_BUFFER Buffer);

/* Sleeps for so many microseconds; returns at once when the driver is to go. */
VOID DefectPause(_In_ ULONG Microseconds);

#endif
