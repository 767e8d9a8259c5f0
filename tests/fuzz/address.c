/*
 * address.c - the parsers of addresses, and addresses that a driver hands over: WskBind, WskGetNameInfo.
 *
 * What a parser takes it must write in a form that it takes again as the same address.
 */
#include "fuzz.h"

#include <ip2string.h>

enum { TEXT = 80 };

static void parse_ansi(struct fuzz *fuzz)
{
    SIZE_T length = fuzz->left < TEXT - 1 ? fuzz->left : TEXT - 1;
    CHAR *text = fuzz_block(fuzz, length + 1), written[TEXT];
    IN_ADDR four, four_again;
    IN6_ADDR six, six_again;
    ULONG scope = 0, scope_again, size;
    USHORT port, port_again;
    PCSTR end;

    text[length] = 0;
    for (BOOLEAN strict = FALSE; strict <= TRUE; strict++) {
        if (NT_SUCCESS(RtlIpv4StringToAddressExA(text, strict, &four, &port))) {
            size = sizeof written;
            EXPECT_STATUS(RtlIpv4AddressToStringExA(&four, port, written, &size), STATUS_SUCCESS);
            EXPECT_STATUS(RtlIpv4StringToAddressExA(written, TRUE, &four_again, &port_again), STATUS_SUCCESS);
            EXPECT_EQ(four_again.S_un.S_addr, four.S_un.S_addr);
            EXPECT_EQ(port_again, port);
        }
        if (NT_SUCCESS(RtlIpv4StringToAddressA(text, strict, &end, &four)))
            EXPECT(end > text && end <= text + length);
    }
    if (NT_SUCCESS(RtlIpv6StringToAddressExA(text, &six, &scope, &port))) {
        size = sizeof written;
        EXPECT_STATUS(RtlIpv6AddressToStringExA(&six, scope, port, written, &size), STATUS_SUCCESS);
        EXPECT_STATUS(RtlIpv6StringToAddressExA(written, &six_again, &scope_again, &port_again),
                      STATUS_SUCCESS);
        EXPECT(RtlEqualMemory(&six, &six_again, sizeof six));
        EXPECT_EQ(scope_again, scope);
        EXPECT_EQ(port_again, port);
    }
    if (NT_SUCCESS(RtlIpv6StringToAddressA(text, &end, &six)))
        EXPECT(end > text && end <= text + length);
    fuzz_free(text);
}

static void parse_wide(struct fuzz *fuzz)
{
    SIZE_T length = fuzz->left / 2 < TEXT - 1 ? fuzz->left / 2 : TEXT - 1;
    WCHAR *text = fuzz_block(fuzz, (length + 1) * sizeof(WCHAR)), written[TEXT];
    IN_ADDR four, four_again;
    IN6_ADDR six, six_again;
    ULONG scope = 0, scope_again, size;
    USHORT port, port_again;

    text[length] = 0;
    if (NT_SUCCESS(RtlIpv4StringToAddressExW(text, FALSE, &four, &port))) {
        size = ARRAYSIZE(written);
        EXPECT_STATUS(RtlIpv4AddressToStringExW(&four, port, written, &size), STATUS_SUCCESS);
        EXPECT_STATUS(RtlIpv4StringToAddressExW(written, TRUE, &four_again, &port_again), STATUS_SUCCESS);
        EXPECT_EQ(four_again.S_un.S_addr, four.S_un.S_addr);
        EXPECT_EQ(port_again, port);
    }
    if (NT_SUCCESS(RtlIpv6StringToAddressExW(text, &six, &scope, &port))) {
        size = ARRAYSIZE(written);
        EXPECT_STATUS(RtlIpv6AddressToStringExW(&six, scope, port, written, &size), STATUS_SUCCESS);
        EXPECT_STATUS(RtlIpv6StringToAddressExW(written, &six_again, &scope_again, &port_again),
                      STATUS_SUCCESS);
        EXPECT(RtlEqualMemory(&six, &six_again, sizeof six));
        EXPECT_EQ(scope_again, scope);
        EXPECT_EQ(port_again, port);
    }
    fuzz_free(text);
}

/* Of the size that its family says: a driver hands over no size with it. */
static PSOCKADDR take_address(struct fuzz *fuzz)
{
    struct fuzz look = *fuzz;
    USHORT family = fuzz_u16(&look); /* zeros follow an input of one byte, as in the block */

    return fuzz_block(fuzz, family == AF_INET6 ? sizeof(SOCKADDR_IN6) : sizeof(SOCKADDR));
}

static void bind(struct fuzz *fuzz)
{
    static const ULONG flags[] = {WSK_FLAG_LISTEN_SOCKET, WSK_FLAG_CONNECTION_SOCKET,
                                  WSK_FLAG_DATAGRAM_SOCKET};
    ADDRESS_FAMILY family = fuzz_u8(fuzz) & 1 ? AF_INET6 : AF_INET;
    ULONG which = flags[fuzz_below(fuzz, ARRAYSIZE(flags))];
    PWSK_SOCKET socket = wt_open(family, which, NULL, NULL);
    PSOCKADDR address = take_address(fuzz);
    struct wt_op *op = fuzz_op();
    SOCKADDR_STORAGE bound;

    wt_bind(socket, op, address);
    if (NT_SUCCESS(fuzz_wait(op)) && address->sa_family == family) {
        op = fuzz_op();
        if (which == WSK_FLAG_LISTEN_SOCKET)
            wt_returned(op, wt_listen(socket)->WskGetLocalAddress(socket, (PSOCKADDR)&bound, op->irp));
        else if (which == WSK_FLAG_DATAGRAM_SOCKET)
            wt_returned(op, wt_datagram(socket)->WskGetLocalAddress(socket, (PSOCKADDR)&bound, op->irp));
        else
            wt_local_address(socket, op, (PSOCKADDR)&bound);
        EXPECT_STATUS(fuzz_wait(op), STATUS_SUCCESS);
        EXPECT_EQ(bound.ss_family, family);
        EXPECT(wt_port(&bound) != 0);
    }
    wt_close_now(socket);
    fuzz_free(address);
}

static void name(struct fuzz *fuzz)
{
    ULONG host_size = fuzz_below(fuzz, 65), service_size = fuzz_below(fuzz, 17);
    UNICODE_STRING host = {0, (USHORT)(host_size * 2), fuzz_block(&(struct fuzz){NULL, 0}, host_size * 2)};
    UNICODE_STRING service = {0, (USHORT)(service_size * 2),
                              fuzz_block(&(struct fuzz){NULL, 0}, service_size * 2)};
    ULONG length = fuzz_u8(fuzz);
    PVOID address = fuzz_block(fuzz, length);
    struct wt_op *op = fuzz_op();

    wt_returned(op, wt_npi.Dispatch->WskGetNameInfo(wt_npi.Client, address, length, host_size ? &host : NULL,
                                                    service_size ? &service : NULL,
                                                    NI_NUMERICHOST | NI_NUMERICSERV, NULL, NULL, op->irp));
    if (NT_SUCCESS(fuzz_wait(op))) {
        EXPECT(host.Length <= host.MaximumLength);
        EXPECT(service.Length <= service.MaximumLength);
    }
    fuzz_free(host.Buffer);
    fuzz_free(service.Buffer);
    fuzz_free(address);
}

void fuzz_one(struct fuzz *fuzz)
{
    switch (fuzz_u8(fuzz) & 7) {
    case 0:
        bind(fuzz);
        break;
    case 1:
        name(fuzz);
        break;
    case 2:
    case 3:
        parse_wide(fuzz);
        break;
    default:
        parse_ansi(fuzz);
    }
}
