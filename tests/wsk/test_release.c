/*
 * test_release.c - lists that WskReceiveEvent keeps by STATUS_PENDING, and WskRelease.
 */
#include "line.h"
#include "host/sanitizer.h"

WT_FIXTURE;

struct kept {
    PWSK_DATA_INDICATION lists[4096];
    SIZE_T lengths[4096];
    volatile LONG count;
    volatile LONG64 bytes;
};

static NTSTATUS keep_all(struct line *line, PWSK_DATA_INDICATION list, SIZE_T bytes, SIZE_T *accepted)
{
    struct kept *kept = line->extra;
    LONG at = kept->count;

    *accepted = 0; /* means nothing with STATUS_PENDING */
    EXPECT(at < 4096);
    kept->lists[at] = list;
    kept->lengths[at] = bytes;
    __atomic_store_n(&kept->count, at + 1, __ATOMIC_RELEASE);
    __atomic_add_fetch(&kept->bytes, (LONG64)bytes, __ATOMIC_RELEASE);
    return STATUS_PENDING;
}

static struct kept kept;

static SIZE_T kept_bytes(void)
{
    return (SIZE_T)__atomic_load_n(&kept.bytes, __ATOMIC_ACQUIRE);
}

/* The bytes of a list are the stream's from `from` on. */
static void expect_list(PWSK_DATA_INDICATION list, SIZE_T from)
{
    for (; list != NULL; list = list->Next) {
        const UCHAR *bytes = MmGetSystemAddressForMdlSafe(list->Buffer.Mdl, NormalPagePriority);

        line_expect(bytes + list->Buffer.Offset, list->Buffer.Length, 6, from);
        from += list->Buffer.Length;
    }
}

static void open_keeping(struct line *line)
{
    line_open(line, AF_INET, 0);
    line->on_receive = keep_all;
    line->extra = &kept;
    EXPECT_STATUS(wt_events(line->socket, WSK_EVENT_RECEIVE, NULL), STATUS_SUCCESS);
}

TEST(lists_are_kept_and_released_in_any_order,
     "R-RECVEV-14 R-REL-05 C-DATA-10 R-IND-03 R-RECVEV-10 R-RECVEV-15", TEST_MODES(WT_CALM_MODES))
{
    struct line line;
    SIZE_T from[8], at = 0;
    int i, order[8] = {3, 0, 7, 1, 6, 2, 5, 4};

    open_keeping(&line);
    for (i = 0; i < 8; i++) { /* new data is indicated while the earlier is still kept */
        UCHAR bytes[100];

        line_fill(bytes, sizeof bytes, 6, at);
        peer_send(line.peer, bytes, sizeof bytes);
        from[i] = at;
        at += sizeof bytes;
        EXPECT_SOON(kept_bytes() == at);
        EXPECT_EQ(kept.count, i + 1);
    }
    for (i = 0; i < 8; i++)
        expect_list(kept.lists[i], from[i]); /* all of them are still readable */
    for (i = 0; i < 8; i++) {
        KIRQL irql;

        expect_list(kept.lists[order[i]], from[order[i]]);
        KeRaiseIrql((i & 1) ? DISPATCH_LEVEL : PASSIVE_LEVEL, &irql);
        EXPECT_STATUS(wt_release(line.socket, kept.lists[order[i]]), STATUS_SUCCESS);
        KeLowerIrql(irql);
    }
    line_close(&line);
}

#if HOST_ASAN
int __asan_address_is_poisoned(const volatile void *address);
#define HOLDS_NOTHING(list) __asan_address_is_poisoned(list)
#elif HOST_TSAN /* the pool has filled it */
#define HOLDS_NOTHING(list) ((ULONG_PTR)(list)->Buffer.Mdl == 0xDEDEDEDEDEDEDEDE)
#else
#define HOLDS_NOTHING(list) ((list)->Buffer.Mdl == NULL)
#endif

/* A driver that looks at a list after its release has none: no MDL, and under a sanitizer no list (the next bytes of any
 * socket get another one). */
