/*
 * control_data.c - control information of datagrams: Windows' objects (CMSGHDR and data, 8-byte alignment) and
 * the transport's struct transport_datagram (D-19).
 */
#include "wsk/datagram.h"

static const UCHAR mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static BOOLEAN is_mapped(const struct transport_address *address)
{
    return address->family == AF_INET6 &&
           RtlEqualMemory(address->bytes + 8, mapped_prefix, sizeof mapped_prefix);
}

ULONG wsk_datagram_kind(const struct transport_datagram *about)
{
    if (about->flags & TRANSPORT_BROADCAST)
        return MSG_BCAST;
    return (about->flags & TRANSPORT_MULTICAST) ? MSG_MCAST : 0;
}

/* ---- in ----------------------------------------------------------------------------------------------- */

/* The source address and the interface that a send wants; what is zero is left to the system. */
static void want_source(const struct wsk_socket *socket, struct transport_datagram *about, const void *ip,
                        BOOLEAN v4, ULONG interface)
{
    static const UCHAR none[16];
    SIZE_T size = v4 ? 4 : 16;

    if (interface != 0) {
        about->interface = interface;
        about->known |= TRANSPORT_KNOWS_INTERFACE;
    }
    if (RtlEqualMemory(ip, none, size))
        return;
    RtlZeroMemory(&about->local, sizeof about->local);
    about->local.length = socket->family == AF_INET ? sizeof(SOCKADDR_IN) : sizeof(SOCKADDR_IN6);
    about->local.family = socket->family;
    if (socket->family == AF_INET) {
        RtlCopyMemory(about->local.bytes + 4, ip, size);
    } else if (v4) {
        RtlCopyMemory(about->local.bytes + 8, mapped_prefix, sizeof mapped_prefix);
        RtlCopyMemory(about->local.bytes + 20, ip, size);
    } else {
        RtlCopyMemory(about->local.bytes + 8, ip, size);
    }
    about->known |= TRANSPORT_KNOWS_LOCAL;
}

static void want_class(struct transport_datagram *about, ULONG bits, ULONG mask)
{
    if (!(about->known & TRANSPORT_KNOWS_CLASS))
        about->traffic_class = 0;
    about->traffic_class = (about->traffic_class & ~mask) | (bits & mask);
    about->known |= TRANSPORT_KNOWS_CLASS;
}

/* An object with one number; FALSE: its size is wrong. */
static BOOLEAN number_of(const void *data, SIZE_T size, ULONG *number)
{
    if (size != sizeof *number)
        return FALSE;
    RtlCopyMemory(number, data, sizeof *number);
    return TRUE;
}

static NTSTATUS ip_object(const struct wsk_socket *socket, const CMSGHDR *header, const UCHAR *data,
                          SIZE_T size, struct transport_datagram *about)
{
    BOOLEAN v4 = header->cmsg_level == IPPROTO_IP;
    SIZE_T address = v4 ? sizeof(IN_ADDR) : sizeof(IN6_ADDR);
    ULONG number;

    C_ASSERT(IP_PKTINFO == IPV6_PKTINFO && IP_HOPLIMIT == IPV6_HOPLIMIT && IP_ECN == IPV6_ECN &&
             IP_TCLASS == IPV6_TCLASS);
    if (!v4 && socket->family == AF_INET)
        return STATUS_INVALID_PARAMETER;
    switch (header->cmsg_type) {
    case IP_PKTINFO:
        if (size != address + sizeof(ULONG))
            return STATUS_INVALID_PARAMETER;
        RtlCopyMemory(&number, data + address, sizeof number);
        want_source(socket, about, data, v4, number);
        return STATUS_SUCCESS;
    case IP_ECN:
        if (!number_of(data, size, &number) || number > 3)
            return STATUS_INVALID_PARAMETER;
        want_class(about, number, 3);
        return STATUS_SUCCESS;
    case IP_TOS:
    case IP_TCLASS:
        if ((header->cmsg_type == IP_TOS) != v4)
            return STATUS_NOT_SUPPORTED;
        if (!number_of(data, size, &number) || number > 255)
            return STATUS_INVALID_PARAMETER;
        want_class(about, number, 0xfc);
        if (number & 3)
            want_class(about, number, 3);
        return STATUS_SUCCESS;
    case IP_TTL:
    case IP_HOPLIMIT:
        if (header->cmsg_type == IP_TTL && !v4)
            return STATUS_NOT_SUPPORTED;
        if (!number_of(data, size, &number) || number > 255)
            return STATUS_INVALID_PARAMETER;
        about->hops = number;
        about->known |= TRANSPORT_KNOWS_HOPS;
        return STATUS_SUCCESS;
    case IP_OPTIONS:
    case IP_RTHDR: /* none of them: nothing to do (D-19) */
        return size == 0 ? STATUS_SUCCESS : STATUS_NOT_SUPPORTED;
    default:
        return STATUS_NOT_SUPPORTED;
    }
}

static NTSTATUS udp_object(const CMSGHDR *header, const UCHAR *data, SIZE_T size,
                           struct transport_datagram *about)
{
    if (header->cmsg_type != UDP_SEND_MSG_SIZE)
        return STATUS_NOT_SUPPORTED;
    if (!number_of(data, size, &about->segment))
        return STATUS_INVALID_PARAMETER;
    about->known |= TRANSPORT_KNOWS_SEGMENT;
    return STATUS_SUCCESS;
}

