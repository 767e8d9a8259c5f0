/*
 * The I/O manager's side of devices: names, files, buffers, the IRPs that it makes and takes back, stacks.
 *
 * The test is the driver: its dispatch routine records what it gets and does what the test has told it.
 */
#include "../nt/bugcheck.h"
#include "nt/ex/ex.h"
#include "nt/io/file.h"
#include "nt/io/io.h"
#include "nt/mm/mm.h"
#include "nt/ob/ob.h"
#include <string.h>

static PDRIVER_OBJECT driver;
static PDEVICE_OBJECT device; /* \Device\T */

/* What the dispatch routine saw last, per major function, and what it is to do. */
static struct {
    LONG calls;
    PDEVICE_OBJECT device;
    PIRP irp;
    IO_STACK_LOCATION location;
    PVOID system, user;
    PMDL mdl;
    ULONG flags;
    PVOID mapped;
    KPROCESSOR_MODE mode;
    PVOID thread;
    KIRQL irql;
    UCHAR data[16]; /* the first bytes of the system buffer */
} seen[IRP_MJ_MAXIMUM_FUNCTION + 1];

static struct {
    NTSTATUS status;
    ULONG_PTR information;
    const char *answer; /* goes into the system buffer */
    PDEVICE_OBJECT lower;
    BOOLEAN pend;
} todo;

static PIRP pended;

static NTSTATUS NTAPI dispatch(PDEVICE_OBJECT to, PIRP irp)
{
    PIO_STACK_LOCATION location = IoGetCurrentIrpStackLocation(irp);
    UCHAR major = location->MajorFunction;
    BOOLEAN plain = major == IRP_MJ_CREATE || major == IRP_MJ_CLEANUP || major == IRP_MJ_CLOSE;
    NTSTATUS status = plain ? STATUS_SUCCESS : todo.status;

    seen[major].calls++;
    seen[major].device = to;
    seen[major].irp = irp;
    seen[major].location = *location;
    seen[major].system = irp->AssociatedIrp.SystemBuffer;
    seen[major].user = irp->UserBuffer;
    seen[major].mdl = irp->MdlAddress;
    seen[major].flags = irp->Flags;
    seen[major].mapped =
        irp->MdlAddress ? MmGetSystemAddressForMdlSafe(irp->MdlAddress, NormalPagePriority) : NULL;
    seen[major].mode = irp->RequestorMode;
    seen[major].thread = irp->Tail.Overlay.Thread;
    seen[major].irql = KeGetCurrentIrql();
    if (irp->AssociatedIrp.SystemBuffer && location->Parameters.DeviceIoControl.InputBufferLength <= 16)
        memcpy(seen[major].data, irp->AssociatedIrp.SystemBuffer,
               location->Parameters.DeviceIoControl.InputBufferLength);
    if (to->DeviceExtension && *(PDEVICE_OBJECT *)to->DeviceExtension) { /* a filter */
        IoSkipCurrentIrpStackLocation(irp);
        return IoCallDriver(*(PDEVICE_OBJECT *)to->DeviceExtension, irp);
    }
    if (todo.pend && !plain) {
        IoMarkIrpPending(irp);
        pended = irp;
        return STATUS_PENDING;
    }
    if (todo.answer && !plain)
        memcpy(irp->AssociatedIrp.SystemBuffer, todo.answer, strlen(todo.answer));
    irp->IoStatus.Status = status;
    irp->IoStatus.Information = plain ? 0 : todo.information;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return status;
}

static PDEVICE_OBJECT make_device(PCWSTR name, ULONG extension, BOOLEAN exclusive)
{
    UNICODE_STRING text;
    PDEVICE_OBJECT made;

    RtlInitUnicodeString(&text, name);
    EXPECT_STATUS(
        IoCreateDevice(driver, extension, name ? &text : NULL, FILE_DEVICE_UNKNOWN, 0, exclusive, &made),
        STATUS_SUCCESS);
    made->Flags &= ~(ULONG)DO_DEVICE_INITIALIZING;
    return made;
}

static void setup(void)
{
    driver = io_driver_create("t", "t");
    EXPECT(driver != NULL);
    for (int i = 0; i <= IRP_MJ_MAXIMUM_FUNCTION; i++)
        driver->MajorFunction[i] = dispatch;
    device = make_device(L"\\Device\\T", 0, FALSE);
}

