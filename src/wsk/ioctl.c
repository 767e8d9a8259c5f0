/*
 * ioctl.c - the ioctls of WskControlSocket (area IOCTL).  Their Level means nothing (R-CTLS-04).
 */
#include "wsk/control.h"

#include <mstcpip.h>

#define ALL (ON(WSK_BASIC) | ON(WSK_LISTEN) | ON(WSK_CONNECTION) | ON(WSK_DATAGRAM) | ON(WSK_STREAM))

enum irp_rule { IRP_OPTIONAL, IRP_REQUIRED, IRP_FORBIDDEN };

/* All of these run with socket->lock held and answer like wsk_ioctl_do. */
typedef NTSTATUS (*ioctl_function)(struct wsk_socket *socket, const struct control *control, SIZE_T *size);

static NTSTATUS put(const struct control *control, const VOID *from, SIZE_T bytes, SIZE_T *size)
{
    RtlCopyMemory(control->output, from, bytes);
    *size = bytes;
    return STATUS_SUCCESS;
}

/* ---- connections -------------------------------------------------------------------------------------- */

static NTSTATUS receive_backlog(struct wsk_socket *socket, const struct control *control, SIZE_T *size)
{
    int64_t bytes = WSK_TRANSPORT_OPS->query(socket->transport, TRANSPORT_READABLE);
    SIZE_T waiting = (bytes > 0 ? (SIZE_T)bytes : 0) + socket->receive.data_bytes;

    return put(control, &waiting, sizeof waiting, size); /* C-IOCTL-24 */
}

static NTSTATUS ideal_backlog(struct wsk_socket *socket, const struct control *control, SIZE_T *size)
{
    SIZE_T ideal = wsk_backlog_query(socket);

    return put(control, &ideal, sizeof ideal, size); /* C-IOCTL-18 */
}

static NTSTATUS inspect_id(struct wsk_socket *socket, const struct control *control, SIZE_T *size)
{
    WSK_INSPECT_ID id;
    NTSTATUS status = wsk_inspect_query(socket, &id);

    return status == STATUS_SUCCESS ? put(control, &id, sizeof id, size) : status; /* C-IOCTL-21, 22 */
}

static NTSTATUS silent_mode(struct wsk_socket *socket, const struct control *control, SIZE_T *size)
{
    UNREFERENCED_PARAMETER(size);
    return wsk_silence(socket, control->irp);
}

/* There is no faster way through the loopback, and no filter platform that redirects. */
static NTSTATUS not_supported(struct wsk_socket *socket, const struct control *control, SIZE_T *size)
{
    UNREFERENCED_PARAMETER(socket);
    UNREFERENCED_PARAMETER(control);
    UNREFERENCED_PARAMETER(size);
    return STATUS_NOT_SUPPORTED;
}

static NTSTATUS not_redirected(struct wsk_socket *socket, const struct control *control, SIZE_T *size)
{
    UNREFERENCED_PARAMETER(socket);
    UNREFERENCED_PARAMETER(control);
    UNREFERENCED_PARAMETER(size);
    return STATUS_NOT_FOUND; /* C-IOCTL-11, 12, 14 */
}

static NTSTATUS no_records(struct wsk_socket *socket, const struct control *control, SIZE_T *size)
{
    UNREFERENCED_PARAMETER(socket);
    UNREFERENCED_PARAMETER(control);
    UNREFERENCED_PARAMETER(size);
    return STATUS_ACCESS_DENIED; /* C-IOCTL-16 */
}

/* ---- datagrams ---------------------------------------------------------------------------------------- */

/* SIO_WSK_SET_REMOTE_ADDRESS, SIO_WSK_SET_SENDTO_ADDRESS (C-IOCTL-28..35). */
static NTSTATUS fix_address(struct wsk_socket *socket, const struct control *control, SIZE_T *size)
{
    SIZE_T least = socket->family == AF_INET ? sizeof(SOCKADDR_IN) : sizeof(SOCKADDR_IN6);
    struct transport_address address = {.length = 0};

    UNREFERENCED_PARAMETER(size);
    if (control->input != NULL &&
        (control->input_size < least || !wsk_address_in(socket, control->input, &address)))
        return STATUS_INVALID_PARAMETER;
    wsk_datagram_fix(socket, control->code == SIO_WSK_SET_REMOTE_ADDRESS, &address);
    return STATUS_SUCCESS;
}

/* ---- the local addresses ------------------------------------------------------------------------------ */

static SIZE_T list_bytes(const struct wsk_socket *socket, SIZE_T count)
{
    SIZE_T each = socket->family == AF_INET ? sizeof(SOCKADDR_IN) : sizeof(SOCKADDR_IN6);

    return SIZEOF_SOCKET_ADDRESS_LIST(count) + count * each;
}

