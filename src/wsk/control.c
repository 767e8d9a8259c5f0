/*
 * control.c - WskControlSocket: the way in and out; the work is done by option.c, ioctl.c and, for
 * SO_WSK_EVENT_CALLBACK, events.c (areas CTLS, CTLC).
 */
#include "wsk/control.h"

/* Begins a control call: with an IRP like any operation, without one it just enters the gate. */
static NTSTATUS control_enter(PWSK_SOCKET Socket, PIRP Irp, struct wsk_socket **out)
{
    struct wsk_socket *socket = Socket != NULL ? wsk_socket_of(Socket) : NULL;

    if (Irp != NULL)
        return wsk_op_enter(Socket, Irp, WSK_OP_CONTROL, out);
    if (socket == NULL || !wsk_socket_valid(socket)) {
        OBSERVE(socket, OBSERVE_SOCKET_REFUSED, socket, NULL, "WskControlSocket");
        return STATUS_INVALID_HANDLE;
    }
    if (!wsk_gate_enter(socket)) {
        OBSERVE(socket, OBSERVE_SOCKET_REFUSED, socket, NULL, "WskControlSocket");
        return STATUS_FILE_FORCED_CLOSED;
    }
    *out = socket;
    return STATUS_SUCCESS;
}

/* Ends it with an error found at once. */
static NTSTATUS control_fail(struct wsk_socket *socket, PIRP Irp, NTSTATUS status)
{
    if (Irp != NULL)
        return wsk_op_fail(Irp, status);
    wsk_gate_leave(socket);
    return status;
}

/* WskControlSocket (nc-wsk-pfn_wsk_control_socket).  Buffers stay valid until the IRP completes;
 * OutputSizeReturned is for calls without an IRP (H-07).  <= DISPATCH_LEVEL. */
NTSTATUS WSKAPI wsk_control_socket(PWSK_SOCKET Socket, WSK_CONTROL_SOCKET_TYPE RequestType, ULONG ControlCode,
                                   ULONG Level, SIZE_T InputSize, PVOID InputBuffer, SIZE_T OutputSize,
                                   PVOID OutputBuffer, SIZE_T *OutputSizeReturned, PIRP Irp)
{
    struct control control = {RequestType, ControlCode, Level,        InputSize,
                              InputBuffer, OutputSize,  OutputBuffer, Irp};
    struct wsk_socket *socket;
    SIZE_T size = 0;
    NTSTATUS status;
    KIRQL irql;

    status = control_enter(Socket, Irp, &socket);
    if (status != STATUS_SUCCESS)
        return status;
    if ((unsigned)RequestType >= WskControlMax || (InputBuffer == NULL) != (InputSize == 0) ||
        (OutputBuffer == NULL) != (OutputSize == 0)) /* R-CTLS-02, 06 */
        return control_fail(socket, Irp, STATUS_INVALID_PARAMETER);
    if (RequestType == WskSetOption && Level == SOL_SOCKET && ControlCode == SO_WSK_EVENT_CALLBACK) {
        if (InputBuffer == NULL || InputSize != sizeof(WSK_EVENT_CALLBACK_CONTROL) || OutputBuffer != NULL)
            return control_fail(socket, Irp, STATUS_INVALID_PARAMETER); /* C-OPT-25 */
        return wsk_event_control(socket, InputBuffer, Irp);
    }
    irql = wsk_lock(socket);
    if (wsk_closing(socket))
        status = STATUS_FILE_FORCED_CLOSED;
    else if (RequestType == WskIoctl)
        status = wsk_ioctl_do(socket, &control, &size);
    else
        status = wsk_option_do(socket, &control, &size);
    if (Irp != NULL && status == STATUS_SUCCESS)
        return wsk_op_finish(socket, Irp, status, size, TRUE, irql);
    wsk_unlock(socket, irql);
    if (status == STATUS_PENDING)
        return status; /* the IRP holds the gate until it is completed */
    if (Irp == NULL && OutputSizeReturned != NULL &&
        (status == STATUS_SUCCESS || status == STATUS_BUFFER_OVERFLOW)) /* C-IOCTL-07 */
        *OutputSizeReturned = size;
    return control_fail(socket, Irp, status);
}