static SIZE_T blocks_left;
static BOOLEAN ended; /* in a bug check: what was under way stays so */

static BOOLEAN count_block(void *context, const struct ex_pool_block *block)
{
    UNREFERENCED_PARAMETER(context);
    if (block->kind == EX_POOL_IRP || block->kind == EX_POOL_MDL || block->tag == 0x71657249u ||
        block->tag == 0x66756249u)
        blocks_left++;
    return TRUE;
}

/* No IRP, MDL, request or system buffer is left. */
static void teardown(void)
{
    if (ended)
        return;
    ex_pool_walk(count_block, NULL);
    EXPECT_EQ(blocks_left, 0);
    EXPECT_EQ(io_driver_opens(driver), 0);
    io_driver_delete(driver);
}

TEST_FIXTURE(setup, teardown);

static NTSTATUS try_open(PCWSTR name, PFILE_OBJECT *file)
{
    UNICODE_STRING text;

    RtlInitUnicodeString(&text, name);
    return io_open_file(&text, FILE_READ_DATA, UserMode, file);
}

static PFILE_OBJECT open(PCWSTR name)
{
    PFILE_OBJECT file;

    EXPECT_STATUS(try_open(name, &file), STATUS_SUCCESS);
    return file;
}

static void close(PFILE_OBJECT file)
{
    EXPECT_STATUS(io_close_file(file, 5000), STATUS_SUCCESS);
}

static NTSTATUS make_link(PCWSTR name, PCWSTR target)
{
    UNICODE_STRING a, b;

    RtlInitUnicodeString(&a, name);
    RtlInitUnicodeString(&b, target);
    return IoCreateSymbolicLink(&a, &b);
}

static void delete_link(PCWSTR name)
{
    UNICODE_STRING a;

    RtlInitUnicodeString(&a, name);
    EXPECT_STATUS(IoDeleteSymbolicLink(&a), STATUS_SUCCESS);
}

/* ---- names -------------------------------------------------------------------------------------------- */

TEST(links_lead_to_the_device, "")
{
    PFILE_OBJECT file;

    EXPECT_STATUS(make_link(L"\\DosDevices\\A", L"\\??\\B"), STATUS_SUCCESS);
    EXPECT_STATUS(try_open(L"\\\\.\\A", &file), STATUS_OBJECT_NAME_NOT_FOUND);
    EXPECT_STATUS(make_link(L"\\??\\B", L"\\Device\\T\\below"), STATUS_SUCCESS);
    EXPECT_STATUS(make_link(L"\\DosDevices\\b", L"\\Device\\T"), STATUS_OBJECT_NAME_COLLISION);
    file = open(L"\\\\.\\a\\x");
    EXPECT(file->DeviceObject == device);
    EXPECT_EQ(file->FileName.Length, 8 * sizeof(WCHAR));
    EXPECT(memcmp(file->FileName.Buffer, L"\\below\\x", 8 * sizeof(WCHAR)) == 0);
    close(file);
    delete_link(L"\\??\\A");
    delete_link(L"\\DosDevices\\B");
}

TEST(a_circle_of_links_leads_nowhere, "")
{
    PFILE_OBJECT file;

    EXPECT_STATUS(make_link(L"\\??\\A", L"\\??\\B"), STATUS_SUCCESS);
    EXPECT_STATUS(make_link(L"\\??\\B", L"\\??\\A"), STATUS_SUCCESS);
    EXPECT_STATUS(try_open(L"\\??\\A", &file), STATUS_OBJECT_NAME_NOT_FOUND);
    EXPECT(file == NULL);
    delete_link(L"\\??\\A");
    delete_link(L"\\??\\B");
}