/* Into a buffer of any alignment: the list, then the addresses that its elements point to. */
static void list_write(const struct wsk_socket *socket, const struct transport_local *found, SIZE_T count,
                       UCHAR *out)
{
    UCHAR *at = out + SIZEOF_SOCKET_ADDRESS_LIST(count);
    INT number = (INT)count;
    SIZE_T i;

    RtlZeroMemory(out, list_bytes(socket, count));
    RtlCopyMemory(out, &number, sizeof number);
    for (i = 0; i < count; i++) {
        SOCKET_ADDRESS element = {(PSOCKADDR)at, found[i].address.length};

        RtlCopyMemory(at, found[i].address.bytes, found[i].address.length);
        RtlCopyMemory(out + SIZEOF_SOCKET_ADDRESS_LIST(i), &element, sizeof element);
        at += found[i].address.length;
    }
}

/* SIO_ADDRESS_LIST_QUERY (C-IOCTL-05..07). */
static NTSTATUS address_list(struct wsk_socket *socket, const struct control *control, SIZE_T *size)
{
    SIZE_T count;
    struct transport_local *found = wsk_local_addresses(socket->family, &count);

    if (found == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    *size = list_bytes(socket, count);
    if (control->output_size >= *size)
        list_write(socket, found, count, control->output);
    ex_free_pool(found);
    return control->output_size >= *size ? STATUS_SUCCESS : STATUS_BUFFER_OVERFLOW;
}

/* SIO_ADDRESS_LIST_CHANGE (C-IOCTL-02..04): the IRP waits for the next change. */
static NTSTATUS address_change(struct wsk_socket *socket, const struct control *control, SIZE_T *size)
{
    NTSTATUS status;

    UNREFERENCED_PARAMETER(size);
    if (control->irp == NULL)
        return STATUS_REQUEST_NOT_ACCEPTED; /* H-07 */
    status = WSK_TRANSPORT_OPS->watch_addresses(wsk_settings.transport);
    if (status != STATUS_SUCCESS)
        return status;
    wsk_op_pend(socket, control->irp, &socket->address_changes);
    return STATUS_PENDING;
}

static void change_tell(void *context, struct wsk_client *client, struct wsk_socket *socket)
{
    KIRQL irql;

    UNREFERENCED_PARAMETER(client);
    if (socket->family != *(int *)context)
        return;
    irql = wsk_lock(socket);
    while (!IsListEmpty(&socket->address_changes))
        wsk_op_done(socket, wsk_irp_of_link(RemoveHeadList(&socket->address_changes)), STATUS_SUCCESS, 0);
    wsk_unlock(socket, irql);
}

void wsk_addresses_changed(int family)
{
    wsk_each_socket(change_tell, &family);
}

void wsk_address_changes_close(struct wsk_socket *socket)
{
    while (!IsListEmpty(&socket->address_changes))
        wsk_op_done_by_close(socket, wsk_irp_of_link(RemoveHeadList(&socket->address_changes)));
}

/* ---- the machine -------------------------------------------------------------------------------------- */

static NTSTATUS rss_info(struct wsk_socket *socket, const struct control *control, SIZE_T *size)
{
    RSS_SCALABILITY_INFO info = {FALSE};

    UNREFERENCED_PARAMETER(socket);
    return put(control, &info, sizeof info, size); /* D-19 */
}

/* ---- the table ---------------------------------------------------------------------------------------- */

#define ANY ((ULONG)-1) /* of input: may be there or not */

static const struct ioctl_row {
    ULONG code;
    ULONG categories;
    ULONG input;  /* bytes; 0 = none */
    ULONG output; /* at least; 0 = none, ANY = the function looks */
    UCHAR from;   /* the lowest state, 0 = any; STATUS_INVALID_DEVICE_STATE before */
    UCHAR irp;    /* enum irp_rule */
    NTSTATUS wrong_size;
    ioctl_function function;
    const char *text;
} ioctl_rows[] = {
    {SIO_ADDRESS_LIST_QUERY, ALL, 0, ANY, 0, IRP_FORBIDDEN, STATUS_INVALID_PARAMETER, address_list,
     "SIO_ADDRESS_LIST_QUERY"},
    {SIO_ADDRESS_LIST_CHANGE, ALL, 0, 0, 0, IRP_OPTIONAL, STATUS_INVALID_PARAMETER, address_change,
     "SIO_ADDRESS_LIST_CHANGE"},
    {SIO_ADDRESS_LIST_SORT, ALL, ANY, ANY, 0, IRP_OPTIONAL, STATUS_INVALID_PARAMETER, not_supported,
     "SIO_ADDRESS_LIST_SORT"},
    {SIO_LOOPBACK_FAST_PATH, OF_STREAMS, sizeof(ULONG), 0, 0, IRP_REQUIRED, STATUS_INVALID_BUFFER_SIZE,
     not_supported, "SIO_LOOPBACK_FAST_PATH"},
    {SIO_QUERY_RSS_SCALABILITY_INFO, ALL, 0, sizeof(RSS_SCALABILITY_INFO), 0, IRP_OPTIONAL,
     STATUS_INVALID_PARAMETER, rss_info, "SIO_QUERY_RSS_SCALABILITY_INFO"},
    {SIO_QUERY_WFP_CONNECTION_REDIRECT_CONTEXT, CONNECTIONS, 0, ANY, WSK_STATE_CONNECTED, IRP_REQUIRED,
     STATUS_INVALID_PARAMETER, not_redirected, "SIO_QUERY_WFP_CONNECTION_REDIRECT_CONTEXT"},
    {SIO_QUERY_WFP_CONNECTION_REDIRECT_RECORDS, CONNECTIONS, 0, ANY, WSK_STATE_CONNECTED, IRP_REQUIRED,
     STATUS_INVALID_PARAMETER, not_redirected, "SIO_QUERY_WFP_CONNECTION_REDIRECT_RECORDS"},
    {SIO_SET_WFP_CONNECTION_REDIRECT_RECORDS, CONNECTIONS, ANY, 0, 0, IRP_REQUIRED, STATUS_INVALID_PARAMETER,
     no_records, "SIO_SET_WFP_CONNECTION_REDIRECT_RECORDS"},
    {SIO_WSK_QUERY_RECEIVE_BACKLOG, CONNECTIONS, 0, sizeof(SIZE_T), WSK_STATE_CONNECTED, IRP_OPTIONAL,
     STATUS_INVALID_PARAMETER, receive_backlog, "SIO_WSK_QUERY_RECEIVE_BACKLOG"},
    {SIO_WSK_QUERY_IDEAL_SEND_BACKLOG, CONNECTIONS, 0, sizeof(SIZE_T), WSK_STATE_CONNECTED, IRP_REQUIRED,
     STATUS_INVALID_PARAMETER, ideal_backlog, "SIO_WSK_QUERY_IDEAL_SEND_BACKLOG"},
    {SIO_WSK_QUERY_INSPECT_ID, ALL, 0, sizeof(WSK_INSPECT_ID), 0, IRP_FORBIDDEN, STATUS_INVALID_PARAMETER,
     inspect_id, "SIO_WSK_QUERY_INSPECT_ID"},
    {SIO_WSK_SET_TCP_SILENT_MODE, CONNECTIONS, 0, 0, WSK_STATE_CONNECTED, IRP_REQUIRED,
     STATUS_INVALID_PARAMETER, silent_mode, "SIO_WSK_SET_TCP_SILENT_MODE"},
    {SIO_WSK_SET_REMOTE_ADDRESS, ON(WSK_DATAGRAM), ANY, 0, WSK_STATE_BOUND, IRP_REQUIRED,
     STATUS_INVALID_PARAMETER, fix_address, "SIO_WSK_SET_REMOTE_ADDRESS"},
    {SIO_WSK_SET_SENDTO_ADDRESS, ON(WSK_DATAGRAM), ANY, 0, WSK_STATE_BOUND, IRP_REQUIRED,
     STATUS_INVALID_PARAMETER, fix_address, "SIO_WSK_SET_SENDTO_ADDRESS"},
    {SIO_WSK_REGISTER_EXTENSION, ALL, sizeof(WSK_EXTENSION_CONTROL_IN), sizeof(WSK_EXTENSION_CONTROL_OUT), 0,
     IRP_FORBIDDEN, STATUS_INVALID_PARAMETER, wsk_extension_register,
     "SIO_WSK_REGISTER_EXTENSION"}, /* C-IOCTL-26, 27 */
};

static const struct ioctl_row *ioctl_find(ULONG code)
{
    size_t i;

    for (i = 0; i < RTL_NUMBER_OF(ioctl_rows); i++)
        if (ioctl_rows[i].code == code)
            return &ioctl_rows[i];
    return NULL;
}

static BOOLEAN sizes_fit(const struct ioctl_row *row, const struct control *control)
{
    if (row->input != ANY && control->input_size != row->input)
        return FALSE;
    if (row->output == 0)
        return control->output == NULL;
    return row->output == ANY || control->output_size >= row->output;
}

NTSTATUS wsk_ioctl_do(struct wsk_socket *socket, const struct control *control, SIZE_T *size)
{
    const struct ioctl_row *row = ioctl_find(control->code);

    if (row == NULL || !(row->categories & ON(socket->category)))
        return STATUS_NOT_SUPPORTED;
    if (socket->state < row->from)
        return STATUS_INVALID_DEVICE_STATE;
    if ((row->irp == IRP_REQUIRED && control->irp == NULL) ||
        (row->irp == IRP_FORBIDDEN && control->irp != NULL))
        return STATUS_INVALID_PARAMETER;
    if (!sizes_fit(row, control))
        return row->wrong_size;
    return row->function(socket, control, size);
}
