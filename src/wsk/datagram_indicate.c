/*
 * datagram_indicate.c - datagrams in memory of ours: as a queue that nobody has accepted yet, before a driver in
 * WskReceiveFromEvent, kept by it until WskRelease (areas RFEV, REL, IND).
 *
 * Each is a block of its own.  A driver may unlink a list that it keeps, use Next for itself and give the
 * datagrams back one by one, some of them inside the callback (D-14): so what it has is found by its address,
 * in a table, and Next is read only when it is given back.
 */
#include "wsk/datagram.h"

#define DATAGRAM_RETAINED_LIMIT (16u << 20) /* bytes that the client keeps */
#define DATA_ALIGN              8u

static struct wsk_datagram_indication *indication_of_link(PLIST_ENTRY link)
{
    return CONTAINING_RECORD(link, struct wsk_datagram_indication, link);
}

/* ---- the queue ---------------------------------------------------------------------------------------- */

static SIZE_T align_up(SIZE_T size)
{
    return (size + DATA_ALIGN - 1) & ~(SIZE_T)(DATA_ALIGN - 1);
}

/* Room for everything of a datagram; its MDL may span one page more than its bytes fill. */
static struct wsk_datagram_indication *indication_new(SIZE_T bytes, ULONG control, UCHAR **control_at,
                                                      UCHAR **data_at)
{
    SIZE_T pages = bytes / PAGE_SIZE + 2;
    SIZE_T head = align_up(sizeof(struct wsk_datagram_indication) + pages * sizeof(PFN_NUMBER));
    SIZE_T size = head + align_up(control) + bytes;
    struct wsk_datagram_indication *indication =
        ex_allocate_pool(POOL_FLAG_NON_PAGED | POOL_FLAG_UNINITIALIZED, size, WSK_TAG_DATAGRAM);

    if (indication == NULL)
        return NULL;
    RtlZeroMemory(indication, sizeof *indication);
    indication->size = size;
    *control_at = (UCHAR *)indication + head;
    *data_at = *control_at + align_up(control);
    return indication;
}

void wsk_datagram_keep(struct wsk_socket *socket, const struct transport_received *received)
{
    struct wsk_datagram_indication *indication;
    UCHAR control[WSK_CONTROL_MOST], *control_at, *data_at;
    ULONG control_size = wsk_control_out(socket, &received->about, control);

    indication = indication_new(received->bytes, control_size, &control_at, &data_at);
    if (indication == NULL)
        return;
    RtlCopyMemory(data_at, received->data, received->bytes);
    RtlCopyMemory(control_at, control, control_size);
    wsk_address_out(&received->about.remote, (PSOCKADDR)&indication->remote);
    indication->kind = wsk_datagram_kind(&received->about);
    indication->public.RemoteAddress = (PSOCKADDR)&indication->remote;                /* R-IND-05 */
    indication->public.ControlInfo = control_size != 0 ? (PCMSGHDR)control_at : NULL; /* R-IND-04 */
    indication->public.ControlInfoLength = control_size;
    MmInitializeMdl(&indication->mdl, data_at, received->bytes);
    mm_build_mdl_for_non_paged_pool(&indication->mdl);
    indication->public.Buffer.Mdl = &indication->mdl;
    indication->public.Buffer.Length = received->bytes;
    InsertTailList(&socket->datagram->receive.queue, &indication->link);
}

struct wsk_datagram_indication *wsk_datagram_first(struct wsk_socket *socket)
{
    PLIST_ENTRY queue = &socket->datagram->receive.queue;

    return IsListEmpty(queue) ? NULL : indication_of_link(queue->Flink);
}

void wsk_datagram_drop(struct wsk_datagram_indication *first)
{
    RemoveEntryList(&first->link);
    ex_free_pool(first);
}

void wsk_datagram_sift(struct wsk_socket *socket)
{
    PLIST_ENTRY queue = &socket->datagram->receive.queue, link = queue->Flink;

    while (link != queue) {
        struct wsk_datagram_indication *indication = indication_of_link(link);

        link = link->Flink;
        if (!wsk_datagram_is_wanted(socket, &indication->remote))
            wsk_datagram_drop(indication);
    }
}

