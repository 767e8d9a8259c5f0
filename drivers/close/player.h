/*
 * player.h - a socket under observation: its context, the requests that are pending on it, and the account of
 * the order in which everything ended.
 */
#ifndef PLAYER_H
#define PLAYER_H

#include "closesocket.h"

#define PLAYER_TAG     'slCW'
#define MAX_OPERATIONS 6

struct _PLAYER;

/* One request. Lives in its player and is not used twice. */
typedef struct _OPERATION {
    struct _PLAYER *Player;
    PCSTR Name; /* the WSK function */
    ULONG Number;
    PIRP Irp;
    PMDL Mdl;
    PUCHAR Buffer;
    WSK_BUF WskBuf;
    BOOLEAN Meets;       /* PlayerMeet inside the completion routine */
    BOOLEAN MayEndEarly; /* it may end before the close, with any status */

    /* Valid once Done is signalled. */
    KEVENT Done;
    NTSTATUS Status;
    ULONG_PTR Information;
    BOOLEAN Cancel; /* Irp->Cancel as the routine saw it */
    LONG Place;     /* in the order of completions */
} OPERATION, *POPERATION;

typedef struct _PLAYER {
    WSK_APP_SOCKET_CONTEXT Context; /* first: the context of callbacks and of CloseSocket */
    OPERATION Operations[MAX_OPERATIONS];
    ULONG Count;
    BOOLEAN MeetInEvent;   /* PlayerMeet in the next event callback */
    volatile LONG Meeting; /* see PlayerMeet */
    BOOLEAN RetainInEvent;
    PWSK_DATA_INDICATION Retained;
    struct _PLAYER
        *CloseHanded;       /* a listener: close the next connection in WskAcceptEvent, for this player */
    KEVENT Event;           /* an event callback has done its work */
    NTSTATUS CloseReturned; /* what WskCloseSocket returned */
    PCSTR CloseWhere;       /* a remark for the timeline */
} PLAYER, *PPLAYER;

extern CONST WSK_CLIENT_CONNECTION_DISPATCH PlayerConnectionDispatch;
extern CONST WSK_CLIENT_LISTEN_DISPATCH PlayerListenDispatch;

/* Signalled by DriverUnload: nobody waits for a client any more. */
extern KEVENT PlayerStop;

/* A player without a socket, or NULL. PlayerFree takes one whose socket is closed, or that never had one. */
_IRQL_requires_max_(DISPATCH_LEVEL) PPLAYER PlayerCreate(VOID);
_IRQL_requires_max_(DISPATCH_LEVEL) VOID PlayerFree(_In_ PPLAYER Player);

/* Forgets the requests of a player, all of them done, so that there is room for new ones. */
_IRQL_requires_max_(DISPATCH_LEVEL) VOID PlayerForget(_In_ PPLAYER Player);

/*
 * Each starts a request and returns it while it is pending or done, or NULL when memory lacks. Length bytes
 * of buffer come with the request.
 */
_IRQL_requires_(PASSIVE_LEVEL) POPERATION PlayerAccept(_In_ PPLAYER Player, _In_opt_ PPLAYER Connection);
_IRQL_requires_(PASSIVE_LEVEL) POPERATION PlayerConnect(_In_ PPLAYER Player, _In_ USHORT Port);
_IRQL_requires_(PASSIVE_LEVEL) POPERATION
    PlayerReceive(_In_ PPLAYER Player, _In_ SIZE_T Length, _In_ BOOLEAN Meets);
_IRQL_requires_(PASSIVE_LEVEL) POPERATION
    PlayerSend(_In_ PPLAYER Player, _In_reads_opt_(Length) PCSTR Data, _In_ SIZE_T Length);
_IRQL_requires_(PASSIVE_LEVEL) POPERATION PlayerDisconnect(_In_ PPLAYER Player);

/*
 * Waits until the request is done: TRUE. FALSE: no time (about five seconds) or no driver is left; the
 * request is still pending.
 */
_IRQL_requires_(PASSIVE_LEVEL) BOOLEAN PlayerWait(_In_ POPERATION Operation);

/* The same for an event, such as the one that a player's callbacks set. */
_IRQL_requires_(PASSIVE_LEVEL) BOOLEAN PlayerWaitEvent(_In_ PKEVENT Event);

/*
 * A callback or completion routine wants to close the socket, but must not while the player's thread is
 * inside a call on it. So both call PlayerMeet, the thread when its last call has returned, and the second
 * one closes. PlayerTakeBack, when the other one does not come: TRUE: it never will close, the socket is the
 * thread's.
 */
_IRQL_requires_max_(DISPATCH_LEVEL) VOID PlayerMeet(_In_ PPLAYER Player, _In_ PCSTR Where);
_IRQL_requires_max_(DISPATCH_LEVEL) BOOLEAN PlayerTakeBack(_In_ PPLAYER Player);

/* Closes the player's socket, here and now. */
_IRQL_requires_max_(DISPATCH_LEVEL) VOID PlayerClose(_In_ PPLAYER Player, _In_ PCSTR Where);

/*
 * Waits for the close and prints what ended when. TRUE when all of it was as it has to be: each request ended
 * exactly once, those cut short with STATUS_CANCELLED and Information 0, and the close came last, with
 * nothing of the socket running any more.
 */
_IRQL_requires_(PASSIVE_LEVEL) BOOLEAN PlayerReport(_In_ PPLAYER Player, _In_ PCSTR What);

#endif
