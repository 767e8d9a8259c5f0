/*
 * control.c - WskControlSocket of every category with any code, level and sizes: the tables of options and ioctls.
 */
#include "fuzz.h"

#include <mstcpip.h>
#include <uwsk/statistics.h>

static const struct {
    ADDRESS_FAMILY family;
    ULONG flags;
} kinds[] = {{AF_INET, WSK_FLAG_BASIC_SOCKET},       {AF_INET, WSK_FLAG_LISTEN_SOCKET},
             {AF_INET, WSK_FLAG_CONNECTION_SOCKET},  {AF_INET, WSK_FLAG_DATAGRAM_SOCKET},
             {AF_INET, WSK_FLAG_STREAM_SOCKET},      {AF_INET6, WSK_FLAG_LISTEN_SOCKET},
             {AF_INET6, WSK_FLAG_CONNECTION_SOCKET}, {AF_INET6, WSK_FLAG_DATAGRAM_SOCKET}};

static const ULONG levels[] = {SOL_SOCKET, IPPROTO_IP, IPPROTO_IPV6, IPPROTO_TCP, IPPROTO_UDP};

static const ULONG socket_options[] = {SO_WSK_SECURITY,
                                       SO_WSK_EVENT_CALLBACK,
                                       SO_REUSEADDR,
                                       SO_EXCLUSIVEADDRUSE,
                                       SO_CONDITIONAL_ACCEPT,
                                       SO_KEEPALIVE,
                                       SO_RCVBUF,
                                       SO_SNDBUF,
                                       SO_BROADCAST,
                                       SO_ERROR,
                                       SO_TYPE,
                                       SO_ACCEPTCONN,
                                       SO_LINGER,
                                       SO_MAX_MSG_SIZE};

static const ULONG ioctls[] = {SIO_ADDRESS_LIST_QUERY,
                               SIO_ADDRESS_LIST_CHANGE,
                               SIO_ADDRESS_LIST_SORT,
                               SIO_WSK_SET_REMOTE_ADDRESS,
                               SIO_WSK_SET_SENDTO_ADDRESS,
                               SIO_WSK_REGISTER_EXTENSION,
                               SIO_WSK_QUERY_IDEAL_SEND_BACKLOG,
                               SIO_WSK_QUERY_RECEIVE_BACKLOG,
                               SIO_WSK_QUERY_INSPECT_ID,
                               SIO_WSK_SET_TCP_SILENT_MODE,
                               SIO_LOOPBACK_FAST_PATH,
                               SIO_KEEPALIVE_VALS,
                               SIO_QUERY_RSS_PROCESSOR_INFO,
                               SIO_QUERY_WFP_CONNECTION_REDIRECT_RECORDS,
                               SIO_SET_WFP_CONNECTION_REDIRECT_RECORDS,
                               SIO_QUERY_WFP_CONNECTION_REDIRECT_CONTEXT};

static const NPIID unknown = {1, 2, 3, {4, 5, 6, 7, 8, 9, 10, 11}};

static void one_call(struct fuzz *fuzz, PWSK_SOCKET socket)
{
    UCHAR how = fuzz_u8(fuzz);
    WSK_CONTROL_SOCKET_TYPE type = how & 3; /* 3 is none */
    ULONG level = how & 4 ? fuzz_u32(fuzz) : levels[fuzz_below(fuzz, ARRAYSIZE(levels))];
    ULONG code;
    SIZE_T in_size, out_size, returned = 0;
    PVOID in, out;
    PSIZE_T size = how & 16 ? &returned : NULL; /* only a call without an IRP may answer there */
    struct wt_op *op = how & 8 ? NULL : fuzz_op();
    NTSTATUS status;

    if (how & 32)
        code = fuzz_u32(fuzz);
    else if (type == WskIoctl)
        code = ioctls[fuzz_below(fuzz, ARRAYSIZE(ioctls))];
    else
        code =
            level == SOL_SOCKET ? socket_options[fuzz_below(fuzz, ARRAYSIZE(socket_options))] : fuzz_u8(fuzz);
    in_size = fuzz_u8(fuzz);
    out_size = fuzz_u8(fuzz);
    in = fuzz_block(fuzz, in_size);
    out = fuzz_block(fuzz, out_size);
    /* Pointers of a driver point to something. */
    if (code == SIO_WSK_REGISTER_EXTENSION && in_size >= sizeof(WSK_EXTENSION_CONTROL_IN)) {
        WSK_EXTENSION_CONTROL_IN valid = {how & 64 ? &unknown : &NPI_UWSK_STATISTICS_ID, NULL, NULL};

        RtlCopyMemory(in, &valid, sizeof valid);
    } else if (code == SO_WSK_EVENT_CALLBACK && in_size >= sizeof(WSK_EVENT_CALLBACK_CONTROL)) {
        NPIID const *npi = how & 64 ? &unknown : how & 128 ? NULL : &NPI_WSK_INTERFACE_ID;

        RtlCopyMemory((PUCHAR)in + FIELD_OFFSET(WSK_EVENT_CALLBACK_CONTROL, NpiId), &npi, sizeof npi);
    }
    fuzz_keep(in);
    fuzz_keep(out);
    status = wt_basic(socket)->WskControlSocket(socket, type, code, level, in_size, in, out_size, out, size,
                                                op != NULL ? op->irp : NULL);
    if (op != NULL)
        wt_returned(op, status);
    else
        EXPECT(status != STATUS_PENDING);
    if (type == WskGetOption && code == SO_WSK_SECURITY && level == SOL_SOCKET && op != NULL &&
        NT_SUCCESS(fuzz_wait(op)) && *(PSECURITY_DESCRIPTOR *)out != NULL) /* the client's from here on */
        EXPECT_STATUS(wt_npi.Dispatch->WskControlClient(wt_npi.Client, WSK_RELEASE_SD,
                                                        sizeof(PSECURITY_DESCRIPTOR), out, 0, NULL, NULL,
                                                        NULL),
                      STATUS_SUCCESS);
}

void fuzz_one(struct fuzz *fuzz)
{
    ULONG kind = fuzz_below(fuzz, ARRAYSIZE(kinds));
    PWSK_SOCKET socket = wt_open(kinds[kind].family, kinds[kind].flags, NULL, NULL);
    BOOLEAN bound = kinds[kind].flags != WSK_FLAG_BASIC_SOCKET && fuzz_u8(fuzz) & 1;
    struct wt_op close;

    if (bound) {
        SOCKADDR_STORAGE address;
        struct wt_op *op = fuzz_op();

        wt_returned(op, (kinds[kind].flags == WSK_FLAG_STREAM_SOCKET ? wt_stream(socket)->WskBind
                                                                     : wt_connection(socket)->WskBind)(
                            socket, wt_loopback(&address, kinds[kind].family, 0), 0, op->irp));
        EXPECT_STATUS(fuzz_wait(op), STATUS_SUCCESS);
    }
    for (ULONG i = 0; i < 16 && fuzz->left != 0; i++)
        one_call(fuzz, socket);
    wt_op_init(&close);
    wt_close(socket, &close);
    EXPECT_STATUS(wt_wait(&close), STATUS_SUCCESS);
    wt_op_free(&close);
}
