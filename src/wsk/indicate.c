/*
 * indicate.c - received bytes that stand in buffers of the transport: as the stream's head that nobody has
 * accepted yet (`data`), before a driver in WskReceiveEvent, kept by it until WskRelease (areas RECVEV, REL,
 * DATA, IND).
 *
 * receive.c decides when bytes come here and who gets them; each buffer is one WSK_DATA_INDICATION with its
 * MDL, made when the bytes arrive and freed when they have been accepted.
 */
#include "wsk/turn.h"
#include "host/sanitizer.h"

/* What a retained list counts at least: it pins a whole buffer of the transport, however few bytes are in it. */
#define WSK_RECEIVE_LIST_CHARGE 1024u

/* One buffer of data.  The head of a retained list stands in socket->receive.retained; its elements hang on
 * Next. */
struct wsk_indication {
    WSK_DATA_INDICATION public; /* first: what the driver sees */
    LIST_ENTRY link;            /* in `data`; of a list's head: in `retained` or client->orphans */
    PVOID provided;             /* the transport's buffer */
    SIZE_T total;               /* of a retained list's head: what it counts towards the limit */
    union {
        MDL mdl;
        UCHAR room[sizeof(MDL) + 32 * sizeof(PFN_NUMBER)];
    };
};

static struct wsk_indication *indication_of_link(PLIST_ENTRY link)
{
    return CONTAINING_RECORD(link, struct wsk_indication, link);
}

/* Without bytes, until the next bytes of any socket on this processor: saves pool and free, and one that was used last is
 * in the cache.  Whoever holds a socket's lock is at DISPATCH_LEVEL and owns a processor. */
#define WSK_SPARE_INDICATIONS 15
static struct DECLSPEC_CACHEALIGN {
    unsigned count;
    struct wsk_indication *spare[WSK_SPARE_INDICATIONS];
} spares[KE_MAX_PROCESSORS];

/* A sanitizer is to see who looks at one that he has given back: the pool marks it and puts off its reuse.  So is the
 * simulator, which takes what two owners did to one that lives on for a race of theirs. */
static const BOOLEAN spares_are_kept = !HOST_ASAN && !HOST_TSAN;

/* lock held, or socket NULL.  Whoever looks at one that waits for the next bytes finds no MDL in it. */
static void indication_free(struct wsk_socket *socket, struct wsk_indication *indication)
{
    int processor = ke_current_thread()->processor;

    WSK_TRANSPORT_OPS->recycle(wsk_settings.transport, indication->provided);
    indication->public.Buffer.Mdl = NULL;
    if (spares_are_kept && !(host_watched & HOST_WATCH_POINTS) && socket != NULL &&
        processor != KE_NO_PROCESSOR && spares[processor].count < WSK_SPARE_INDICATIONS)
        spares[processor].spare[spares[processor].count++] = indication;
    else
        ex_free_pool(indication);
}

/* lock held. */
static struct wsk_indication *indication_new(void)
{
    int processor = ke_current_thread()->processor;

    if (processor == KE_NO_PROCESSOR || spares[processor].count == 0)
        return ex_allocate_pool(POOL_FLAG_NON_PAGED, sizeof(struct wsk_indication), WSK_TAG_INDICATION);
    return spares[processor].spare[--spares[processor].count];
}

void wsk_indication_flush(void)
{
    unsigned i;

    for (i = 0; i < KE_MAX_PROCESSORS; i++)
        while (spares[i].count != 0)
            ex_free_pool(spares[i].spare[--spares[i].count]);
}

/* Frees a list by its head: the elements hang on Next. */
static void indication_list_free(struct wsk_socket *socket, struct wsk_indication *head)
{
    while (head != NULL) {
        struct wsk_indication *next = (struct wsk_indication *)head->public.Next;

        indication_free(socket, head);
        head = next;
    }
}

void wsk_indication_free_all(PLIST_ENTRY list)
{
    while (!IsListEmpty(list))
        indication_list_free(NULL, indication_of_link(RemoveHeadList(list)));
}

void wsk_data_close(struct wsk_socket *socket)
{
    wsk_indication_free_all(&socket->receive.data);
}