TEST(a_released_list_holds_nothing, "R-REL-02 C-DATA-10", TEST_MODES(WT_CALM_MODES))
{
    PWSK_DATA_INDICATION list;
    struct line line;

    open_keeping(&line);
    peer_send(line.peer, "x", 1);
    EXPECT_SOON(line_read(&line.receives) == 1);
    line_disable(line.socket, WSK_EVENT_RECEIVE); /* the callback is out: the list is kept */
    EXPECT(!HOLDS_NOTHING(kept.lists[0]));
    EXPECT_STATUS(wt_release(line.socket, kept.lists[0]), STATUS_SUCCESS);
    EXPECT(HOLDS_NOTHING(kept.lists[0]));
    EXPECT_STATUS(wt_events(line.socket, WSK_EVENT_RECEIVE, NULL), STATUS_SUCCESS);
    peer_send(line.peer, "y", 1);
    EXPECT_SOON(kept_bytes() == 2);
    line_disable(line.socket, WSK_EVENT_RECEIVE);
    list = kept.lists[1];
    EXPECT_EQ(
        *((UCHAR *)MmGetSystemAddressForMdlSafe(list->Buffer.Mdl, NormalPagePriority) + list->Buffer.Offset),
        'y');
    EXPECT_STATUS(wt_release(line.socket, list), STATUS_SUCCESS);
    line_close(&line);
}