void wsk_datagram_free_all(PLIST_ENTRY list)
{
    while (!IsListEmpty(list))
        ex_free_pool(indication_of_link(RemoveHeadList(list)));
}

void wsk_datagram_end(struct wsk_socket *socket, PLIST_ENTRY kept)
{
    PLIST_ENTRY link;

    wsk_datagram_free_all(&socket->datagram->receive.queue);
    for (link = socket->datagram->receive.retained.Flink; link != &socket->datagram->receive.retained;
         link = link->Flink)
        RemoveEntryList(&indication_of_link(link)->bucket);
    while (!IsListEmpty(&socket->datagram->receive.retained))
        InsertTailList(kept, RemoveHeadList(&socket->datagram->receive.retained));
}

/* ---- what the driver has ------------------------------------------------------------------------------ */

BOOLEAN wsk_datagram_has_room(const struct wsk_socket *socket)
{
    return socket->datagram->receive.retained_bytes < DATAGRAM_RETAINED_LIMIT;
}

static PLIST_ENTRY bucket_of(struct wsk_socket *socket, const void *indication)
{
    ULONG_PTR key = (ULONG_PTR)indication >> 6;

    return &socket->datagram->receive.buckets[(key ^ key >> 6) % WSK_DATAGRAM_BUCKETS];
}

static struct wsk_datagram_indication *find(struct wsk_socket *socket, const WSK_DATAGRAM_INDICATION *public)
{
    PLIST_ENTRY bucket = bucket_of(socket, public), link;

    for (link = bucket->Flink; link != bucket; link = link->Flink) {
        struct wsk_datagram_indication *indication =
            CONTAINING_RECORD(link, struct wsk_datagram_indication, bucket);

        if (&indication->public == public)
            return indication;
    }
    return NULL;
}

/* lock held: the driver has it no more. */
static void give_back(struct wsk_socket *socket, struct wsk_datagram_indication *indication)
{
    RemoveEntryList(&indication->link);
    RemoveEntryList(&indication->bucket);
    if (indication->retained) {
        socket->datagram->receive.retained_bytes -= indication->size;
        OBSERVE(dead, OBSERVE_INDICATION, indication);
    } else {
        wsk_count_taken(socket, indication->public.Buffer.Length, 1);
    }
    ex_free_pool(indication);
}

/* lock held: what is first in the queue, and what follows it of the same kind (R-RFEV-03), as a list for the
 * driver. */
static struct wsk_datagram_indication *show(struct wsk_socket *socket)
{
    struct wsk_datagram_indication *head = wsk_datagram_first(socket), *last = NULL, *next;

    while ((next = wsk_datagram_first(socket)) != NULL && next->kind == head->kind) {
        RemoveEntryList(&next->link);
        InsertTailList(&socket->datagram->receive.shown, &next->link);
        InsertTailList(bucket_of(socket, next), &next->bucket);
        next->public.Next = NULL; /* R-IND-03 */
        if (last != NULL)
            last->public.Next = &next->public;
        last = next;
    }
    return head;
}

/* lock held: nobody took them: to the front of the queue, in order (R-RFEV-08). */
static void put_back(struct wsk_socket *socket)
{
    struct wsk_datagram *datagram = socket->datagram;

    while (!IsListEmpty(&datagram->receive.shown)) {
        struct wsk_datagram_indication *last = indication_of_link(RemoveTailList(&datagram->receive.shown));

        RemoveEntryList(&last->bucket);
        InsertHeadList(&datagram->receive.queue, &last->link);
    }
    wsk_datagram_sift(socket); /* the remote address may have been fixed meanwhile */
}