TEST(a_device_is_open_to_one_or_to_nobody, "")
{
    PDEVICE_OBJECT exclusive = make_device(L"\\Device\\E", 0, TRUE);
    PFILE_OBJECT first, second;

    first = open(L"\\Device\\E");
    EXPECT_STATUS(try_open(L"\\Device\\E", &second), STATUS_ACCESS_DENIED);
    close(first);
    close(open(L"\\Device\\E"));
    exclusive->Flags |= DO_DEVICE_INITIALIZING;
    EXPECT_STATUS(try_open(L"\\Device\\E", &second), STATUS_NO_SUCH_DEVICE);
    IoDeleteDevice(exclusive);
    EXPECT_STATUS(try_open(L"\\Device\\E", &second), STATUS_OBJECT_NAME_NOT_FOUND);
    first = open(L"\\Device\\T");
    EXPECT(!io_driver_begin_unload(driver));
    close(first);
    EXPECT(io_driver_begin_unload(driver));
    EXPECT_STATUS(try_open(L"\\Device\\T", &second), STATUS_NO_SUCH_DEVICE);
}

/* ---- files -------------------------------------------------------------------------------------------- */

TEST(a_file_is_created_cleaned_up_and_closed, "")
{
    PFILE_OBJECT file = open(L"\\Device\\T");

    EXPECT_EQ(seen[IRP_MJ_CREATE].calls, 1);
    EXPECT(seen[IRP_MJ_CREATE].location.FileObject == file);
    EXPECT_EQ(seen[IRP_MJ_CREATE].location.Parameters.Create.Options >> 24, FILE_OPEN);
    EXPECT_EQ(seen[IRP_MJ_CREATE].mode, UserMode);
    EXPECT_EQ(seen[IRP_MJ_CREATE].irql, PASSIVE_LEVEL);
    EXPECT_EQ(file->Type, IO_TYPE_FILE);
    file->FsContext = file;
    ObReferenceObject(file); /* a driver holds on to it */
    close(file);
    EXPECT_EQ(seen[IRP_MJ_CLEANUP].calls, 1);
    EXPECT_EQ(seen[IRP_MJ_CLOSE].calls, 0);
    EXPECT(file->Flags & FO_CLEANUP_COMPLETE);
    ObDereferenceObject(file);
    EXPECT_EQ(seen[IRP_MJ_CLOSE].calls, 1);
    EXPECT(seen[IRP_MJ_CLOSE].location.FileObject == file);
}

TEST(close_is_sent_at_passive_level, "")
{
    PFILE_OBJECT file = open(L"\\Device\\T");
    struct ke_config config = {.processors = 1};
    KIRQL irql;

    EXPECT_STATUS(ke_start(&config), STATUS_SUCCESS);
    ObReferenceObject(file);
    close(file);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    ObDereferenceObject(file);
    KeLowerIrql(irql);
    ex_workers_shutdown(); /* waits for what is queued */
    EXPECT_EQ(seen[IRP_MJ_CLOSE].calls, 1);
    EXPECT_EQ(seen[IRP_MJ_CLOSE].irql, PASSIVE_LEVEL);
    ke_stop();
}

TEST(a_deleted_device_stays_while_it_is_open, "")
{
    PFILE_OBJECT file = open(L"\\Device\\T");

    IoDeleteDevice(device);
    close(file);
    EXPECT(seen[IRP_MJ_CLOSE].device == device);
}

TEST(a_driver_opens_another_ones_device, "")
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\Device\\T");
    PDEVICE_OBJECT found;
    PFILE_OBJECT file;

    EXPECT_STATUS(IoGetDeviceObjectPointer(&name, FILE_READ_DATA, &file, &found), STATUS_SUCCESS);
    EXPECT(found == device);
    EXPECT_EQ(seen[IRP_MJ_CREATE].mode, KernelMode);
    EXPECT_EQ(seen[IRP_MJ_CLEANUP].calls, 1);
    EXPECT_EQ(seen[IRP_MJ_CLOSE].calls, 0);
    ObDereferenceObject(file);
    EXPECT_EQ(seen[IRP_MJ_CLOSE].calls, 1);
    name.Length -= sizeof(WCHAR);
    EXPECT_STATUS(IoGetDeviceObjectPointer(&name, FILE_READ_DATA, &file, &found),
                  STATUS_OBJECT_NAME_NOT_FOUND);
    EXPECT(file == NULL && found == NULL);
}

/* ---- buffers ------------------------------------------------------------------------------------------ */

