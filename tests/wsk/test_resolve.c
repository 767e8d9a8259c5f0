/*
 * test_resolve.c - WskGetAddressInfo, WskFreeAddressInfo and WskGetNameInfo.
 *
 * Strategy: numeric forms are the same everywhere.  Names come from the simulated network's table, or, on Linux,
 * from a few names in front of the system's resolver (slow_resolver.h): one of them answers when the test says so,
 * so that cancellation and WskDeregister find it at work.  localhost and the services are the system's own.
 */
#include "line.h"

#include "slow_resolver.h"

#include <ip2string.h>

#include "host/host.h"
#include "nt/ex/ex.h"
#include "transport/sim/net.h"
#include "wsk/wskp.h"

WT_FIXTURE;

#define NAMED       "many.test"
#define BOOK        L"b\u00fccher.test"
#define ON_SIM      (test_mode_has("sim"))
#define MODE_INLINE (test_mode_has("inline"))

/* ---- calls -------------------------------------------------------------------------------------------- */

static PUNICODE_STRING text(UNICODE_STRING *string, PCWSTR units)
{
    if (units == NULL)
        return NULL;
    RtlInitUnicodeString(string, units);
    return string;
}

static NTSTATUS ask(struct wt_op *op, PCWSTR node, PCWSTR service, PADDRINFOEXW hints, PADDRINFOEXW *result)
{
    UNICODE_STRING one, two;

    return wt_returned(op, wt_npi.Dispatch->WskGetAddressInfo(wt_npi.Client, text(&one, node),
                                                              text(&two, service), NS_ALL, NULL, hints,
                                                              result, NULL, NULL, op->irp));
}

static NTSTATUS finished(struct wt_op *op)
{
    NTSTATUS status = wt_wait(op);

    EXPECT_EQ(op->information, (ULONG)status); /* R-GAI-12 */
    if (MODE_INLINE)
        EXPECT_STATUS(op->returned, status);
    return status;
}

static NTSTATUS get(PCWSTR node, PCWSTR service, PADDRINFOEXW hints, PADDRINFOEXW *result)
{
    struct wt_op op;
    NTSTATUS status;

    *result = (PADDRINFOEXW)1;
    wt_op_init(&op);
    ask(&op, node, service, hints, result);
    status = finished(&op);
    EXPECT_EQ(*result == NULL, status != STATUS_SUCCESS);
    wt_op_free(&op);
    return status;
}

static ADDRINFOEXW hint(INT flags, INT family, INT type, INT protocol)
{
    ADDRINFOEXW hints = {
        .ai_flags = flags, .ai_family = family, .ai_socktype = type, .ai_protocol = protocol};

    return hints;
}

static void free_list(PADDRINFOEXW list)
{
    wt_npi.Dispatch->WskFreeAddressInfo(wt_npi.Client, list);
}

/* "127.0.0.1", "::1", "fe80::1%3", or with the port behind it: "[::1]:80". */
static void expect_address(const ADDRINFOEXW *node, PCSTR expected)
{
    char found[80];
    ULONG room = sizeof found;

    if (node->ai_family == AF_INET) {
        const SOCKADDR_IN *v4 = (PSOCKADDR_IN)node->ai_addr;
        EXPECT_EQ(node->ai_addrlen, sizeof *v4);
        EXPECT_EQ(v4->sin_family, AF_INET);
        EXPECT_STATUS(RtlIpv4AddressToStringExA(&v4->sin_addr, v4->sin_port, found, &room), STATUS_SUCCESS);
    } else {
        const SOCKADDR_IN6 *v6 = (PSOCKADDR_IN6)node->ai_addr;
        EXPECT_EQ(node->ai_family, AF_INET6);
        EXPECT_EQ(node->ai_addrlen, sizeof *v6);
        EXPECT_EQ(v6->sin6_family, AF_INET6);
        EXPECT_EQ(v6->sin6_flowinfo, 0);
        EXPECT_STATUS(
            RtlIpv6AddressToStringExA(&v6->sin6_addr, v6->sin6_scope_id, v6->sin6_port, found, &room),
            STATUS_SUCCESS);
    }
    EXPECT_STR(found, expected);
}

/* The list has exactly these addresses, in this order; frees it. */
static void expect_list(PADDRINFOEXW list, const char *const *expected)
{
    PADDRINFOEXW node = list;

    for (; *expected != NULL; expected++, node = node->ai_next) {
        EXPECT(node != NULL);
        expect_address(node, *expected);
        EXPECT_EQ(node->ai_blob, 0);
        EXPECT_EQ(node->ai_provider, 0);
    }
    EXPECT(node == NULL);
    free_list(list);
}
#define EXPECT_LIST(list, ...) expect_list(list, (const char *const[]){__VA_ARGS__, NULL})

/* The units before its end (the sanitizers' wcslen counts in 32 bits). */
static SIZE_T expect_wide(PCWSTR found, PCWSTR expected)
{
    SIZE_T i = 0;

    EXPECT(found != NULL);
    do
        EXPECT_EQ(found[i], expected[i]);
    while (expected[i++] != 0);
    return i - 1;
}

static void add_names(void)
{
    if (!ON_SIM)
        return;
    EXPECT_EQ(net_name_add(NAMED, "10.1.0.1"), 0);
    EXPECT_EQ(net_name_add(NAMED, "fd01::1"), 0);
    EXPECT_EQ(net_name_add(NAMED, "10.1.0.2"), 0);
    EXPECT_EQ(net_name_add("b\xc3\xbc"
                           "cher.test",
                           "10.1.0.3"),
              0);
    EXPECT_EQ(net_name_add("self.example.test", "10.0.0.1"), 0);
}

/* ---- the table and the types -------------------------------------------------------------------------- */

