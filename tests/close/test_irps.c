/*
 * test_irps.c - close IRPs that live in every way an IRP may live (D-08..10).
 */
#include "close_test.h"

WT_FIXTURE;

/* ---- IRPs of every kind ------------------------------------------------------------------------------- */

static NTSTATUS NTAPI set_event(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    UNREFERENCED_PARAMETER(Irp);
    KeSetEvent(Context, IO_NO_INCREMENT, FALSE);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

/* IRP and event live on this frame, which is written over as soon as it is left (D-09). */
static __attribute__((noinline)) void close_with_all_on_the_stack(PWSK_SOCKET socket)
{
    __attribute__((aligned(16))) UCHAR room[sizeof(IRP) + 2 * sizeof(IO_STACK_LOCATION)];
    PIRP irp = (PIRP)room;
    KEVENT event;

    EXPECT(sizeof room >= IoSizeOfIrp(1));
    IoInitializeIrp(irp, IoSizeOfIrp(1), 1);
    KeInitializeEvent(&event, SynchronizationEvent, FALSE);
    IoSetCompletionRoutine(irp, set_event, &event, TRUE, TRUE, TRUE);
    if (wt_basic(socket)->WskCloseSocket(socket, irp) == STATUS_PENDING)
        KeWaitForSingleObject(&event, Executive, KernelMode, FALSE, NULL);
    EXPECT_STATUS(irp->IoStatus.Status, STATUS_SUCCESS);
    RtlFillMemory(room, sizeof room, 0xee);
    RtlFillMemory(&event, sizeof event, 0xee);
    __asm__ volatile("" ::"r"(room), "r"(&event) : "memory");
}

TEST(with_irp_and_event_on_the_stack, "C-CLOSE-26 C-CLOSE-33 D-08 D-09 D-10")
{
    int i, peer;

    for (i = 0; i < 50; i++) {
        close_with_all_on_the_stack(wt_connected(AF_INET, NULL, NULL, &peer));
        peer_close(peer);
    }
}

struct context { /* of a socket: gone as soon as the close routine has it */
    volatile LONG *done;
    PVOID seen_device;
    KDPC unrelated;
};

static NTSTATUS NTAPI free_everything(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    struct context *context = Context;
    volatile LONG *done = context->done;

    UNREFERENCED_PARAMETER(DeviceObject);
    EXPECT_STATUS(Irp->IoStatus.Status, STATUS_SUCCESS);
    RtlFillMemory(context, sizeof *context, 0xee);
    ExFreePoolWithTag(context, 'txtC');
    RtlFillMemory(Irp, sizeof *Irp - sizeof(IO_STACK_LOCATION),
                  0); /* what is left of it is nobody's business */
    InterlockedIncrement(done);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

static NTSTATUS NTAPI free_irp_and_context(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    struct context *context = Context;
    volatile LONG *done = context->done;

    UNREFERENCED_PARAMETER(DeviceObject);
    EXPECT_STATUS(Irp->IoStatus.Status, STATUS_SUCCESS);
    RtlFillMemory(context, sizeof *context, 0xee);
    ExFreePoolWithTag(context, 'txtC');
    IoFreeIrp(Irp);
    InterlockedIncrement(done);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

/* As on the page: the routine frees the socket's context and the IRP itself. */
TEST(with_an_irp_that_frees_itself, "C-CLOSE-29 C-CLOSE-31 C-CLOSE-32 C-CLOSE-33 D-08")
{
    volatile LONG done = 0;
    int i, peer = -1;

    for (i = 0; i < 60; i++) {
        struct context *context = ExAllocatePool2(POOL_FLAG_NON_PAGED, sizeof *context, 'txtC');
        PWSK_SOCKET socket = wt_connected(AF_INET, context, &ct_stander, &peer);
        PIRP irp = IoAllocateIrp(1, FALSE);

        context->done = &done;
        IoSetCompletionRoutine(irp, free_irp_and_context, context, TRUE, TRUE, TRUE);
        wt_basic(socket)->WskCloseSocket(socket, irp);
        peer_close(peer);
    }
    EXPECT_SOON(ReadAcquire(&done) == 60);
}

/* An IRP inside a structure of the driver's, wiped by its routine: nothing of ours hangs on it (D-10). */
TEST(with_an_irp_inside_a_structure, "C-CLOSE-33 D-10")
{
    volatile LONG done = 0;
    __attribute__((aligned(16))) UCHAR room[sizeof(IRP) + 2 * sizeof(IO_STACK_LOCATION)];
    int i, peer;

    for (i = 1; i <= 20; i++) {
        struct context *context = ExAllocatePool2(POOL_FLAG_NON_PAGED, sizeof *context, 'txtC');
        PWSK_SOCKET socket = wt_connected(AF_INET, context, NULL, &peer);

        context->done = &done;
        IoInitializeIrp((PIRP)room, IoSizeOfIrp(1), 1);
        IoSetCompletionRoutine((PIRP)room, free_everything, context, TRUE, TRUE, TRUE);
        wt_basic(socket)->WskCloseSocket(socket, (PIRP)room);
        EXPECT_SOON(ReadAcquire(&done) == i);
        peer_close(peer);
    }
}