static IO_STATUS_BLOCK perform(PFILE_OBJECT file, const struct io_operation *operation)
{
    struct io_request *request;
    IO_STATUS_BLOCK result;

    EXPECT_STATUS(io_start_request(file, operation, UserMode, NULL, NULL, &request), STATUS_SUCCESS);
    EXPECT_STATUS(io_wait_request(request, NULL, &result), STATUS_SUCCESS);
    io_release_request(request);
    return result;
}

static IO_STATUS_BLOCK control(ULONG method, PVOID in, ULONG in_length, PVOID out, ULONG out_length)
{
    struct io_operation operation = {.major = IRP_MJ_DEVICE_CONTROL,
                                     .code = CTL_CODE(FILE_DEVICE_UNKNOWN, 1, method, FILE_ANY_ACCESS),
                                     .input = in,
                                     .input_length = in_length,
                                     .output = out,
                                     .output_length = out_length};
    PFILE_OBJECT file = open(L"\\Device\\T");
    IO_STATUS_BLOCK result = perform(file, &operation);

    close(file);
    EXPECT_EQ(seen[IRP_MJ_DEVICE_CONTROL].location.Parameters.DeviceIoControl.IoControlCode, operation.code);
    EXPECT_EQ(seen[IRP_MJ_DEVICE_CONTROL].location.Parameters.DeviceIoControl.InputBufferLength, in_length);
    EXPECT_EQ(seen[IRP_MJ_DEVICE_CONTROL].location.Parameters.DeviceIoControl.OutputBufferLength, out_length);
    return result;
}

#define SEEN seen[IRP_MJ_DEVICE_CONTROL]

TEST(buffered_goes_through_one_system_buffer, "")
{
    char in[4] = "abcd", out[8] = "........";

    todo.answer = "ABCDEFGH";
    todo.information = 5;
    EXPECT_EQ(control(METHOD_BUFFERED, in, 4, out, 8).Information, 5);
    EXPECT(SEEN.system != in && SEEN.system != out && SEEN.mdl == NULL && SEEN.user == out);
    EXPECT(memcmp(SEEN.data, "abcd", 4) == 0);
    EXPECT(memcmp(out, "ABCDE...", 8) == 0);
    EXPECT(SEEN.thread == KeGetCurrentThread());
    todo.answer = "1234";
    todo.information = 4000; /* more than there is room for */
    control(METHOD_BUFFERED, in, 4, out, 2);
    EXPECT(memcmp(out, "12CDE...", 8) == 0);
    todo.status = STATUS_UNSUCCESSFUL; /* nothing is copied */
    control(METHOD_BUFFERED, in, 4, out, 8);
    EXPECT(memcmp(out, "12CDE...", 8) == 0);
    todo.answer = NULL;
    control(METHOD_BUFFERED, NULL, 0, NULL, 0);
    EXPECT(SEEN.system == NULL && SEEN.user == NULL);
}

TEST(direct_describes_the_callers_own_memory, "K-MDL-04")
{
    char in[4] = "abcd", out[8] = "........";

    for (ULONG method = METHOD_IN_DIRECT; method <= METHOD_OUT_DIRECT; method++) {
        control(method, in, 4, out, 8);
        EXPECT(SEEN.system != NULL && SEEN.system != in);
        EXPECT(memcmp(SEEN.data, "abcd", 4) == 0);
        EXPECT(SEEN.mdl != NULL && SEEN.mapped == out);
        control(method, NULL, 0, NULL, 0);
        EXPECT(SEEN.system == NULL && SEEN.mdl == NULL);
    }
}

TEST(neither_hands_over_addresses, "")
{
    char in[4], out[8];

    control(METHOD_NEITHER, in, 4, out, 8);
    EXPECT(SEEN.system == NULL && SEEN.mdl == NULL && SEEN.user == out);
    EXPECT(SEEN.location.Parameters.DeviceIoControl.Type3InputBuffer == in);
}

