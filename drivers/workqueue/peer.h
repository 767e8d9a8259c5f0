/*
 * peer.h - accepted connections: what comes from the client is retained, and sent back by a work queue.
 */
#ifndef PEER_H
#define PEER_H

#include "job.h"
#include <wsk.h>

/*
 * For WskAcceptEvent: takes a new connection. Its context, for its callbacks (PeerDispatch), or NULL: it is not
 * wanted. Its jobs are done by Queue, and its end by Closer, whose thread waits.
 */
_IRQL_requires_max_(DISPATCH_LEVEL) PVOID
    PeerAccept(_In_ PWSK_SOCKET Socket, _In_ PJOB_QUEUE Queue, _In_ PJOB_QUEUE Closer);

extern CONST WSK_CLIENT_CONNECTION_DISPATCH PeerDispatch;

/* Before the first connection, and after the last: when WskDeregister has returned. */
_IRQL_requires_(PASSIVE_LEVEL) VOID PeersStart(VOID);
_IRQL_requires_(PASSIVE_LEVEL) VOID PeersStop(VOID);

/* Ends all connections; no new one is taken from here on. Their sockets may still be open when it returns. */
_IRQL_requires_(PASSIVE_LEVEL) VOID PeersAbort(VOID);

#endif