TEST(resolver_slots_are_there, "C-RESOLVE-01 R-GAI-01 R-GAI-14 R-GAI-15 R-GAI-16 R-GNI-01", TEST_ONCE)
{
    PFN_WSK_GET_ADDRESS_INFO get_address_info = wt_npi.Dispatch->WskGetAddressInfo;
    PFN_WSK_FREE_ADDRESS_INFO free_address_info = wt_npi.Dispatch->WskFreeAddressInfo;
    PFN_WSK_GET_NAME_INFO get_name_info = wt_npi.Dispatch->WskGetNameInfo;

    EXPECT(get_address_info != NULL && free_address_info != NULL && get_name_info != NULL);
    EXPECT_EQ(FIELD_OFFSET(WSK_PROVIDER_DISPATCH, WskGetAddressInfo), 32);
    EXPECT_EQ(FIELD_OFFSET(WSK_PROVIDER_DISPATCH, WskFreeAddressInfo), 40);
    EXPECT_EQ(FIELD_OFFSET(WSK_PROVIDER_DISPATCH, WskGetNameInfo), 48);
    EXPECT_EQ(FIELD_OFFSET(ADDRINFOEXW, ai_addrlen), 16);
    EXPECT_EQ(FIELD_OFFSET(ADDRINFOEXW, ai_canonname), 24);
    EXPECT_EQ(FIELD_OFFSET(ADDRINFOEXW, ai_addr), 32);
    EXPECT_EQ(FIELD_OFFSET(ADDRINFOEXW, ai_next), 64);
    EXPECT_EQ(sizeof(ADDRINFOEXW), 72);
    free_address_info(wt_npi.Client, NULL); /* no list, nothing to do */
}

/* ---- numeric hosts and ports -------------------------------------------------------------------------- */

TEST(numeric_hosts_and_ports,
     "C-RESOLVE-05 C-RESOLVE-06 C-RESOLVE-07 C-RESOLVE-09 R-GAI-02 R-GAI-05 R-GAI-11 R-GAI-12 H-12")
{
    ADDRINFOEXW hints = hint(AI_NUMERICHOST | AI_NUMERICSERV, AF_UNSPEC, SOCK_STREAM, IPPROTO_TCP);
    PADDRINFOEXW list;

    EXPECT_STATUS(get(L"192.0.2.7", L"8080", NULL, &list), STATUS_SUCCESS);
    EXPECT_EQ(list->ai_socktype, 0);
    EXPECT_EQ(list->ai_protocol, 0);
    EXPECT(list->ai_canonname == NULL);
    EXPECT_LIST(list, "192.0.2.7:8080");
    EXPECT_STATUS(get(L"2001:DB8::7", L"65535", &hints, &list), STATUS_SUCCESS);
    EXPECT_EQ(list->ai_socktype, SOCK_STREAM);
    EXPECT_EQ(list->ai_protocol, IPPROTO_TCP);
    EXPECT_LIST(list, "[2001:db8::7]:65535");
    EXPECT_STATUS(get(L"fe80::1%3", NULL, NULL, &list), STATUS_SUCCESS);
    EXPECT_LIST(list, "fe80::1%3");
    EXPECT_STATUS(get(L"::ffff:1.2.3.4", L"0", NULL, &list), STATUS_SUCCESS);
    EXPECT_LIST(list, "::ffff:1.2.3.4");
    hints.ai_flags = AI_CANONNAME;
    EXPECT_STATUS(get(L"10.0.0.9", NULL, &hints, &list), STATUS_SUCCESS);
    expect_wide(list->ai_canonname, L"10.0.0.9");
    EXPECT_LIST(list, "10.0.0.9");
    /* What is no number is nobody's where only numbers are allowed. */
    hints.ai_flags = AI_NUMERICHOST;
    EXPECT_STATUS(get(L"localhost", L"80", &hints, &list), STATUS_NO_MATCH);
    EXPECT_STATUS(get(L"1.2.3.256", L"80", &hints, &list), STATUS_NO_MATCH);
    EXPECT_STATUS(get(L"1.2.3.4:5", L"80", &hints, &list), STATUS_NO_MATCH);
    hints.ai_flags = AI_NUMERICSERV;
    EXPECT_STATUS(get(L"127.0.0.1", L"http", &hints, &list), STATUS_NO_MATCH);
    EXPECT_STATUS(get(L"127.0.0.1", L"65536", &hints, &list), STATUS_NO_MATCH);
}

TEST(strings_are_counted, "C-RESOLVE-05 R-GAI-02 H-12")
{
    WCHAR host[] = L"10.0.0.12xyz", port[] = L"77\0";
    UNICODE_STRING node = {9 * sizeof(WCHAR), sizeof host, host}; /* the end is Length, not a NUL */
    UNICODE_STRING service = {sizeof port, sizeof port, port};    /* with its NUL: cut there */
    UNICODE_STRING empty = {0, 0, NULL};
    PADDRINFOEXW list;
    struct wt_op op;

    wt_op_init(&op);
    wt_returned(&op, wt_npi.Dispatch->WskGetAddressInfo(wt_npi.Client, &node, &service, NS_ALL, NULL, NULL,
                                                        &list, NULL, NULL, op.irp));
    RtlFillMemory(host, sizeof host, 0x5a); /* copied: nothing of ours is looked at again */
    RtlFillMemory(port, sizeof port, 0x5a);
    EXPECT_STATUS(finished(&op), STATUS_SUCCESS);
    EXPECT_LIST(list, "10.0.0.12:77");
    wt_again(&op);
    wt_returned(&op, wt_npi.Dispatch->WskGetAddressInfo(wt_npi.Client, &empty, text(&service, L"5"), NS_DNS,
                                                        NULL, NULL, &list, NULL, NULL, op.irp));
    EXPECT_STATUS(finished(&op), STATUS_SUCCESS);
    EXPECT_LIST(list, "[::1]:5", "127.0.0.1:5");
    wt_op_free(&op);
}

TEST(no_host_is_loopback_or_any, "R-GAI-04 C-RESOLVE-03 C-RESOLVE-05")
{
    ADDRINFOEXW hints = hint(AI_PASSIVE, AF_UNSPEC, 0, 0);
    PADDRINFOEXW list;

    EXPECT_STATUS(get(NULL, L"7", NULL, &list), STATUS_SUCCESS);
    EXPECT_LIST(list, "[::1]:7", "127.0.0.1:7");
    EXPECT_STATUS(get(NULL, L"7", &hints, &list), STATUS_SUCCESS);
    EXPECT_LIST(list, "[::]:7", "0.0.0.0:7");
    hints.ai_family = AF_INET;
    EXPECT_STATUS(get(NULL, L"7", &hints, &list), STATUS_SUCCESS);
    EXPECT_LIST(list, "0.0.0.0:7");
    hints = hint(AI_V4MAPPED | AI_ALL, AF_INET6, 0, 0);
    EXPECT_STATUS(get(NULL, L"7", &hints, &list), STATUS_SUCCESS);
    EXPECT_LIST(list, "[::1]:7");
    /* AI_PASSIVE says nothing where a host is given. */
    hints = hint(AI_PASSIVE, AF_UNSPEC, 0, 0);
    EXPECT_STATUS(get(L"10.0.0.1", L"7", &hints, &list), STATUS_SUCCESS);
    EXPECT_LIST(list, "10.0.0.1:7");
}