TEST(output_that_cannot_be_written_is_refused, "")
{
    static const char constant[8] = "constant";
    PVOID page = host_pages_allocate(4096, 4096, HOST_PAGE_READ);
    struct io_operation operation = {.major = IRP_MJ_DEVICE_CONTROL,
                                     .code = CTL_CODE(FILE_DEVICE_UNKNOWN, 1, METHOD_OUT_DIRECT, 0),
                                     .input = (PVOID)constant,
                                     .input_length = 8,
                                     .output = page,
                                     .output_length = 8};
    PFILE_OBJECT file = open(L"\\Device\\T");
    struct io_request *request;

    EXPECT_STATUS(io_start_request(file, &operation, UserMode, NULL, NULL, &request),
                  STATUS_ACCESS_VIOLATION);
    EXPECT(request == NULL);
    EXPECT_EQ(SEEN.calls, 0);
    close(file);
    host_pages_free(page, 4096);
}

TEST(reads_and_writes_follow_the_devices_flags, "")
{
    char data[8] = "........";
    struct io_operation read = {
        .major = IRP_MJ_READ, .output = data, .output_length = 8, .offset = 0x123456789};
    struct io_operation write = {.major = IRP_MJ_WRITE, .input = data, .input_length = 8};
    PFILE_OBJECT file = open(L"\\Device\\T");

    perform(file, &read);
    EXPECT(seen[IRP_MJ_READ].user == data && !seen[IRP_MJ_READ].system && !seen[IRP_MJ_READ].mdl);
    EXPECT_EQ(seen[IRP_MJ_READ].location.Parameters.Read.ByteOffset.QuadPart, 0x123456789);
    EXPECT_EQ(seen[IRP_MJ_READ].location.Parameters.Read.Length, 8);
    device->Flags |= DO_DIRECT_IO;
    perform(file, &write);
    EXPECT(seen[IRP_MJ_WRITE].mapped == data && !seen[IRP_MJ_WRITE].system);
    perform(file, &read);
    EXPECT(seen[IRP_MJ_READ].mapped == data);
    device->Flags = (device->Flags & ~(ULONG)DO_DIRECT_IO) | DO_BUFFERED_IO;
    todo.answer = "read";
    todo.information = 4;
    perform(file, &read);
    EXPECT(seen[IRP_MJ_READ].system != NULL && seen[IRP_MJ_READ].system != data);
    EXPECT(memcmp(data, "read....", 8) == 0);
    todo.answer = NULL;
    perform(file, &write);
    EXPECT(seen[IRP_MJ_WRITE].system != NULL && seen[IRP_MJ_WRITE].system != data);
    EXPECT(memcmp(data, "read....", 8) == 0);
    close(file);
}

/* ---- IRPs that a driver has built --------------------------------------------------------------------- */

static PIRP build(PKEVENT event, PIO_STATUS_BLOCK block, PVOID out, ULONG out_length)
{
    PIRP irp;

    KeInitializeEvent(event, NotificationEvent, FALSE);
    block->Status = STATUS_UNSUCCESSFUL;
    block->Information = 77;
    irp = IoBuildDeviceIoControlRequest(CTL_CODE(FILE_DEVICE_UNKNOWN, 1, METHOD_BUFFERED, 0), device, "in", 2,
                                        out, out_length, FALSE, event, block);
    EXPECT(irp != NULL);
    return irp;
}

TEST(a_built_irp_is_taken_back_at_its_end, "")
{
    IO_STATUS_BLOCK block;
    char out[4] = "....";
    KEVENT event;

    todo.answer = "done";
    todo.information = 4;
    EXPECT_STATUS(IoCallDriver(device, build(&event, &block, out, 4)), STATUS_SUCCESS);
    EXPECT_STATUS(block.Status, STATUS_SUCCESS);
    EXPECT_EQ(block.Information, 4);
    EXPECT(KeReadStateEvent(&event));
    EXPECT(memcmp(out, "done", 4) == 0);
    EXPECT_EQ(SEEN.mode, KernelMode);
    todo.answer = NULL;
    todo.status = STATUS_UNSUCCESSFUL; /* at once: the returned status alone tells */
    EXPECT_STATUS(IoCallDriver(device, build(&event, &block, out, 4)), STATUS_UNSUCCESSFUL);
    EXPECT_EQ(block.Information, 77);
    EXPECT(!KeReadStateEvent(&event));
    todo.pend = TRUE; /* later: block and event do */
    EXPECT_STATUS(IoCallDriver(device, build(&event, &block, out, 4)), STATUS_PENDING);
    EXPECT(!KeReadStateEvent(&event));
    io_complete_request(pended, STATUS_UNSUCCESSFUL, 3);
    EXPECT(KeReadStateEvent(&event));
    EXPECT_STATUS(block.Status, STATUS_UNSUCCESSFUL);
    EXPECT_EQ(block.Information, 3);
}

