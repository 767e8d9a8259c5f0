#include "transport/errno_status.h"

#include <errno.h>
#include <stddef.h>
#include <ntstatus.h>

static const struct errno_row {
    int error;
    int32_t status;
    int fatal; /* ends a connection when a receive or send reports it */
} rows[] = {
    /* the connection */
    {ECONNREFUSED, STATUS_CONNECTION_REFUSED, 1},
    {ECONNRESET, STATUS_CONNECTION_RESET, 1},
    {ENETRESET, STATUS_CONNECTION_RESET, 1},
    /* A RST that arrives after the peer's FIN; a send after our own FIN is refused before the system call. */
    {EPIPE, STATUS_CONNECTION_RESET, 1},
    {ECONNABORTED, STATUS_CONNECTION_ABORTED, 1},
    {ETIMEDOUT, STATUS_IO_TIMEOUT, 1},
    {ENETUNREACH, STATUS_NETWORK_UNREACHABLE, 1},
    {ENETDOWN, STATUS_NETWORK_UNREACHABLE, 1},
    {ENONET, STATUS_NETWORK_UNREACHABLE, 1},
    {EHOSTUNREACH, STATUS_HOST_UNREACHABLE, 1},
    {EHOSTDOWN, STATUS_HOST_UNREACHABLE, 1},
    {ENOPROTOOPT, STATUS_NOT_SUPPORTED, 0},
    {EPROTO, STATUS_CONNECTION_ABORTED, 1},
    {ENOTCONN, STATUS_CONNECTION_INVALID, 0},
    {EISCONN, STATUS_CONNECTION_ACTIVE, 0},
    {EALREADY, STATUS_INVALID_DEVICE_STATE, 0},
    {ESHUTDOWN, STATUS_INVALID_DEVICE_STATE, 0},

    /* addresses */
    {EADDRINUSE, STATUS_ADDRESS_ALREADY_EXISTS, 0},
    {EADDRNOTAVAIL, STATUS_INVALID_ADDRESS_COMPONENT, 0},
    {EDESTADDRREQ, STATUS_INVALID_ADDRESS_COMPONENT, 0},
    {EAFNOSUPPORT, STATUS_PROTOCOL_UNREACHABLE, 0},
    {EPFNOSUPPORT, STATUS_PROTOCOL_UNREACHABLE, 0},
    {EPROTONOSUPPORT, STATUS_PROTOCOL_UNREACHABLE, 0},
    {EPROTOTYPE, STATUS_PROTOCOL_UNREACHABLE, 0},
    {ESOCKTNOSUPPORT, STATUS_NOT_SUPPORTED, 0},
    {EOPNOTSUPP, STATUS_NOT_SUPPORTED, 0},
    {ENOSYS, STATUS_NOT_SUPPORTED, 0},

    /* rights and room */
    {EACCES, STATUS_ACCESS_DENIED, 0},
    {EPERM, STATUS_ACCESS_DENIED, 0},
    {ENOBUFS, STATUS_INSUFFICIENT_RESOURCES, 0},
    {ENOMEM, STATUS_INSUFFICIENT_RESOURCES, 0},
    {ENOSPC, STATUS_INSUFFICIENT_RESOURCES, 0},
    {EMFILE, STATUS_INSUFFICIENT_RESOURCES, 0},
    {ENFILE, STATUS_INSUFFICIENT_RESOURCES, 0},
    {EMSGSIZE, STATUS_INVALID_BUFFER_SIZE, 0},

    /* the call */
    {EINVAL, STATUS_INVALID_PARAMETER, 0},
    {EDOM, STATUS_INVALID_PARAMETER, 0},
    {ENODEV, STATUS_INVALID_PARAMETER, 0},
    {ENXIO, STATUS_INVALID_PARAMETER, 0},
    {EFAULT, STATUS_ACCESS_VIOLATION, 0},
    {EBADF, STATUS_INVALID_HANDLE, 0},
    {ENOTSOCK, STATUS_OBJECT_TYPE_MISMATCH, 0},
    {ECANCELED, STATUS_CANCELLED, 0},
};

static const struct errno_row *find(int error)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].error == error)
            return &rows[i];
    }
    return NULL;
}

int32_t transport_errno_status(int error)
{
    if (error == 0)
        return STATUS_SUCCESS;
    const struct errno_row *row = find(error);
    return row ? row->status : STATUS_UNSUCCESSFUL;
}

int transport_errno_is_fatal(int error)
{
    const struct errno_row *row = find(error);
    return row && row->fatal;
}