TEST(families_and_mapped_addresses, "R-GAI-04 C-RESOLVE-03")
{
    ADDRINFOEXW hints = hint(0, AF_INET6, 0, 0);
    PADDRINFOEXW list;

    add_names();
    EXPECT_STATUS(get(L"1.2.3.4", NULL, &hints, &list), STATUS_NO_MATCH);
    EXPECT_STATUS(get(L"many.test", NULL, &hints, &list), STATUS_SUCCESS);
    EXPECT_LIST(list, "fd01::1");
    hints.ai_flags = AI_V4MAPPED;
    EXPECT_STATUS(get(L"1.2.3.4", L"9", &hints, &list), STATUS_SUCCESS);
    EXPECT_LIST(list, "[::ffff:1.2.3.4]:9");
    EXPECT_STATUS(get(L"many.test", NULL, &hints, &list), STATUS_SUCCESS); /* there is a real one */
    EXPECT_LIST(list, "fd01::1");
    EXPECT_STATUS(get(BOOK, NULL, &hints, &list), STATUS_SUCCESS);
    EXPECT_LIST(list, "::ffff:10.1.0.3");
    hints.ai_flags = AI_V4MAPPED | AI_ALL;
    EXPECT_STATUS(get(L"many.test", L"9", &hints, &list), STATUS_SUCCESS);
    EXPECT_LIST(list, "[::ffff:10.1.0.1]:9", "[fd01::1]:9", "[::ffff:10.1.0.2]:9");
    hints.ai_flags = AI_ALL; /* says nothing without AI_V4MAPPED */
    EXPECT_STATUS(get(L"many.test", NULL, &hints, &list), STATUS_SUCCESS);
    EXPECT_LIST(list, "fd01::1");
    hints = hint(AI_V4MAPPED | AI_ALL, AF_INET, 0, 0);
    EXPECT_STATUS(get(L"many.test", NULL, &hints, &list), STATUS_SUCCESS);
    EXPECT_LIST(list, "10.1.0.1", "10.1.0.2");
    EXPECT_STATUS(get(L"fd01::1", NULL, &hints, &list), STATUS_NO_MATCH);
    EXPECT_STATUS(get(L"many.test", NULL, NULL, &list), STATUS_SUCCESS);
    EXPECT_LIST(list, "10.1.0.1", "fd01::1", "10.1.0.2");
}

/* ---- names -------------------------------------------------------------------------------------------- */

TEST(host_names, "C-RESOLVE-03 R-GAI-02 R-GAI-04 R-GAI-05 R-GAI-11")
{
    ADDRINFOEXW hints = hint(AI_CANONNAME, AF_INET, SOCK_DGRAM, IPPROTO_UDP);
    PADDRINFOEXW list;

    add_names();
    EXPECT_STATUS(get(L"localhost", L"4000", &hints, &list), STATUS_SUCCESS);
    EXPECT_EQ(list->ai_socktype, SOCK_DGRAM);
    EXPECT_EQ(list->ai_protocol, IPPROTO_UDP);
    expect_wide(list->ai_canonname, L"localhost");
    EXPECT_LIST(list, "127.0.0.1:4000");
    hints.ai_flags = AI_FQDN;
    EXPECT_STATUS(get(L"localhost", NULL, &hints, &list), STATUS_SUCCESS);
    EXPECT(list->ai_canonname != NULL);
    EXPECT_LIST(list, "127.0.0.1");
    hints.ai_flags = AI_CANONNAME;
    EXPECT_STATUS(get(L"many.test", NULL, &hints, &list), STATUS_SUCCESS);
    EXPECT(list->ai_canonname != NULL && list->ai_next->ai_canonname == NULL); /* the first only */
    EXPECT_LIST(list, "10.1.0.1", "10.1.0.2");
    hints =
        hint(AI_BYPASS_DNS_CACHE | AI_DNS_ONLY | AI_SECURE, AF_UNSPEC, 0, 0); /* wishes of no consequence */
    EXPECT_STATUS(get(BOOK, NULL, &hints, &list), STATUS_SUCCESS);
    EXPECT_LIST(list, "10.1.0.3");
    if (!ON_SIM) { /* the shim resolves the name only as IDN */
        hints.ai_flags = AI_DISABLE_IDN_ENCODING;
        EXPECT_STATUS(get(BOOK, NULL, &hints, &list), STATUS_NO_MATCH);
        EXPECT_STATUS(get(L"", L"3", NULL, &list), STATUS_SUCCESS); /* this host's own, whatever they are */
        EXPECT(list->ai_addr != NULL);
        free_list(list);
    } else { /* this host has addresses of both families */
        hints.ai_flags = AI_ADDRCONFIG;
        EXPECT_STATUS(get(L"Many.Test", NULL, &hints, &list), STATUS_SUCCESS);
        EXPECT_LIST(list, "10.1.0.1", "fd01::1", "10.1.0.2");
        EXPECT_EQ(net_address_change("fd00::1", 0), 0);
        EXPECT_STATUS(get(L"many.test", NULL, &hints, &list), STATUS_SUCCESS);
        EXPECT_LIST(list, "10.1.0.1", "10.1.0.2");
        EXPECT_STATUS(get(L"", L"3", NULL, &list), STATUS_SUCCESS); /* this host's own */
        EXPECT_LIST(list, "10.0.0.1:3");
    }
}

TEST(service_names, "R-GAI-02 R-GAI-04 C-RESOLVE-03")
{
    ADDRINFOEXW hints = hint(0, AF_INET, SOCK_STREAM, IPPROTO_TCP);
    PADDRINFOEXW list;

    EXPECT_STATUS(get(NULL, L"http", &hints, &list), STATUS_SUCCESS);
    EXPECT_LIST(list, "127.0.0.1:80");
    EXPECT_STATUS(get(L"10.0.0.3", L"domain", NULL, &list), STATUS_SUCCESS); /* of both kinds */
    EXPECT_EQ(list->ai_socktype, SOCK_STREAM);
    EXPECT_EQ(list->ai_next->ai_socktype, SOCK_DGRAM);
    EXPECT_LIST(list, "10.0.0.3:53", "10.0.0.3:53");
    hints = hint(0, AF_INET, 0, IPPROTO_UDP);
    EXPECT_STATUS(get(L"localhost", L"domain", &hints, &list), STATUS_SUCCESS);
    EXPECT_EQ(list->ai_socktype, SOCK_DGRAM);
    EXPECT_EQ(list->ai_protocol, IPPROTO_UDP);
    EXPECT_LIST(list, "127.0.0.1:53");
    hints = hint(0, AF_INET, SOCK_STREAM, 0);
    EXPECT_STATUS(get(L"localhost", L"tftp", &hints, &list), STATUS_NO_MATCH); /* UDP's only */
    EXPECT_STATUS(get(L"localhost", L"no-such-service", NULL, &list), STATUS_NO_MATCH);
    EXPECT_STATUS(get(NULL, L"-1", NULL, &list), STATUS_NO_MATCH);
}