/* As WSK pends an IRP from above. */
static NTSTATUS NTAPI pends_it(PDEVICE_OBJECT to, PIRP irp)
{
    UNREFERENCED_PARAMETER(to);
    io_mark_irp_pending(irp);
    pended = irp;
    return STATUS_PENDING;
}

/* Kept with the request: a member of the IRP leads there (src/nt/io/irp.c). */
TEST(a_built_irp_knows_since_when_it_is_pending, "")
{
    IO_STATUS_BLOCK block, unmarked_block;
    KEVENT event, unmarked_event;
    PIRP unmarked = build(&unmarked_event, &unmarked_block, NULL, 0);
    uint64_t before = host_ticks();

    driver->MajorFunction[IRP_MJ_DEVICE_CONTROL] = pends_it;
    EXPECT_STATUS(IoCallDriver(device, build(&event, &block, NULL, 0)), STATUS_PENDING);
    EXPECT(io_irp_pending_since(pended) != 0);
    EXPECT(io_irp_pending_since(pended) >= before && io_irp_pending_since(pended) <= host_ticks());
    EXPECT_EQ(io_irp_pending_since(unmarked), 0);
    io_complete_request(pended, STATUS_SUCCESS, 0);
    EXPECT_STATUS(block.Status, STATUS_SUCCESS);
    driver->MajorFunction[IRP_MJ_DEVICE_CONTROL] = dispatch;
    EXPECT_STATUS(IoCallDriver(device, unmarked), STATUS_SUCCESS);
}

static NTSTATUS NTAPI stop(PDEVICE_OBJECT none, PIRP irp, PVOID context)
{
    UNREFERENCED_PARAMETER(none);
    UNREFERENCED_PARAMETER(irp);
    ++*(LONG *)context;
    return STATUS_MORE_PROCESSING_REQUIRED;
}

TEST(a_built_irp_that_its_routine_stopped_is_completed_again, "K-COMPL-11")
{
    IO_STATUS_BLOCK block;
    LONG stopped = 0;
    KEVENT event;
    PIRP irp = build(&event, &block, NULL, 0);

    IoSetCompletionRoutine(irp, stop, &stopped, TRUE, TRUE, TRUE);
    EXPECT_STATUS(IoCallDriver(device, irp), STATUS_SUCCESS);
    EXPECT_EQ(stopped, 1);
    EXPECT(!KeReadStateEvent(&event));
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    EXPECT_EQ(stopped, 1);
    EXPECT(KeReadStateEvent(&event));
    EXPECT_STATUS(block.Status, STATUS_SUCCESS);
}

TEST(a_read_is_built, "")
{
    LARGE_INTEGER offset = {.QuadPart = 5};
    IO_STATUS_BLOCK block;
    char data[4] = "....";
    KEVENT event;

    KeInitializeEvent(&event, NotificationEvent, FALSE);
    device->Flags |= DO_BUFFERED_IO;
    todo.answer = "re";
    todo.information = 2;
    EXPECT_STATUS(IoCallDriver(device, IoBuildSynchronousFsdRequest(IRP_MJ_READ, device, data, 4, &offset,
                                                                    &event, &block)),
                  STATUS_SUCCESS);
    EXPECT(memcmp(data, "re..", 4) == 0);
    EXPECT_EQ(block.Information, 2);
    EXPECT_EQ(seen[IRP_MJ_READ].location.Parameters.Read.ByteOffset.QuadPart, 5);
    todo.answer = NULL;
    EXPECT_STATUS(IoCallDriver(device, IoBuildSynchronousFsdRequest(IRP_MJ_SHUTDOWN, device, NULL, 0, NULL,
                                                                    &event, &block)),
                  STATUS_SUCCESS);
    EXPECT_EQ(seen[IRP_MJ_SHUTDOWN].calls, 1);
}

static NTSTATUS NTAPI frees_it(PDEVICE_OBJECT to, PIRP irp)
{
    UNREFERENCED_PARAMETER(to);
    IoFreeIrp(irp);
    return STATUS_SUCCESS;
}