NTSTATUS wsk_data_append(struct wsk_socket *socket, void *provided, SIZE_T bytes)
{
    struct wsk_indication *indication = indication_new();
    SIZE_T room = WSK_TRANSPORT_OPS->provided_size(wsk_settings.transport);

    C_ASSERT(sizeof(((struct wsk_indication *)0)->room) >= sizeof(MDL) + 32 * sizeof(PFN_NUMBER));
    KE_ASSERT(room <= 31 * PAGE_SIZE);
    if (indication == NULL) {
        WSK_TRANSPORT_OPS->recycle(wsk_settings.transport, provided);
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    indication->provided = provided;
    MmInitializeMdl(&indication->mdl, provided, bytes);
    mm_build_mdl_for_non_paged_pool(&indication->mdl); /* D-12: MmGetSystemAddressForMdlSafe works */
    indication->public.Buffer.Mdl = &indication->mdl;
    indication->public.Buffer.Offset = 0;
    indication->public.Buffer.Length = bytes;
    indication->public.Next = NULL;
    InsertTailList(&socket->receive.data, &indication->link);
    socket->receive.data_bytes += bytes;
    return STATUS_SUCCESS;
}

/* lock held: the first `bytes` of data have been accepted. */
static void data_consume(struct wsk_socket *socket, SIZE_T bytes)
{
    KE_ASSERT(bytes <= socket->receive.data_bytes);
    socket->receive.data_bytes -= bytes;
    while (bytes != 0) {
        struct wsk_indication *first = indication_of_link(socket->receive.data.Flink);
        SIZE_T take = min(bytes, first->public.Buffer.Length);

        bytes -= take;
        if (take == first->public.Buffer.Length) {
            RemoveEntryList(&first->link);
            indication_free(socket, first);
        } else {
            first->public.Buffer.Offset += (ULONG)take; /* C-DATA-14: none lost, none twice */
            first->public.Buffer.Length -= take;
        }
    }
}

SIZE_T wsk_data_copy(struct wsk_socket *socket, PMDL mdl, ULONG offset, SIZE_T position, SIZE_T want)
{
    SIZE_T copied = 0;
    PLIST_ENTRY link;

    for (link = socket->receive.data.Flink; link != &socket->receive.data && copied < want;
         link = link->Flink) {
        struct wsk_indication *from = indication_of_link(link);
        SIZE_T part = min(want - copied, from->public.Buffer.Length);

        mm_mdl_copy_to(mdl, offset, position + copied, (UCHAR *)from->provided + from->public.Buffer.Offset,
                       part);
        copied += part;
    }
    data_consume(socket, copied);
    return copied;
}

void wsk_data_discard(struct wsk_socket *socket)
{
    data_consume(socket, socket->receive.data_bytes);
}

/* ---- WskReceiveEvent and WskRelease ------------------------------------------------------------------- */

/* lock held: takes all of data out as one list for the driver; NULL when there is none. */
static struct wsk_indication *indicate_begin(struct wsk_socket *socket, SIZE_T *bytes)
{
    struct wsk_indication *head = NULL, *last = NULL;

    *bytes = 0;
    while (!IsListEmpty(&socket->receive.data)) {
        struct wsk_indication *next = indication_of_link(RemoveHeadList(&socket->receive.data));

        next->public.Next = NULL; /* R-IND-03 */
        if (last != NULL)
            last->public.Next = &next->public;
        else
            head = next;
        last = next;
        *bytes += next->public.Buffer.Length; /* R-RECVEV-08 */
    }
    socket->receive.data_bytes = 0;
    return head;
}

/* lock held: nobody kept the list: back to the front of the stream it goes. */
static void indicate_put_back(struct wsk_socket *socket, struct wsk_indication *head)
{
    LIST_ENTRY list;

    InitializeListHead(&list);
    while (head != NULL) {
        struct wsk_indication *next = (struct wsk_indication *)head->public.Next;

        socket->receive.data_bytes += head->public.Buffer.Length;
        head->public.Next = NULL; /* in `data` each stands alone */
        InsertTailList(&list, &head->link);
        head = next;
    }
    /* What arrived during the callback stands behind it. */
    while (!IsListEmpty(&list))
        InsertHeadList(&socket->receive.data, RemoveTailList(&list));
}

/* lock held: what the callback decided. */
static void indicate_end(struct wsk_socket *socket, struct wsk_indication *head, NTSTATUS status,
                         SIZE_T bytes, SIZE_T accepted)
{
    BOOLEAN released = socket->receive.released;

    socket->receive.indicated = NULL;
    socket->receive.released = FALSE;
    if (head == NULL)
        return;
    if (released || status == STATUS_PENDING)
        wsk_count_taken(socket, bytes, 0);
    else if (status == STATUS_SUCCESS)
        wsk_count_taken(socket, min(accepted, bytes), 0);
    if (released) { /* WskRelease was faster than the callback's return: whatever that says, the list is given
                       back */
        indication_list_free(socket, head);
        return;
    }
    if (status == STATUS_PENDING) { /* R-RECVEV-14: kept until WskRelease */
        head->total = max(bytes, WSK_RECEIVE_LIST_CHARGE);
        socket->receive.retained_bytes += head->total;
        InsertTailList(&socket->receive.retained, &head->link);
        OBSERVE(born, OBSERVE_INDICATION, head, WSK_TAG_INDICATION, bytes, socket->client->caller);
        return;
    }
    if (status == STATUS_SUCCESS && accepted >= bytes) { /* D-13: all of it */
        indication_list_free(socket, head);
        return;
    }
    indicate_put_back(socket, head);
    if (status == STATUS_SUCCESS) /* R-RECVEV-12 */
        data_consume(socket, accepted);
    socket->latches |= WSK_LATCH_SUSPENDED; /* R-RECVEV-13; unknown statuses mean: not accepted (D-13) */
}

void wsk_receive_indicate(struct wsk_socket *socket, struct wsk_turn *turn, PKIRQL irql)
{
    const WSK_CLIENT_CONNECTION_DISPATCH *table;
    struct wsk_indication *head;
    SIZE_T bytes, accepted;
    NTSTATUS status;
    PVOID context;
    BOOLEAN dead;
    ULONG flags;

    table = socket->client_dispatch;
    context = socket->context;
    dead = (socket->latches & WSK_LATCH_RESET) != 0;
    if (dead) {
        socket->latches |= WSK_LATCH_TOLD_DEATH; /* C-DATA-09: no list, the socket is dead */
        head = NULL;
        bytes = 0;
    } else {
        head = indicate_begin(socket, &bytes);
        socket->receive.indicating = head != NULL;
        socket->receive.indicated = head;
    }
    KE_ASSERT(head != NULL || dead); /* due since the lock was taken: no WskReceive came in between */
    wsk_unlock(socket, *irql);

    accepted = bytes; /* C-DATA-13 */
    flags = ke_current_irql() == DISPATCH_LEVEL ? WSK_FLAG_AT_DISPATCH_LEVEL : 0;
    RTL_CALL(OBSERVE_CALLBACK, socket, "WskReceiveEvent", table->WskReceiveEvent,
             rtl_call_frame.status = status = table->WskReceiveEvent(
                 context, flags, head != NULL ? &head->public : NULL, bytes, &accepted));
    if (turn != NULL)
        wsk_turn_posted(turn);

    *irql = wsk_lock(socket);
    socket->receive.indicating = FALSE;
    indicate_end(socket, head, status, bytes, accepted);
    wsk_receive_pump(socket);
}

/* WskRelease (nf-wsk-wskrelease for data indications): gives back a list that WskReceiveEvent kept by
 * STATUS_PENDING. DataIndication: the head that the callback got.  <= DISPATCH_LEVEL.  STATUS_SUCCESS or
 * STATUS_INVALID_PARAMETER. */
NTSTATUS WSKAPI wsk_release(PWSK_SOCKET Socket, PWSK_DATA_INDICATION DataIndication)
{
    struct wsk_socket *socket = Socket != NULL ? wsk_socket_of(Socket) : NULL;
    NTSTATUS status = STATUS_INVALID_PARAMETER;
    PLIST_ENTRY link;
    KIRQL irql;

    if (socket == NULL || !wsk_socket_valid(socket) || !wsk_gate_enter(socket)) {
        OBSERVE(socket, OBSERVE_SOCKET_REFUSED, socket, NULL, "WskRelease");
        return STATUS_INVALID_PARAMETER; /* R-REL-05; on a closed socket, too */
    }
    irql = wsk_lock(socket);
    if (socket->receive.indicated != NULL && &socket->receive.indicated->public == DataIndication) {
        /* Another thread is done with the list before the callback that hands it out has returned
         * STATUS_PENDING. */
        if (!socket->receive.released)
            status = STATUS_SUCCESS;
        socket->receive.released = TRUE;
    }
    for (link = socket->receive.retained.Flink; link != &socket->receive.retained; link = link->Flink) {
        struct wsk_indication *head = indication_of_link(link);

        if (&head->public != DataIndication)
            continue;
        RemoveEntryList(&head->link);
        socket->receive.retained_bytes -= head->total;
        OBSERVE(dead, OBSERVE_INDICATION, head);
        indication_list_free(socket, head);
        wsk_receive_pump(socket); /* the window may open again */
        status = STATUS_SUCCESS;
        break;
    }
    if (status != STATUS_SUCCESS)
        OBSERVE(socket, OBSERVE_SOCKET_UNKNOWN, socket, NULL, "WskRelease");
    wsk_unlock(socket, irql);
    wsk_gate_leave(socket);
    return status;
}