TEST(unknown_names, "R-GAI-10 R-GAI-11 R-GAI-12")
{
    ADDRINFOEXW hints = hint(0, AF_INET, 0, 0);
    WCHAR longest[1400];
    PADDRINFOEXW list;
    SIZE_T i;

    EXPECT_STATUS(get(L"unknown.test", NULL, NULL, &list), STATUS_NO_MATCH);
    EXPECT_STATUS(get(L"unknown.test", L"80", &hints, &list), STATUS_NO_MATCH);
    EXPECT_STATUS(get(L"silent.test", NULL, NULL, &list), STATUS_NO_MATCH); /* on sim unknown, too */
    for (i = 0; i < RTL_NUMBER_OF(longest) - 1; i++)
        longest[i] = i % 50 == 49 ? L'.' : L'a';
    longest[i] = 0;
    EXPECT_STATUS(get(longest, NULL, NULL, &list), STATUS_NO_MATCH);
}

/* ---- what is refused ---------------------------------------------------------------------------------- */

static NTSTATUS get_as(PUNICODE_STRING node, PUNICODE_STRING service, ULONG space, PADDRINFOEXW hints,
                       PADDRINFOEXW *result, PEPROCESS process, PETHREAD thread)
{
    struct wt_op op;
    NTSTATUS status;

    wt_op_init(&op);
    wt_returned(&op, wt_npi.Dispatch->WskGetAddressInfo(wt_npi.Client, node, service, space, NULL, hints,
                                                        result, process, thread, op.irp));
    status = finished(&op); /* C-RESOLVE-10 */
    wt_op_free(&op);
    return status;
}