TEST(an_irp_from_above_is_not_the_drivers_to_free, "C-IRP-12 K-FREE-03")
{
    PFILE_OBJECT file = open(L"\\Device\\T");
    struct io_operation operation = {.major = IRP_MJ_READ};
    struct io_request *request;

    driver->MajorFunction[IRP_MJ_READ] = frees_it;
    EXPECT_BUGCHECK(DRIVER_VERIFIER_IOMANAGER_VIOLATION,
                    io_start_request(file, &operation, UserMode, NULL, NULL, &request));
    EXPECT_BUGCHECK_PARAMETER(1, 0x02);
    ended = TRUE;
}

TEST(a_built_irp_is_not_reused, "K-REUSE-02")
{
    IO_STATUS_BLOCK block;
    KEVENT event;
    PIRP irp = build(&event, &block, NULL, 0);

    ended = TRUE;
    EXPECT_BUGCHECK(DRIVER_VERIFIER_IOMANAGER_VIOLATION, IoReuseIrp(irp, STATUS_SUCCESS));
    EXPECT_BUGCHECK_PARAMETER(1, 0x311);
    EXPECT_BUGCHECK_PARAMETER(2, irp);
}

/* ---- stacks ------------------------------------------------------------------------------------------- */

TEST(requests_go_to_the_top_of_the_stack, "K-IRP-11")
{
    PDEVICE_OBJECT filter = make_device(NULL, sizeof(PDEVICE_OBJECT), FALSE);
    PDEVICE_OBJECT upper = make_device(NULL, sizeof(PDEVICE_OBJECT), FALSE);
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\Device\\T");
    struct io_operation operation = {.major = IRP_MJ_READ};
    PDEVICE_OBJECT lower;
    PFILE_OBJECT file;

    EXPECT(IoAttachDeviceToDeviceStack(filter, device) == device);
    *(PDEVICE_OBJECT *)filter->DeviceExtension = device;
    EXPECT_STATUS(IoAttachDevice(upper, &name, &lower), STATUS_SUCCESS);
    EXPECT(lower == filter);
    *(PDEVICE_OBJECT *)upper->DeviceExtension = lower;
    EXPECT_EQ(upper->StackSize, 3);
    EXPECT(IoGetAttachedDevice(device) == upper);
    file = open(L"\\Device\\T");
    EXPECT(file->DeviceObject == device);
    EXPECT(IoGetRelatedDeviceObject(file) == upper);
    EXPECT_EQ(seen[IRP_MJ_CREATE].calls, 3);
    EXPECT(seen[IRP_MJ_CREATE].device == device);
    perform(file, &operation);
    EXPECT_EQ(seen[IRP_MJ_READ].calls, 3);
    close(file);
    EXPECT_EQ(seen[IRP_MJ_CLOSE].calls, 3);
    IoDetachDevice(filter);
    IoDeleteDevice(upper);
    IoDeleteDevice(device); /* stays until it is detached */
    EXPECT(device->AttachedDevice == filter);
    EXPECT(IoAttachDeviceToDeviceStack(filter, device) == NULL);
    IoDetachDevice(device);
    IoDeleteDevice(filter);
}

/* ---- cancellation ------------------------------------------------------------------------------------- */

TEST(a_request_outlives_its_irps_end, "K-CANCEL-07")
{
    struct io_operation operation = {.major = IRP_MJ_READ};
    PFILE_OBJECT file = open(L"\\Device\\T");
    struct io_request *request;
    IO_STATUS_BLOCK result;

    todo.pend = TRUE;
    EXPECT_STATUS(io_start_request(file, &operation, UserMode, NULL, NULL, &request), STATUS_SUCCESS);
    io_cancel_request(request);
    EXPECT(pended->Cancel);
    io_complete_request(pended, STATUS_SUCCESS, 1); /* it may succeed all the same */
    io_cancel_request(request);
    EXPECT_STATUS(io_wait_request(request, NULL, &result), STATUS_SUCCESS);
    EXPECT_STATUS(result.Status, STATUS_SUCCESS);
    EXPECT_EQ(result.Information, 1);
    io_release_request(request);
    close(file);
}