TEST(release_refuses_what_is_wrong, "R-REL-02 R-REL-03 R-REL-04 R-REL-05")
{
    WSK_DATA_INDICATION foreign;
    struct line line, other;

    RtlZeroMemory(&foreign, sizeof foreign);
    open_keeping(&line);
    line_open(&other, AF_INET, 0);
    EXPECT_STATUS(wt_release(line.socket, NULL), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(wt_release(line.socket, &foreign), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(wt_connection(line.socket)->WskRelease(NULL, &foreign), STATUS_INVALID_PARAMETER);
    peer_send(line.peer, "x", 1);
    EXPECT_SOON(line_read(&line.receives) == 1);
    line_disable(line.socket, WSK_EVENT_RECEIVE); /* the callback is out: the list is kept */
    EXPECT_STATUS(wt_release(other.socket, kept.lists[0]), STATUS_INVALID_PARAMETER); /* another socket's */
    EXPECT_STATUS(wt_release(line.socket, kept.lists[0]), STATUS_SUCCESS);
    EXPECT_STATUS(wt_release(line.socket, kept.lists[0]), STATUS_INVALID_PARAMETER); /* twice */
    line_close(&line);
    line_close(&other);
}

TEST(the_window_closes_at_the_limit_and_opens_again, "R-RECVEV-14 C-EVT-29 C-OPT-23", TEST_TIMEOUT(60),
     TEST_MODES(WT_CALM_MODES))
{
    static UCHAR bytes[32 * 1024];
    ULONG limit = 32 * 1024;
    SIZE_T sent = 0, stuck = 0, checked = 0, released = 0;
    struct line line;
    struct wt_op op;
    LONG i;

    line_open(&line, AF_INET, 0);
    wt_op_init(&op);
    wt_control(line.socket, &op, WskSetOption, SO_RCVBUF, SOL_SOCKET, sizeof limit, &limit, 0, NULL);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    wt_op_free(&op);
    line.on_receive = keep_all;
    line.extra = &kept;
    EXPECT_STATUS(wt_events(line.socket, WSK_EVENT_RECEIVE, NULL), STATUS_SUCCESS);
    while (stuck < 50) { /* until the peer cannot send any more */
        long n;

        line_fill(bytes, sizeof bytes, 6, sent);
        n = peer_send_some(line.peer, bytes, sizeof bytes);
        EXPECT(n >= 0);
        sent += (SIZE_T)n;
        stuck = n == 0 ? stuck + 1 : 0;
        if (n == 0)
            test_sleep_ms(2);
        EXPECT(sent < 64 * 1024 * 1024);
    }
    EXPECT_SOON(kept_bytes() >= limit);
    EXPECT(kept_bytes() <= limit + 64 * 1024); /* one buffer too much at most */
    while (checked < sent) { /* each release lets more come; everything comes once, in order */
        EXPECT_SOON(line_read(&kept.count) > (LONG)released);
        for (i = (LONG)released; i < line_read(&kept.count); i++, released++) {
            expect_list(kept.lists[i], checked);
            checked += kept.lengths[i];
            EXPECT_SOON(wt_release(line.socket, kept.lists[i]) == STATUS_SUCCESS);
        }
    }
    EXPECT_EQ(checked, sent);
    line_close(&line);
}

TEST(the_graceful_end_comes_while_lists_are_kept, "R-DISCEV-04 R-RECVEV-14")
{
    struct line line;

    open_keeping(&line);
    EXPECT_STATUS(wt_events(line.socket, WSK_EVENT_DISCONNECT, NULL), STATUS_SUCCESS);
    peer_send(line.peer, "x", 1);
    peer_shutdown(line.peer);
    EXPECT_SOON(line_read(&line.gracefuls) == 1);
    EXPECT_EQ(kept.count, 1);
    EXPECT(line.order_disconnect > line.order_receive);
    EXPECT_STATUS(wt_release(line.socket, kept.lists[0]), STATUS_SUCCESS);
    line_close(&line);
}

/* ---- many lists of two sockets ------------------------------------------------------------------------ */

#define MANY                                                                                                 \
    20 /* more than a processor keeps of what was released (src/wsk/indicate.c): the rest comes from the pool */

struct hoard {
    struct line line;
    PWSK_DATA_INDICATION lists[MANY];
    volatile LONG count;
    ULONG seed;
};

static NTSTATUS keep_each(struct line *line, PWSK_DATA_INDICATION list, SIZE_T bytes, SIZE_T *accepted)
{
    struct hoard *hoard = line->extra;
    LONG at = line_read(&hoard->count);

    *accepted = 0;
    EXPECT_EQ(bytes, 1);
    EXPECT(at < MANY);
    hoard->lists[at] = list;
    __atomic_store_n(&hoard->count, at + 1, __ATOMIC_RELEASE);
    return STATUS_PENDING;
}

static void hoard_open(struct hoard *hoard, ULONG seed)
{
    hoard->seed = seed;
    line_open(&hoard->line, AF_INET, 0);
    peer_set_nodelay(hoard->line.peer);
    hoard->line.on_receive = keep_each;
    hoard->line.extra = hoard;
    EXPECT_STATUS(wt_events(hoard->line.socket, WSK_EVENT_RECEIVE, NULL), STATUS_SUCCESS);
}

/* MANY lists of one byte each. */
static void hoard_fill(struct hoard *hoard)
{
    LONG i;

    __atomic_store_n(&hoard->count, 0, __ATOMIC_RELEASE);
    for (i = 0; i < MANY; i++) {
        UCHAR byte = line_pattern(hoard->seed, (SIZE_T)i);

        peer_send(hoard->line.peer, &byte, 1);
        EXPECT_SOON(line_read(&hoard->count) == i + 1);
    }
    line_disable(hoard->line.socket, WSK_EVENT_RECEIVE); /* the last callback is out: its list is kept */
    EXPECT_STATUS(wt_events(hoard->line.socket, WSK_EVENT_RECEIVE, NULL), STATUS_SUCCESS);
}

static void hoard_expect(const struct hoard *hoard)
{
    LONG i;

    for (i = 0; i < MANY; i++) {
        PWSK_DATA_INDICATION list = hoard->lists[i];

        EXPECT(list->Next == NULL);
        EXPECT_EQ(list->Buffer.Length, 1);
        line_expect((const UCHAR *)MmGetSystemAddressForMdlSafe(list->Buffer.Mdl, NormalPagePriority) +
                        list->Buffer.Offset,
                    1, hoard->seed, (SIZE_T)i);
    }
}

static void hoard_release(void *argument)
{
    struct hoard *hoard = argument;
    LONG i;

    for (i = 0; i < MANY; i++)
        EXPECT_STATUS(wt_release(hoard->line.socket, hoard->lists[i]), STATUS_SUCCESS);
}

/* What one socket has given back serves another one: all of its lists are its own, and none is lost.  The second release
 * comes from another thread, beside what arrives for the first socket. */
TEST(what_one_socket_released_another_gets, "R-RECVEV-14", TEST_MODES(WT_TWO_MODES))
{
    static struct hoard first, second;
    struct test_thread *thread;
    int round;

    hoard_open(&first, 1);
    hoard_open(&second, 2);
    hoard_fill(&first);
    hoard_expect(&first);
    hoard_release(&first);
    hoard_fill(&second);
    hoard_expect(&second);
    for (round = 0; round < 3; round++) {
        thread = test_thread_start(hoard_release, &second);
        hoard_fill(&first);
        test_thread_join(thread);
        hoard_expect(&first);
        hoard_fill(&second);
        hoard_expect(&first); /* still its own */
        hoard_expect(&second);
        hoard_release(&first);
    }
    hoard_release(&second);
    line_close(&first.line);
    line_close(&second.line);
}