TEST(bad_arguments_of_get_address_info, "R-GAI-09 R-GAI-10 R-GAI-12 C-RESOLVE-10 H-12 D-01")
{
    static const struct {
        INT flags, family, type, protocol;
    } wrong[] = {
        {0x1000, 0, 0, 0},                 /* no such flag */
        {AI_CANONNAME | AI_FQDN, 0, 0, 0}, /* one name only */
        {0, 1, 0, 0},                      /* AF_UNIX */
        {0, 10, 0, 0},                     /* Linux's AF_INET6 */
        {0, 0, 4, 0},
        {0, 0, 77, 0},
        {0, 0, SOCK_STREAM, IPPROTO_UDP},
        {0, 0, SOCK_DGRAM, IPPROTO_TCP},
    };
    UNICODE_STRING host, empty, odd;
    ADDRINFOEXW hints, inside = hint(0, 0, 0, 0);
    PADDRINFOEXW list = NULL;
    SIZE_T i;

    RtlInitUnicodeString(&host, L"10.0.0.1");
    RtlInitUnicodeString(&empty, L"");
    odd = host;
    odd.Length = 7;
    EXPECT_STATUS(get_as(NULL, NULL, NS_ALL, NULL, &list, NULL, NULL), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(get_as(&empty, &empty, NS_ALL, NULL, &list, NULL, NULL), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(get_as(&host, NULL, NS_ALL, NULL, NULL, NULL, NULL), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(get_as(&odd, NULL, NS_ALL, NULL, &list, NULL, NULL), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(get_as(&host, &odd, NS_ALL, NULL, &list, NULL, NULL), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(get_as(&host, NULL, NS_ALL, NULL, &list, NULL, PsGetCurrentThread()),
                  STATUS_INVALID_PARAMETER); /* R-GAI-09 */
    for (i = 0; i < RTL_NUMBER_OF(wrong); i++) {
        hints = hint(wrong[i].flags, wrong[i].family, wrong[i].type, wrong[i].protocol);
        EXPECT_STATUS(get_as(&host, NULL, NS_ALL, &hints, &list, NULL, NULL), STATUS_INVALID_PARAMETER);
    }
    hints = hint(0, 0, 0, 0);
    hints.ai_addrlen = 1;
    EXPECT_STATUS(get_as(&host, NULL, NS_ALL, &hints, &list, NULL, NULL), STATUS_INVALID_PARAMETER);
    hints.ai_addrlen = 0;
    hints.ai_next = &inside;
    EXPECT_STATUS(get_as(&host, NULL, NS_ALL, &hints, &list, NULL, NULL), STATUS_INVALID_PARAMETER);
    hints.ai_next = NULL;
    hints.ai_flags = AI_CANONNAME; /* of no host */
    EXPECT_STATUS(get_as(NULL, &host, NS_ALL, &hints, &list, NULL, NULL), STATUS_INVALID_PARAMETER);
    EXPECT(list == NULL);
    /* Nobody here answers for Bluetooth. */
    EXPECT_STATUS(get_as(&host, NULL, NS_BTH, NULL, &list, NULL, NULL), STATUS_NO_MATCH);
}

TEST(owners_are_accepted, "C-RESOLVE-05 R-GAI-09 R-GNI-10")
{
    GUID provider = {1, 2, 3, {4}};
    UNICODE_STRING host, out;
    WCHAR buffer[64];
    SOCKADDR_STORAGE address;
    PADDRINFOEXW list;
    struct wt_op op;

    RtlInitUnicodeString(&host, L"10.0.0.1");
    EXPECT_STATUS(get_as(&host, NULL, NS_ALL, NULL, &list, PsGetCurrentProcess(), NULL), STATUS_SUCCESS);
    EXPECT_LIST(list, "10.0.0.1");
    EXPECT_STATUS(get_as(&host, NULL, NS_ALL, NULL, &list, PsGetCurrentProcess(), PsGetCurrentThread()),
                  STATUS_SUCCESS);
    EXPECT_LIST(list, "10.0.0.1");
    wt_op_init(&op);
    wt_returned(&op, wt_npi.Dispatch->WskGetAddressInfo(wt_npi.Client, &host, NULL, NS_ALL, &provider, NULL,
                                                        &list, NULL, NULL, op.irp));
    EXPECT_STATUS(finished(&op), STATUS_SUCCESS);
    EXPECT_LIST(list, "10.0.0.1");
    wt_again(&op);
    RtlInitEmptyUnicodeString(&out, buffer, sizeof buffer);
    wt_returned(&op, wt_npi.Dispatch->WskGetNameInfo(wt_npi.Client, wt_loopback(&address, AF_INET, 1),
                                                     sizeof(SOCKADDR_IN), &out, NULL, NI_NUMERICHOST,
                                                     PsGetCurrentProcess(), PsGetCurrentThread(), op.irp));
    EXPECT_STATUS(finished(&op), STATUS_SUCCESS);
    wt_again(&op);
    wt_returned(&op, wt_npi.Dispatch->WskGetNameInfo(wt_npi.Client, wt_loopback(&address, AF_INET, 1),
                                                     sizeof(SOCKADDR_IN), &out, NULL, NI_NUMERICHOST, NULL,
                                                     PsGetCurrentThread(), op.irp));
    EXPECT_STATUS(finished(&op), STATUS_INVALID_PARAMETER);
    wt_op_free(&op);
}

TEST(bad_client_or_no_irp, "C-RESOLVE-10 R-GAI-10 D-01 W-04")
{
    SOCKADDR_STORAGE address;
    PSOCKADDR loopback = wt_loopback(&address, AF_INET, 1);
    UNICODE_STRING host, out;
    WCHAR buffer[64];
    PADDRINFOEXW list = NULL;
    struct wt_op op;

    RtlInitUnicodeString(&host, L"10.0.0.1");
    RtlInitEmptyUnicodeString(&out, buffer, sizeof buffer);
    EXPECT_STATUS(wt_npi.Dispatch->WskGetAddressInfo(wt_npi.Client, &host, NULL, NS_ALL, NULL, NULL, &list,
                                                     NULL, NULL, NULL),
                  STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(wt_npi.Dispatch->WskGetNameInfo(wt_npi.Client, loopback, sizeof(SOCKADDR_IN), &out, NULL, 0,
                                                  NULL, NULL, NULL),
                  STATUS_INVALID_PARAMETER);
    wt_op_init(&op);
    wt_returned(&op, wt_npi.Dispatch->WskGetAddressInfo(NULL, &host, NULL, NS_ALL, NULL, NULL, &list, NULL,
                                                        NULL, op.irp));
    EXPECT_STATUS(finished(&op), STATUS_INVALID_HANDLE);
    wt_again(&op);
    wt_returned(&op, wt_npi.Dispatch->WskGetNameInfo(NULL, loopback, sizeof(SOCKADDR_IN), &out, NULL, 0, NULL,
                                                     NULL, op.irp));
    EXPECT_STATUS(finished(&op), STATUS_INVALID_HANDLE);
    wt_op_free(&op);
}

/* ---- WskGetNameInfo ----------------------------------------------------------------------------------- */

struct names {
    UNICODE_STRING node, service;
    WCHAR node_text[NI_MAXHOST], service_text[NI_MAXSERV];
};

static NTSTATUS names_of(struct names *names, const void *address, ULONG length, ULONG flags)
{
    struct wt_op op;
    NTSTATUS status;

    RtlFillMemory(names, sizeof *names, 0xa5);
    RtlInitEmptyUnicodeString(&names->node, names->node_text, sizeof names->node_text);
    RtlInitEmptyUnicodeString(&names->service, names->service_text, sizeof names->service_text);
    wt_op_init(&op);
    wt_returned(&op,
                wt_npi.Dispatch->WskGetNameInfo(wt_npi.Client, (PSOCKADDR)(ULONG_PTR)address, length,
                                                &names->node, &names->service, flags, NULL, NULL, op.irp));
    status = finished(&op);
    wt_op_free(&op);
    return status;
}

static void expect_names(const struct names *names, PCWSTR node, PCWSTR service)
{
    EXPECT_EQ(names->node.Length, expect_wide(names->node.Buffer, node) * sizeof(WCHAR));
    EXPECT_EQ(names->service.Length, expect_wide(names->service.Buffer, service) * sizeof(WCHAR));
}

TEST(numeric_names, "R-GNI-01 R-GNI-04 R-GNI-08 R-GNI-09 R-GNI-11")
{
    SOCKADDR_IN6 v6 = {.sin6_family = AF_INET6, .sin6_scope_id = 4};
    SOCKADDR_STORAGE address;
    struct names names;
    struct wt_op op;

    EXPECT_STATUS(names_of(&names, wt_loopback(&address, AF_INET, 8080), sizeof(SOCKADDR_IN),
                           NI_NUMERICHOST | NI_NUMERICSERV),
                  STATUS_SUCCESS);
    expect_names(&names, L"127.0.0.1", L"8080");
    v6.sin6_addr.u.Byte[0] = 0xfe;
    v6.sin6_addr.u.Byte[1] = 0x80;
    v6.sin6_addr.u.Byte[15] = 0x2a;
    v6.sin6_port = 0xffff;
    EXPECT_STATUS(names_of(&names, &v6, sizeof v6, NI_NUMERICHOST | NI_NUMERICSERV | NI_DGRAM),
                  STATUS_SUCCESS);
    expect_names(&names, L"fe80::2a%4", L"65535");
    /* A whole SOCKADDR_STORAGE will do, and either name may be left out. */
    wt_op_init(&op);
    wt_returned(&op, wt_npi.Dispatch->WskGetNameInfo(wt_npi.Client, wt_loopback(&address, AF_INET6, 9),
                                                     sizeof address, &names.node, NULL, NI_NUMERICHOST, NULL,
                                                     NULL, op.irp));
    EXPECT_STATUS(finished(&op), STATUS_SUCCESS);
    expect_wide(names.node.Buffer, L"::1");
    wt_again(&op);
    wt_returned(&op, wt_npi.Dispatch->WskGetNameInfo(wt_npi.Client, wt_loopback(&address, AF_INET6, 9),
                                                     sizeof address, NULL, &names.service,
                                                     NI_NUMERICSERV | NI_NAMEREQD, NULL, NULL, op.irp));
    EXPECT_STATUS(finished(&op), STATUS_SUCCESS); /* no host name is wanted, so none is required */
    expect_wide(names.service.Buffer, L"9");
    wt_op_free(&op);
}

TEST(names_of_addresses, "R-GNI-04 R-GNI-06 R-GNI-07 R-GNI-08 R-GNI-09 R-GNI-11 C-RESOLVE-03")
{
    SOCKADDR_STORAGE address;
    PSOCKADDR loopback = wt_loopback(&address, AF_INET, 80);
    SOCKADDR_IN there = {.sin_family = AF_INET};
    struct names names;

    add_names();
    EXPECT_STATUS(names_of(&names, loopback, sizeof(SOCKADDR_IN), 0), STATUS_SUCCESS);
    expect_names(&names, L"localhost", L"http");
    EXPECT_STATUS(names_of(&names, loopback, sizeof(SOCKADDR_IN), NI_NUMERICHOST), STATUS_SUCCESS);
    expect_names(&names, L"127.0.0.1", L"http");
    EXPECT_STATUS(names_of(&names, loopback, sizeof(SOCKADDR_IN), NI_NUMERICSERV | NI_NAMEREQD),
                  STATUS_SUCCESS);
    expect_names(&names, L"localhost", L"80");
    /* 69 is tftp's, which is UDP's only; 1 above it is nobody's that we need. */
    EXPECT_STATUS(names_of(&names, wt_loopback(&address, AF_INET, 69), sizeof(SOCKADDR_IN), NI_DGRAM),
                  STATUS_SUCCESS);
    expect_names(&names, L"localhost", L"tftp");
    EXPECT_STATUS(names_of(&names, loopback, sizeof(SOCKADDR_IN), 0), STATUS_SUCCESS);
    expect_names(&names, L"localhost", L"69");
    if (!ON_SIM)
        return;                              /* what other addresses are called is the system's business */
    there.sin_addr.S_un.S_addr = 0x0200010a; /* 10.1.0.2 */
    there.sin_port = 0x5000;
    EXPECT_STATUS(names_of(&names, &there, sizeof there, NI_NOFQDN), STATUS_SUCCESS);
    expect_names(&names, L"many.test", L"http"); /* not a local host: whole */
    there.sin_addr.S_un.S_addr = 0x0100000a;     /* 10.0.0.1, this host */
    EXPECT_STATUS(names_of(&names, &there, sizeof there, 0), STATUS_SUCCESS);
    expect_names(&names, L"self.example.test", L"http");
    EXPECT_STATUS(names_of(&names, &there, sizeof there, NI_NOFQDN), STATUS_SUCCESS);
    expect_names(&names, L"self", L"http");
    there.sin_addr.S_un.S_addr = 0x0900010a; /* nameless */
    EXPECT_STATUS(names_of(&names, &there, sizeof there, 0), STATUS_SUCCESS);
    expect_names(&names, L"10.1.0.9", L"http");
    EXPECT_STATUS(names_of(&names, &there, sizeof there, NI_NUMERICSERV), STATUS_SUCCESS);
    expect_names(&names, L"10.1.0.9", L"80");
    EXPECT_STATUS(names_of(&names, &there, sizeof there, NI_NAMEREQD), STATUS_NO_MATCH);
}

TEST(bad_arguments_of_get_name_info, "R-GNI-11 R-GNI-10 C-RESOLVE-10")
{
    SOCKADDR_STORAGE address;
    PSOCKADDR loopback = wt_loopback(&address, AF_INET, 80);
    WCHAR small[10];
    UNICODE_STRING out;
    struct names names;
    struct wt_op op;

    EXPECT_STATUS(names_of(&names, NULL, 16, 0), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(names_of(&names, loopback, 0, 0), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(names_of(&names, loopback, 15, 0), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(names_of(&names, loopback, sizeof(SOCKADDR_STORAGE) + 1, 0), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(names_of(&names, loopback, 16, 0x20), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(names_of(&names, loopback, 16, NI_NAMEREQD | NI_NUMERICHOST), STATUS_INVALID_PARAMETER);
    loopback->sa_family = AF_INET6;
    EXPECT_STATUS(names_of(&names, loopback, 27, 0), STATUS_INVALID_PARAMETER);
    loopback->sa_family = 1;
    EXPECT_STATUS(names_of(&names, loopback, 28, 0), STATUS_INVALID_PARAMETER);
    wt_loopback(&address, AF_INET, 80);
    wt_op_init(&op);
    wt_returned(
        &op, wt_npi.Dispatch->WskGetNameInfo(wt_npi.Client, loopback, 16, NULL, NULL, 0, NULL, NULL, op.irp));
    EXPECT_STATUS(finished(&op), STATUS_INVALID_PARAMETER);
    wt_again(&op);
    RtlInitEmptyUnicodeString(&out, small, 9 * sizeof(WCHAR)); /* 127.0.0.1 and no place for its end */
    wt_returned(&op, wt_npi.Dispatch->WskGetNameInfo(wt_npi.Client, loopback, 16, &out, NULL, NI_NUMERICHOST,
                                                     NULL, NULL, op.irp));
    EXPECT_STATUS(finished(&op), STATUS_BUFFER_TOO_SMALL);
    wt_again(&op);
    RtlInitEmptyUnicodeString(&out, small, 10 * sizeof(WCHAR));
    wt_returned(&op, wt_npi.Dispatch->WskGetNameInfo(wt_npi.Client, loopback, 16, &out, NULL, NI_NUMERICHOST,
                                                     NULL, NULL, op.irp));
    EXPECT_STATUS(finished(&op), STATUS_SUCCESS);
    EXPECT_EQ(out.Length, 18);
    wt_op_free(&op);
}

/* ---- the list ----------------------------------------------------------------------------------------- */

TEST(lists_of_drivers_are_freed, "D-17 R-GAI-14")
{
    PADDRINFOEXW list = NULL;
    int i;

    for (i = 0; i < 3; i++) {
        PADDRINFOEXW node = ExAllocatePool2(POOL_FLAG_NON_PAGED, sizeof *node, 'tseT');

        node->ai_next = list;
        if (i != 1)
            node->ai_addr = ExAllocatePool2(POOL_FLAG_NON_PAGED, sizeof(SOCKADDR_IN6), 'aseT');
        if (i == 2)
            node->ai_canonname = ExAllocatePool2(POOL_FLAG_PAGED, 20, 'cseT');
        list = node;
    }
    free_list(list); /* the fixture's end sees that nothing is left */
}

TEST(lists_are_the_clients, "C-RESOLVE-07 R-GAI-05 D-17")
{
    ADDRINFOEXW hints = hint(AI_CANONNAME, AF_INET, 0, 0);
    struct ex_pool_block block;
    PADDRINFOEXW list;
    SIZE_T blocks, bytes;

    EXPECT_STATUS(get(L"127.0.0.1", NULL, &hints, &list), STATUS_SUCCESS);
    /* Node, address and name stand in the account, under whoever asked for them. */
    ex_pool_driver_usage(&blocks, &bytes);
    EXPECT_EQ(blocks, 3);
    EXPECT(ex_pool_query(list, &block));
    EXPECT_EQ(block.tag, WSK_TAG_ADDRESSES);
    EXPECT(block.caller != NULL);
    EXPECT(ex_pool_query(list->ai_addr, &block) && ex_pool_query(list->ai_canonname, &block));
    /* The driver may take them apart. */
    ExFreePoolWithTag(list->ai_canonname, 0);
    list->ai_canonname = NULL;
    free_list(list);
}

static void free_in_routine(struct wt_op *op)
{
    PADDRINFOEXW *list = op->context;

    EXPECT_EQ(KeGetCurrentIrql(), PASSIVE_LEVEL);
    EXPECT_STATUS(op->status, STATUS_SUCCESS);
    expect_address(*list, "127.0.0.1:80");
    free_list(*list);
}

TEST(routines_may_process_the_list, "C-RESOLVE-12 C-RESOLVE-09 R-GAI-11")
{
    ADDRINFOEXW hints = hint(0, AF_INET, SOCK_STREAM, 0);
    PADDRINFOEXW list;
    struct wt_op op;

    wt_op_init(&op);
    op.hook = free_in_routine;
    op.context = &list;
    ask(&op, L"localhost", L"http", &hints, &list);
    EXPECT_STATUS(finished(&op), STATUS_SUCCESS);
    EXPECT_EQ(op.returned == STATUS_PENDING, !MODE_INLINE);
    wt_op_free(&op);
}

/* ---- many at once ------------------------------------------------------------------------------------- */

TEST(many_at_once, "R-GAI-11 R-GNI-11 D-01")
{
    enum { COUNT = 24 };
    static struct wt_op ops[COUNT];
    static PADDRINFOEXW lists[COUNT];
    int i;

    add_names();
    for (i = 0; i < COUNT; i++) {
        wt_op_init(&ops[i]);
        ask(&ops[i],
            i % 3 == 0   ? L"many.test"
            : i % 3 == 1 ? L"unknown.test"
                         : L"10.0.0.9",
            i % 2 ? L"9" : NULL, NULL, &lists[i]);
    }
    for (i = 0; i < COUNT; i++) {
        EXPECT_STATUS(finished(&ops[i]), i % 3 == 1 ? STATUS_NO_MATCH : STATUS_SUCCESS);
        free_list(lists[i]);
        wt_op_free(&ops[i]);
    }
}

/* ---- cancellation and WskDeregister ------------------------------------------------------------------- */

/* A call on a thread of its own, since it waits where completions are inline. */
struct asker {
    struct wt_op op;
    PWSK_CLIENT client;
    PADDRINFOEXW list;
    PCWSTR host;
    volatile LONG called;
    struct test_thread *thread;
};

static void ask_main(void *argument)
{
    struct asker *asker = argument;
    UNICODE_STRING host;
    NTSTATUS status;

    RtlInitUnicodeString(&host, asker->host);
    InterlockedExchange(&asker->called, 1);
    status = wt_npi.Dispatch->WskGetAddressInfo(asker->client, &host, NULL, NS_ALL, NULL, NULL, &asker->list,
                                                NULL, NULL, asker->op.irp);
    wt_returned(&asker->op, status);
    EXPECT_EQ(status == STATUS_PENDING, !MODE_INLINE || asker->op.status == STATUS_INVALID_HANDLE);
}

static void asker_start(struct asker *asker, PWSK_CLIENT client, PCWSTR host)
{
    RtlZeroMemory(asker, sizeof *asker);
    wt_op_init(&asker->op);
    asker->client = client;
    asker->host = host;
    asker->list = (PADDRINFOEXW)1;
    asker->thread = test_thread_start(ask_main, asker);
}

static void asker_end(struct asker *asker)
{
    test_thread_join(asker->thread);
    wt_op_free(&asker->op);
}

TEST(cancel_ends_it_at_once, "K-CANCEL-06 R-GAI-11 C-RESOLVE-10")
{
    struct asker asker;

    asker_start(&asker, wt_npi.Client, L"slow.test");
    if (ON_SIM) /* where no name server is slower than the weather */
        EXPECT_SOON(line_read(&asker.called));
    else
        EXPECT_SOON(slow_resolver_inside() == 1);
    if (!ON_SIM) {
        EXPECT(!wt_is_done(&asker.op));
        EXPECT_EQ(IoCancelIrp(asker.op.irp), TRUE);
        if (!MODE_INLINE)
            EXPECT(wt_is_done(&asker.op)); /* within IoCancelIrp, while the resolver still works */
        EXPECT_STATUS(wt_wait(&asker.op), STATUS_CANCELLED);
        EXPECT_EQ(asker.op.information, (ULONG)STATUS_CANCELLED);
        EXPECT_EQ(slow_resolver_inside(), 1);
    } else {
        IoCancelIrp(asker.op.irp);
        EXPECT(wt_wait(&asker.op) == STATUS_CANCELLED || asker.op.status == STATUS_NO_MATCH);
    }
    asker_end(&asker);
    EXPECT(asker.list == NULL);
    /* The resolver's thread is still in there when the fixture takes the runtime down, or comes out of it now. */
    if (test_mode_has("passive"))
        slow_resolver_go();
}

TEST(cancelled_before_the_call, "K-CANCEL-08 R-GAI-11 R-GNI-11")
{
    UNICODE_STRING out;
    WCHAR buffer[64];
    SOCKADDR_STORAGE address;
    PADDRINFOEXW list;
    struct wt_op op;

    wt_op_init(&op);
    IoCancelIrp(op.irp);
    ask(&op, L"127.0.0.1", L"80", NULL, &list); /* an answer that is there at once, and one that is not */
    EXPECT_STATUS(finished(&op), STATUS_CANCELLED);
    EXPECT(list == NULL);
    wt_again(&op);
    IoCancelIrp(op.irp);
    ask(&op, L"unknown.test", L"80", NULL, &list);
    EXPECT_STATUS(finished(&op), STATUS_CANCELLED);
    wt_again(&op);
    IoCancelIrp(op.irp);
    RtlInitEmptyUnicodeString(&out, buffer, sizeof buffer);
    buffer[0] = 1;
    wt_returned(&op, wt_npi.Dispatch->WskGetNameInfo(wt_npi.Client, wt_loopback(&address, AF_INET, 1),
                                                     sizeof(SOCKADDR_IN), &out, NULL, 0, NULL, NULL, op.irp));
    EXPECT_STATUS(finished(&op), STATUS_CANCELLED);
    EXPECT_EQ(buffer[0], 1); /* untouched */
    wt_op_free(&op);
}

TEST(more_slow_ones_than_threads, "R-GAI-11")
{
    enum { COUNT = 12 };
    static struct asker askers[COUNT];
    PADDRINFOEXW list;
    int i;

    if (ON_SIM)
        return; /* no threads there */
    for (i = 0; i < COUNT; i++)
        asker_start(&askers[i], wt_npi.Client, L"slow.test");
    EXPECT_SOON(slow_resolver_inside() == 8);
    EXPECT_STATUS(get(L"10.0.0.1", L"1", NULL, &list), STATUS_SUCCESS); /* needs nobody */
    EXPECT_LIST(list, "10.0.0.1:1");
    for (i = 0; i < COUNT; i += 2) /* some that are inside, some that still wait */
        IoCancelIrp(askers[i].op.irp);
    slow_resolver_go();
    for (i = 0; i < COUNT; i++) {
        NTSTATUS status = wt_wait(&askers[i].op);

        EXPECT(status == STATUS_NO_MATCH || (i % 2 == 0 && status == STATUS_CANCELLED));
        asker_end(&askers[i]);
    }
}

static void cancel_main(void *argument)
{
    IoCancelIrp(argument);
}

TEST(cancel_against_the_answer, "K-CANCEL-06 R-GAI-11 D-01", TEST_MODES(WT_RACE_MODES), TEST_TIMEOUT(60))
{
    long rounds = test_scale(2000), i;

    add_names();
    for (i = 0; i < rounds + 2; i++) {
        struct asker asker;
        struct test_thread *canceller;
        NTSTATUS status;

        asker_start(&asker, wt_npi.Client, i % 3 == 0 ? L"10.0.0.4" : L"many.test");
        canceller = test_thread_start(cancel_main, asker.op.irp);
        status = wt_wait(&asker.op);
        EXPECT(status == STATUS_SUCCESS || status == STATUS_CANCELLED);
        test_thread_join(canceller); /* it may still hold the IRP */
        EXPECT_EQ(asker.list == NULL, status != STATUS_SUCCESS);
        free_list(asker.list);
        asker_end(&asker);
    }
}

struct leaver {
    PWSK_REGISTRATION registration;
    volatile LONG over, order;
};

static void deregister_main(void *argument)
{
    struct leaver *leaver = argument;

    WskDeregister(leaver->registration);
    leaver->order = wt_mark();
    InterlockedExchange(&leaver->over, 1);
}

TEST(deregister_waits_for_the_answer, "C-DEREG-05 C-DEREG-09")
{
    static const WSK_CLIENT_DISPATCH dispatch = {MAKE_WSK_VERSION(1, 0), 0, NULL};
    WSK_CLIENT_NPI client = {NULL, &dispatch};
    WSK_REGISTRATION registration;
    WSK_PROVIDER_NPI npi;
    struct leaver leaver = {&registration, 0, 0};
    struct test_thread *thread;
    struct asker asker;

    EXPECT_STATUS(WskRegister(&client, &registration), STATUS_SUCCESS);
    EXPECT_STATUS(WskCaptureProviderNPI(&registration, WSK_NO_WAIT, &npi), STATUS_SUCCESS);
    asker_start(&asker, npi.Client, L"slow.test");
    if (!ON_SIM)
        EXPECT_SOON(slow_resolver_inside() == 1);
    else
        EXPECT_SOON(line_read(&asker.called) && (MODE_INLINE || asker.op.returned == STATUS_PENDING));
    if (ON_SIM && MODE_INLINE)
        wt_wait(&asker.op); /* it must be let in before the capture goes */
    WskReleaseProviderNPI(&registration);
    thread = test_thread_start(deregister_main, &leaver);
    if (!ON_SIM) {
        test_sleep_ms(60);
        EXPECT_EQ(line_read(&leaver.over), 0); /* the IRP is all that is left */
        slow_resolver_go();
    }
    EXPECT_SOON(line_read(&leaver.over));
    EXPECT_STATUS(wt_wait(&asker.op), STATUS_NO_MATCH);
    EXPECT(asker.op.order < leaver.order);
    test_thread_join(thread);
    asker_end(&asker);
}

/* ---- memory runs out ---------------------------------------------------------------------------------- */

static volatile LONG fault_kind, fault_countdown, faults;

static int plan(void *context, int kind)
{
    UNREFERENCED_PARAMETER(context);
    if (kind != ReadAcquire(&fault_kind) || InterlockedDecrement(&fault_countdown) != 0)
        return 0;
    InterlockedIncrement(&faults);
    return 1;
}

__attribute__((constructor)) static void install_plan(void)
{
    host_set_fault_plan(plan, NULL);
}

static NTSTATUS with_fault(LONG kind, LONG nth, PCWSTR host, PCWSTR service, PADDRINFOEXW hints,
                           PADDRINFOEXW *list)
{
    struct wt_op op;
    NTSTATUS status;

    wt_op_init(&op);
    *list = NULL;
    InterlockedExchange(&fault_countdown, nth);
    InterlockedExchange(&fault_kind, kind);
    ask(&op, host, service, hints, list);
    status = finished(&op);
    InterlockedExchange(&fault_kind, 0);
    EXPECT_EQ(*list == NULL, status != STATUS_SUCCESS);
    wt_op_free(&op);
    return status;
}

TEST(memory_runs_out, "R-GAI-11 C-RESOLVE-10 D-01")
{
    ADDRINFOEXW hints = hint(AI_CANONNAME, AF_UNSPEC, 0, 0);
    PADDRINFOEXW list;
    NTSTATUS status;
    LONG nth;

    add_names();
    for (nth = 1; nth <= 12; nth++) {
        status = with_fault(HOST_FAULT_POOL, nth, L"many.test", L"5", &hints, &list);
        EXPECT(status == STATUS_SUCCESS || status == STATUS_INSUFFICIENT_RESOURCES);
        /* The request, then node and address of each, then the name. */
        EXPECT_STATUS(status, nth <= 8 ? STATUS_INSUFFICIENT_RESOURCES : STATUS_SUCCESS);
        free_list(list);
    }
    EXPECT_STATUS(with_fault(HOST_FAULT_TRANSPORT, 1, L"many.test", L"5", &hints, &list),
                  STATUS_INSUFFICIENT_RESOURCES);
    EXPECT_EQ(ReadAcquire(&faults), 9);
    EXPECT_STATUS(get(L"many.test", L"5", &hints, &list), STATUS_SUCCESS);
    EXPECT_LIST(list, "10.1.0.1:5", "[fd01::1]:5", "10.1.0.2:5");
}