NTSTATUS wsk_control_in(const struct wsk_socket *socket, const CMSGHDR *info, ULONG length,
                        struct transport_datagram *about)
{
    const SIZE_T data_at = WSA_CMSGDATA_ALIGN(sizeof(CMSGHDR));
    const UCHAR *at = (const UCHAR *)info;
    SIZE_T left = length;

    RtlZeroMemory(&about->known,
                  sizeof *about - FIELD_OFFSET(struct transport_datagram, known)); /* not remote */
    if (info == NULL)
        return length == 0 ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER; /* R-SENDTO-05 */
    while (left >= sizeof(CMSGHDR)) {
        CMSGHDR header;
        NTSTATUS status;
        SIZE_T step;

        RtlCopyMemory(&header, at, sizeof header);
        if (header.cmsg_len < data_at || header.cmsg_len > left)
            return STATUS_INVALID_PARAMETER;
        if (header.cmsg_level == IPPROTO_IP || header.cmsg_level == IPPROTO_IPV6)
            status = ip_object(socket, &header, at + data_at, header.cmsg_len - data_at, about);
        else if (header.cmsg_level == IPPROTO_UDP)
            status = udp_object(&header, at + data_at, header.cmsg_len - data_at, about);
        else
            status = STATUS_NOT_SUPPORTED;
        if (status != STATUS_SUCCESS)
            return status;
        step = WSA_CMSGHDR_ALIGN(header.cmsg_len);
        if (step >= left)
            return STATUS_SUCCESS;
        at += step;
        left -= step;
    }
    return left == 0 ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER;
}

/* ---- out ---------------------------------------------------------------------------------------------- */

static ULONG put(UCHAR *out, ULONG used, INT level, INT type, const void *data, SIZE_T size)
{
    CMSGHDR header = {.cmsg_len = WSA_CMSG_LEN(size), .cmsg_level = level, .cmsg_type = type};

    KE_ASSERT(used + WSA_CMSG_SPACE(size) <= WSK_CONTROL_MOST);
    RtlZeroMemory(out + used, WSA_CMSG_SPACE(size));
    RtlCopyMemory(out + used, &header, sizeof header);
    RtlCopyMemory(out + used + WSA_CMSGDATA_ALIGN(sizeof header), data, size);
    return used + (ULONG)WSA_CMSG_SPACE(size);
}

static ULONG put_number(UCHAR *out, ULONG used, INT level, INT type, ULONG number)
{
    return put(out, used, level, type, &number, sizeof number);
}

/* One of the two kinds per datagram, also on a dual-mode socket (D-19). */
static ULONG put_packet_info(const struct wsk_socket *socket, const struct transport_datagram *about,
                             UCHAR *out)
{
    BOOLEAN mapped = is_mapped(&about->local);

    if (about->local.family == AF_INET || mapped) {
        IN_PKTINFO info = {.ipi_ifindex = about->interface};

        if (!socket->option.packet_info)
            return 0;
        RtlCopyMemory(&info.ipi_addr, about->local.bytes + (mapped ? 20 : 4), sizeof info.ipi_addr);
        return put(out, 0, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
    } else {
        IN6_PKTINFO info = {.ipi6_ifindex = about->interface};

        if (!socket->option.packet_info6)
            return 0;
        RtlCopyMemory(&info.ipi6_addr, about->local.bytes + 8, sizeof info.ipi6_addr);
        return put(out, 0, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
    }
}

/* ICMP's word on a datagram that was sent (D-19). */
static ULONG put_error(UCHAR *out, const struct transport_datagram *about)
{
    BOOLEAN v6 = about->error.v6;
    IN_RECVERR error = {.protocol = v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP,
                        .info = about->error.mtu,
                        .type = about->error.type,
                        .code = about->error.code};

    C_ASSERT(IP_RECVERR == IPV6_RECVERR);
    return put(out, 0, v6 ? IPPROTO_IPV6 : IPPROTO_IP, IP_RECVERR, &error, sizeof error);
}

ULONG wsk_control_out(const struct wsk_socket *socket, const struct transport_datagram *about,
                      UCHAR out[WSK_CONTROL_MOST])
{
    BOOLEAN v4 = about->local.family == AF_INET || is_mapped(&about->local);
    INT level = v4 ? IPPROTO_IP : IPPROTO_IPV6;
    ULONG used = 0;

    if (about->known & TRANSPORT_KNOWS_ERROR)
        return put_error(out, about);
    if ((about->known & TRANSPORT_KNOWS_LOCAL) && (socket->option.packet_info || socket->option.packet_info6))
        used = put_packet_info(socket, about, out);
    if ((about->known & TRANSPORT_KNOWS_HOPS) && socket->option.receive_hops)
        used = put_number(out, used, level, v4 ? IP_TTL : IPV6_HOPLIMIT,
                          about->hops); /* D-19: drivers look for IP_TTL */
    if ((about->known & TRANSPORT_KNOWS_CLASS) && socket->option.receive_class)
        used = put_number(out, used, level, v4 ? IP_TOS : IPV6_TCLASS, about->traffic_class);
    if ((about->known & TRANSPORT_KNOWS_CLASS) && socket->option.receive_ecn)
        used = put_number(out, used, level, IP_ECN, about->traffic_class & 3);
    if ((about->known & TRANSPORT_KNOWS_SEGMENT) && socket->option.receive_coalesced)
        used = put_number(out, used, IPPROTO_UDP, UDP_COALESCED_INFO, about->segment);
    return used;
}