/* lock held: the client keeps what it has not given back yet (R-RFEV-06). */
static void retain(struct wsk_socket *socket)
{
    struct wsk_datagram *datagram = socket->datagram;

    while (!IsListEmpty(&datagram->receive.shown)) {
        struct wsk_datagram_indication *next = indication_of_link(RemoveHeadList(&datagram->receive.shown));

        next->retained = TRUE;
        InsertTailList(&datagram->receive.retained, &next->link);
        datagram->receive.retained_bytes += next->size;
        wsk_count_taken(socket, next->public.Buffer.Length, 1);
        OBSERVE(born, OBSERVE_INDICATION, next, WSK_TAG_DATAGRAM, next->public.Buffer.Length,
                socket->client->caller);
    }
}

/* lock held: what the callback decided. */
static void indicate_end(struct wsk_socket *socket, NTSTATUS status)
{
    PLIST_ENTRY shown = &socket->datagram->receive.shown;

    if (status == STATUS_PENDING) {
        retain(socket);
        return;
    }
    if (status != STATUS_SUCCESS && !(socket->static_events & WSK_CALLBACK_RECEIVE_FROM)) {
        put_back(socket);
        wsk_event_disable(socket, WSK_CALLBACK_RECEIVE_FROM); /* R-RFEV-08, 09; unknown statuses, too */
        return;
    }
    while (!IsListEmpty(shown)) /* all taken, or not wanted by a callback that stays enabled (R-RFEV-10) */
        give_back(socket, indication_of_link(shown->Flink));
}

void wsk_datagram_indicate(struct wsk_socket *socket, PKIRQL irql)
{
    const WSK_CLIENT_DATAGRAM_DISPATCH *table = socket->client_dispatch;
    struct wsk_datagram_indication *head = show(socket);
    PVOID context = socket->context;
    NTSTATUS status;
    ULONG flags;

    KE_ASSERT(head != NULL); /* due since the lock was taken */
    flags = head->kind;
    socket->datagram->receive.indicating = TRUE;
    wsk_unlock(socket, *irql);

    if (ke_current_irql() == DISPATCH_LEVEL)
        flags |= WSK_FLAG_AT_DISPATCH_LEVEL;
    RTL_CALL(OBSERVE_CALLBACK, socket, "WskReceiveFromEvent", table->WskReceiveFromEvent,
             rtl_call_frame.status = status = table->WskReceiveFromEvent(context, flags, &head->public));

    *irql = wsk_lock(socket);
    socket->datagram->receive.indicating = FALSE;
    indicate_end(socket, status);
    wsk_datagram_pump(socket);
}

/* WskRelease (nf-wsk-wskrelease for datagram indications): gives back datagrams that WskReceiveFromEvent keeps,
 * from the given one on along Next.  <= DISPATCH_LEVEL.  STATUS_SUCCESS or STATUS_INVALID_PARAMETER. */
NTSTATUS WSKAPI wsk_release_datagrams(PWSK_SOCKET Socket, PWSK_DATAGRAM_INDICATION DatagramIndication)
{
    struct wsk_socket *socket = Socket != NULL ? wsk_socket_of(Socket) : NULL;
    PWSK_DATAGRAM_INDICATION at = DatagramIndication;
    struct wsk_datagram_indication *indication;
    NTSTATUS status = STATUS_INVALID_PARAMETER;
    KIRQL irql;

    if (socket == NULL || DatagramIndication == NULL || !wsk_socket_valid(socket) ||
        socket->category != WSK_DATAGRAM || !wsk_gate_enter(socket)) {
        OBSERVE(socket, OBSERVE_SOCKET_REFUSED, socket, NULL, "WskRelease");
        return STATUS_INVALID_PARAMETER; /* R-REL-05; on a closed socket, too */
    }
    irql = wsk_lock(socket);
    while (at != NULL && (indication = find(socket, at)) != NULL) {
        at = at->Next;
        give_back(socket, indication);
        status = STATUS_SUCCESS;
    }
    if (status == STATUS_SUCCESS)
        wsk_datagram_pump(socket); /* there may be room again */
    else
        OBSERVE(socket, OBSERVE_SOCKET_UNKNOWN, socket, NULL, "WskRelease");
    wsk_unlock(socket, irql);
    wsk_gate_leave(socket);
    return status;
}
