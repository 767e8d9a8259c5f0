/*
 * test_irp.c - the IRP as a contract: IRPs that came from above, which routines are called, what may be done
 * inside them, levels, depth, and that one busy connection leaves room for the others.
 */
#include "line.h"

#include "nt/io/io.h"

WT_FIXTURE;

/* ---- an IRP from above: its first location is the driver's, the second is WSK's ----------------------- */

enum what { SEND_IT, RECEIVE_IT };

struct above {
    PWSK_SOCKET socket;
    WSK_BUF buf;
    enum what what;
    BOOLEAN routine, on_success, on_error, on_cancel; /* of the driver in the middle */
    volatile LONG middle, top;
    BOOLEAN middle_pending, top_pending, middle_pended;
    NTSTATUS answer, status, returned;
    ULONG_PTR information;
    PVOID middle_context;
    KEVENT done;
};

static NTSTATUS NTAPI middle_routine(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    struct above *above = Context;

    UNREFERENCED_PARAMETER(DeviceObject);
    above->middle_pending = Irp->PendingReturned;
    if (Irp->PendingReturned)
        IoMarkIrpPending(Irp); /* C-IRP-13 */
    InterlockedIncrement(&above->middle);
    return above->answer;
}

static NTSTATUS NTAPI top_routine(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    struct above *above = Context;

    UNREFERENCED_PARAMETER(DeviceObject);
    above->top_pending = Irp->PendingReturned;
    above->status = Irp->IoStatus.Status;
    above->information = Irp->IoStatus.Information;
    EXPECT_EQ(InterlockedIncrement(&above->top), 1);
    KeSetEvent(&above->done, IO_NO_INCREMENT, FALSE);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

static NTSTATUS NTAPI middle_dispatch(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    struct above *above = *(struct above **)DeviceObject->DeviceExtension;

    if (above->routine)
        IoSetCompletionRoutine(Irp, middle_routine, above, above->on_success, above->on_error,
                               above->on_cancel);
    else /* what the location below held is no matter of WSK's (C-IRP-17) */
        IoCopyCurrentIrpStackLocationToNext(Irp);
    return above->what == SEND_IT
               ? wt_connection(above->socket)->WskSend(above->socket, &above->buf, 0, Irp)
               : wt_connection(above->socket)->WskReceive(above->socket, &above->buf, 0, Irp);
}

struct stack {
    PDRIVER_OBJECT driver;
    PDEVICE_OBJECT device;
    PIRP irp;
};

static void stack_open(struct stack *stack, struct above *above)
{
    KeInitializeEvent(&above->done, NotificationEvent, FALSE);
    stack->driver = io_driver_create("middle", "\\Registry\\Machine\\middle");
    EXPECT(stack->driver != NULL);
    stack->driver->MajorFunction[IRP_MJ_INTERNAL_DEVICE_CONTROL] = middle_dispatch;
    EXPECT_STATUS(
        IoCreateDevice(stack->driver, sizeof above, NULL, FILE_DEVICE_NETWORK, 0, FALSE, &stack->device),
        STATUS_SUCCESS);
    *(struct above **)stack->device->DeviceExtension = above;
    stack->irp = IoAllocateIrp(2, FALSE);
    EXPECT(stack->irp != NULL);
    IoGetNextIrpStackLocation(stack->irp)->MajorFunction = IRP_MJ_INTERNAL_DEVICE_CONTROL;
    IoSetCompletionRoutine(stack->irp, top_routine, above, TRUE, TRUE, TRUE);
    above->returned = IoCallDriver(stack->device, stack->irp);
}

static void stack_close(struct stack *stack, struct above *above)
{
    LARGE_INTEGER due;

    due.QuadPart = -10 * 10000000LL;
    EXPECT_STATUS(KeWaitForSingleObject(&above->done, Executive, KernelMode, FALSE, &due), STATUS_SUCCESS);
    EXPECT_EQ(above->top_pending, above->returned == STATUS_PENDING); /* K-PEND-04 */
    if (above->returned != STATUS_PENDING)
        EXPECT_STATUS(above->returned, above->status);
    IoFreeIrp(stack->irp);
    io_driver_delete(stack->driver);
}

TEST(an_irp_from_above_without_a_routine, "C-IRP-04 C-IRP-09 C-IRP-17 K-PEND-04 D-03")
{
    struct wt_buffer buffer;
    struct above above;
    struct stack stack;
    struct line line;
    char text[4];

    line_open(&line, AF_INET, 0);
    wt_buffer_init(&buffer, 4);
    RtlCopyMemory(buffer.bytes, "down", 4);
    RtlZeroMemory(&above, sizeof above);
    above.socket = line.socket;
    above.buf = buffer.buf;
    above.what = SEND_IT;
    stack_open(&stack, &above);
    peer_receive_all(line.peer, text, 4);
    EXPECT(RtlEqualMemory(text, "down", 4));
    stack_close(&stack, &above);
    EXPECT_STATUS(above.status, STATUS_SUCCESS);
    EXPECT_EQ(above.information, 4);
    wt_buffer_free(&buffer);
    line_close(&line);
}

TEST(routines_of_an_irp_from_above, "C-IRP-10 C-IRP-13 C-IRP-14 K-PEND-04 K-COMPL-03 D-03 D-26")
{
    /* Which of success, error and cancel the routine asks for, and which it gets. */
    static const struct {
        BOOLEAN success, error, cancel;
        int end; /* 0 success, 1 reset, 2 closed (Irp->Cancel set) */
        LONG calls;
    } rows[] = {
        {TRUE, FALSE, FALSE, 0, 1}, {FALSE, TRUE, FALSE, 0, 0}, {FALSE, FALSE, TRUE, 0, 0},
        {TRUE, FALSE, FALSE, 1, 0}, {FALSE, TRUE, FALSE, 1, 1}, {FALSE, FALSE, TRUE, 1, 0},
        {TRUE, FALSE, FALSE, 2, 0}, {FALSE, TRUE, FALSE, 2, 1}, {FALSE, FALSE, TRUE, 2, 1},
    };
    unsigned i;

    for (i = 0; i < RTL_NUMBER_OF(rows); i++) {
        struct wt_buffer buffer;
        struct above above;
        struct stack stack;
        struct line line;
        struct wt_op close;

        line_open(&line, AF_INET, 0);
        wt_buffer_init(&buffer, 4);
        RtlZeroMemory(&above, sizeof above);
        above.socket = line.socket;
        above.buf = buffer.buf;
        above.what = RECEIVE_IT;
        above.routine = TRUE;
        above.on_success = rows[i].success;
        above.on_error = rows[i].error;
        above.on_cancel = rows[i].cancel;
        above.answer = STATUS_SUCCESS; /* lets completion go on (C-IRP-10) */
        stack_open(&stack, &above);
        EXPECT_STATUS(above.returned, STATUS_PENDING);
        if (rows[i].end == 0)
            peer_send(line.peer, "up", 2);
        else if (rows[i].end == 1)
            peer_reset(line.peer);
        else {
            wt_op_init(&close);
            wt_close(line.socket, &close);
        }
        stack_close(&stack, &above);
        EXPECT_STATUS(above.status, rows[i].end == 0   ? STATUS_SUCCESS
                                    : rows[i].end == 1 ? STATUS_CONNECTION_RESET
                                                       : STATUS_CANCELLED);
        EXPECT_EQ(above.middle, rows[i].calls);
        if (rows[i].calls)
            EXPECT(above.middle_pending);
        if (rows[i].end == 2) {
            EXPECT_STATUS(wt_wait(&close), STATUS_SUCCESS);
            wt_op_free(&close);
            peer_close(line.peer);
            line_free(&line);
        } else {
            if (rows[i].end == 1)
                line.peer = -1;
            line_close(&line);
        }
        wt_buffer_free(&buffer);
    }
}

/* ---- inside a completion routine ---------------------------------------------------------------------- */

struct again {
    PWSK_SOCKET socket;
    struct wt_op send, receive, control, close;
    struct wt_buffer in, out;
    ULONG value;
};

static void everything(struct wt_op *op)
{
    struct again *again = op->context;

    again->value = 1;
    EXPECT_STATUS(
        wt_control(again->socket, NULL, WskSetOption, TCP_NODELAY, IPPROTO_TCP, 4, &again->value, 0, NULL),
        STATUS_SUCCESS);
    EXPECT_STATUS(wt_events(again->socket, WSK_EVENT_RECEIVE | WSK_EVENT_DISABLE, NULL), STATUS_SUCCESS);
    wt_receive(again->socket, &again->receive, &again->in.buf, 0);
    wt_send(again->socket, &again->send, &again->out.buf, 0);
}

static void close_it(struct wt_op *op)
{
    struct again *again = op->context;

    EXPECT_STATUS(wt_close(again->socket, &again->close), STATUS_PENDING); /* our own IRP still counts */
}

TEST(any_function_may_be_called_inside_a_routine, "D-05 C-IRP-19 C-CLOSE-20 C-IRP-01")
{
    struct again again;
    struct line line;
    struct wt_op op;
    char text[8];

    line_open(&line, AF_INET, 0);
    RtlZeroMemory(&again, sizeof again);
    again.socket = line.socket;
    wt_buffer_init(&again.in, 4);
    wt_buffer_init(&again.out, 4);
    RtlCopyMemory(again.out.bytes, "echo", 4);
    wt_op_init(&again.send);
    wt_op_init(&again.receive);
    wt_op_init(&again.close);
    wt_op_init(&op);
    op.hook = everything;
    op.context = &again;
    again.receive.hook = close_it;
    again.receive.context = &again;
    wt_receive(line.socket, &op, &again.in.buf, 0);
    peer_send(line.peer, "a", 1);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    peer_receive_all(line.peer, text, 4);
    EXPECT_STATUS(wt_wait(&again.send), STATUS_SUCCESS);
    peer_send(line.peer, "b", 1);
    EXPECT_STATUS(wt_wait(&again.receive), STATUS_SUCCESS);
    EXPECT_STATUS(wt_wait(&again.close), STATUS_SUCCESS);
    EXPECT(again.receive.order < again.close.order);
    peer_expect_reset(line.peer);
    peer_close(line.peer);
    wt_op_free(&op);
    wt_op_free(&again.send);
    wt_op_free(&again.receive);
    wt_op_free(&again.close);
    wt_buffer_free(&again.in);
    wt_buffer_free(&again.out);
    line_free(&line);
}

TEST(calls_under_a_lock_of_the_driver, "D-05 C-IRP-19 R-SEND-10 R-RECV-15 R-CONN-07 R-ACC-16 R-LADDR-10")
{
    SOCKADDR_STORAGE address;
    struct wt_buffer in, out;
    struct line line;
    struct wt_op send, receive, query, disconnect, close;
    KSPIN_LOCK lock;
    char text[4];
    KIRQL irql;

    line_open(&line, AF_INET, 0);
    KeInitializeSpinLock(&lock);
    wt_buffer_init(&in, 4);
    wt_buffer_init(&out, 4);
    wt_op_init(&send);
    wt_op_init(&receive);
    wt_op_init(&query);
    wt_op_init(&disconnect);
    wt_op_init(&close);
    KeAcquireSpinLock(&lock, &irql);
    EXPECT_STATUS(wt_events(line.socket, WSK_EVENT_DISCONNECT, NULL), STATUS_SUCCESS);
    wt_receive(line.socket, &receive, &in.buf, WSK_FLAG_WAITALL);
    wt_send(line.socket, &send, &out.buf, 0);
    wt_returned(&query,
                wt_connection(line.socket)->WskGetLocalAddress(line.socket, (PSOCKADDR)&address, query.irp));
    wt_disconnect(line.socket, &disconnect, NULL, 0);
    EXPECT_EQ(KeGetCurrentIrql(), DISPATCH_LEVEL);
    KeReleaseSpinLock(&lock, irql);
    peer_receive_all(line.peer, text, 4);
    peer_send(line.peer, "1234", 4);
    EXPECT_STATUS(wt_wait(&send), STATUS_SUCCESS);
    EXPECT_STATUS(wt_wait(&receive), STATUS_SUCCESS);
    EXPECT_STATUS(wt_wait(&query), STATUS_SUCCESS);
    EXPECT_STATUS(wt_wait(&disconnect), STATUS_SUCCESS);
    KeAcquireSpinLock(&lock, &irql);
    wt_close(line.socket, &close);
    KeReleaseSpinLock(&lock, irql);
    EXPECT_STATUS(wt_wait(&close), STATUS_SUCCESS);
    peer_close(line.peer);
    wt_op_free(&send);
    wt_op_free(&receive);
    wt_op_free(&query);
    wt_op_free(&disconnect);
    wt_op_free(&close);
    wt_buffer_free(&in);
    wt_buffer_free(&out);
    line_free(&line);
}

/* ---- re-issuing from the routine ---------------------------------------------------------------------- */

struct pump {
    PWSK_SOCKET socket;
    struct wt_buffer buffer;
    PIRP irp;
    KEVENT over;
    volatile LONG received, depth, deepest;
};

static NTSTATUS NTAPI pump_routine(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    struct pump *pump = Context;
    LONG depth = InterlockedIncrement(&pump->depth);

    UNREFERENCED_PARAMETER(DeviceObject);
    if (depth > pump->deepest)
        pump->deepest = depth;
    if (Irp->IoStatus.Status != STATUS_SUCCESS || Irp->IoStatus.Information == 0) {
        InterlockedDecrement(&pump->depth);
        KeSetEvent(&pump->over, IO_NO_INCREMENT, FALSE);
        return STATUS_MORE_PROCESSING_REQUIRED;
    }
    InterlockedExchangeAdd(&pump->received, (LONG)Irp->IoStatus.Information);
    IoReuseIrp(Irp, STATUS_UNSUCCESSFUL);
    IoSetCompletionRoutine(Irp, pump_routine, pump, TRUE, TRUE, TRUE);
    wt_connection(pump->socket)->WskReceive(pump->socket, &pump->buffer.buf, 0, Irp);
    InterlockedDecrement(&pump->depth);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

TEST(reissuing_from_the_routine_neither_recurses_nor_starves, "D-05 D-09 C-IRP-03 C-IRP-15 C-IRP-19")
{
    static UCHAR bytes[50000];
    struct pump pump;
    struct line other;
    LARGE_INTEGER due;
    int peer, i;

    line_open(&other, AF_INET, WSK_EVENT_RECEIVE);
    RtlZeroMemory(&pump, sizeof pump);
    pump.socket = wt_connected(AF_INET, NULL, NULL, &peer);
    wt_buffer_init(&pump.buffer, 1); /* one byte a time: 50,000 completions */
    KeInitializeEvent(&pump.over, NotificationEvent, FALSE);
    peer_send(peer, bytes, sizeof bytes);
    pump.irp = IoAllocateIrp(1, FALSE);
    IoSetCompletionRoutine(pump.irp, pump_routine, &pump, TRUE, TRUE, TRUE);
    wt_connection(pump.socket)->WskReceive(pump.socket, &pump.buffer.buf, 0, pump.irp);
    for (i = 0; i < 5; i++) {
        peer_send(other.peer, "x", 1);
        EXPECT_SOON(line_read(&other.bytes) == i + 1);
    }
    peer_shutdown(peer);
    due.QuadPart = -20 * 10000000LL;
    EXPECT_STATUS(KeWaitForSingleObject(&pump.over, Executive, KernelMode, FALSE, &due), STATUS_SUCCESS);
    EXPECT_EQ(pump.received, sizeof bytes);
    EXPECT(pump.deepest <= 5); /* bounded, whatever the mode */
    IoFreeIrp(pump.irp);
    wt_buffer_free(&pump.buffer);
    wt_close_now(pump.socket);
    peer_close(peer);
    line_close(&other);
}

/* ---- the thread that issued it is gone ---------------------------------------------------------------- */

struct issued {
    PWSK_SOCKET socket;
    struct wt_op op;
    struct wt_buffer buffer;
};

static void issue_main(void *argument)
{
    struct issued *issued = argument;

    EXPECT_STATUS(wt_receive(issued->socket, &issued->op, &issued->buffer.buf, 0), STATUS_PENDING);
}

TEST(an_irp_outlives_the_thread_that_issued_it, "C-IRP-19 C-IRP-22 K-IRP-02")
{
    struct issued issued;
    struct line line;

    line_open(&line, AF_INET, 0);
    issued.socket = line.socket;
    wt_buffer_init(&issued.buffer, 4);
    wt_op_init(&issued.op);
    test_thread_join(test_thread_start(issue_main, &issued));
    peer_send(line.peer, "late", 4);
    EXPECT_STATUS(wt_wait(&issued.op), STATUS_SUCCESS);
    wt_op_free(&issued.op);
    wt_buffer_free(&issued.buffer);
    line_close(&line);
}
