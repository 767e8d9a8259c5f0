/*
 * ws2ipdef.h - TCP/IP for Winsock: the IPv6 socket address, the options at the
 * levels IPPROTO_IP, IPPROTO_IPV6, IPPROTO_TCP and IPPROTO_UDP with their
 * structures, and predicates on IPv6 addresses.
 */
#ifndef UWSK_INCLUDE_WS2IPDEF_H
#define UWSK_INCLUDE_WS2IPDEF_H

#define _WS2IPDEF_

#include <ws2def.h>
#include <in6addr.h>

#ifdef __cplusplus
extern "C" {
#endif

#define IPV6_ADDRESS_BITS (8 * sizeof(IN6_ADDR))

/* Options at level IPPROTO_IP. */
#define IP_OPTIONS                1
#define IP_HDRINCL                2
#define IP_TOS                    3
#define IP_TTL                    4
#define IP_MULTICAST_IF           9
#define IP_MULTICAST_TTL          10
#define IP_MULTICAST_LOOP         11
#define IP_ADD_MEMBERSHIP         12
#define IP_DROP_MEMBERSHIP        13
#define IP_DONTFRAGMENT           14
#define IP_ADD_SOURCE_MEMBERSHIP  15
#define IP_DROP_SOURCE_MEMBERSHIP 16
#define IP_BLOCK_SOURCE           17
#define IP_UNBLOCK_SOURCE         18
#define IP_PKTINFO                19
#define IP_HOPLIMIT               21
#define IP_RECVTTL                21
#define IP_RECEIVE_BROADCAST      22
#define IP_RECVIF                 24
#define IP_RECVDSTADDR            25
#define IP_IFLIST                 28
#define IP_ADD_IFLIST             29
#define IP_DEL_IFLIST             30
#define IP_UNICAST_IF             31
#define IP_RTHDR                  32
#define IP_GET_IFLIST             33
#define IP_RECVRTHDR              38
#define IP_TCLASS                 39
#define IP_RECVTCLASS             40
#define IP_RECVTOS                40
#define MCAST_JOIN_GROUP          41
#define MCAST_LEAVE_GROUP         42
#define MCAST_BLOCK_SOURCE        43
#define MCAST_UNBLOCK_SOURCE      44
#define MCAST_JOIN_SOURCE_GROUP   45
#define MCAST_LEAVE_SOURCE_GROUP  46
#define IP_ORIGINAL_ARRIVAL_IF    47
#define IP_ECN                    50
#define IP_RECVECN                50
#define IP_PKTINFO_EX             51
#define IP_WFP_REDIRECT_RECORDS   60
#define IP_WFP_REDIRECT_CONTEXT   70
#define IP_MTU_DISCOVER           71
#define IP_MTU                    73
#define IP_NRT_INTERFACE          74
#define IP_RECVERR                75
#define IP_USER_MTU               76

#define IP_UNSPECIFIED_TYPE_OF_SERVICE -1
#define IP_UNSPECIFIED_HOP_LIMIT       -1
#define IP_UNSPECIFIED_USER_MTU        0xffffffff

/* Options at level IPPROTO_IPV6; where IPv4 has the same one, the number is the same. */
#define IPV6_HOPOPTS              1
#define IPV6_HDRINCL              2
#define IPV6_UNICAST_HOPS         4
#define IPV6_MULTICAST_IF         9
#define IPV6_MULTICAST_HOPS       10
#define IPV6_MULTICAST_LOOP       11
#define IPV6_ADD_MEMBERSHIP       12
#define IPV6_JOIN_GROUP           IPV6_ADD_MEMBERSHIP
#define IPV6_DROP_MEMBERSHIP      13
#define IPV6_LEAVE_GROUP          IPV6_DROP_MEMBERSHIP
#define IPV6_DONTFRAG             14
#define IPV6_PKTINFO              19
#define IPV6_HOPLIMIT             21
#define IPV6_PROTECTION_LEVEL     23
#define IPV6_RECVIF               24
#define IPV6_RECVDSTADDR          25
#define IPV6_CHECKSUM             26
#define IPV6_V6ONLY               27
#define IPV6_IFLIST               28
#define IPV6_ADD_IFLIST           29
#define IPV6_DEL_IFLIST           30
#define IPV6_UNICAST_IF           31
#define IPV6_RTHDR                32
#define IPV6_GET_IFLIST           33
#define IPV6_RECVRTHDR            38
#define IPV6_TCLASS               39
#define IPV6_RECVTCLASS           40
#define IPV6_ECN                  50
#define IPV6_RECVECN              50
#define IPV6_PKTINFO_EX           51
#define IPV6_WFP_REDIRECT_RECORDS 60
#define IPV6_WFP_REDIRECT_CONTEXT 70
#define IPV6_MTU_DISCOVER         71
#define IPV6_MTU                  72
#define IPV6_NRT_INTERFACE        74
#define IPV6_RECVERR              75
#define IPV6_USER_MTU             76

#define IP_PROTECTION_LEVEL             IPV6_PROTECTION_LEVEL
#define PROTECTION_LEVEL_UNRESTRICTED   10
#define PROTECTION_LEVEL_EDGERESTRICTED 20
#define PROTECTION_LEVEL_RESTRICTED     30
#define PROTECTION_LEVEL_DEFAULT        ((UINT)-1)

/* Values of IP_MTU_DISCOVER and IPV6_MTU_DISCOVER. */
typedef enum _PMTUD_STATE {
    IP_PMTUDISC_NOT_SET,
    IP_PMTUDISC_DO,
    IP_PMTUDISC_DONT,
    IP_PMTUDISC_PROBE,
    IP_PMTUDISC_MAX
} PMTUD_STATE,
    *PPMTUD_STATE;

/* Options at level IPPROTO_TCP (TCP_NODELAY stands in ws2def.h). */
#define TCP_OFFLOAD_NO_PREFERENCE 0
#define TCP_OFFLOAD_NOT_PREFERRED 1
#define TCP_OFFLOAD_PREFERRED     2

#define TCP_EXPEDITED_1122             0x0002
#define TCP_KEEPALIVE                  3
#define TCP_MAXSEG                     4
#define TCP_MAXRT                      5
#define TCP_STDURG                     6
#define TCP_NOURG                      7
#define TCP_ATMARK                     8
#define TCP_NOSYNRETRIES               9
#define TCP_TIMESTAMPS                 10
#define TCP_OFFLOAD_PREFERENCE         11
#define TCP_CONGESTION_ALGORITHM       12
#define TCP_DELAY_FIN_ACK              13
#define TCP_MAXRTMS                    14
#define TCP_FASTOPEN                   15
#define TCP_KEEPCNT                    16
#define TCP_KEEPIDLE                   TCP_KEEPALIVE
#define TCP_KEEPINTVL                  17
#define TCP_FAIL_CONNECT_ON_ICMP_ERROR 18
#define TCP_ICMP_ERROR_INFO            19
#define TCP_BSDURGENT                  0x7000

/* Options and control message types at level IPPROTO_UDP. */
#define UDP_NOCHECKSUM              1
#define UDP_SEND_MSG_SIZE           2
#define UDP_RECV_MAX_COALESCED_SIZE 3
#define UDP_COALESCED_INFO          3
#define UDP_CHECKSUM_COVERAGE       20

/* The IPv6 socket address; port and flow information in network byte order. */
typedef struct sockaddr_in6 {
    ADDRESS_FAMILY sin6_family;
    USHORT sin6_port;
    ULONG sin6_flowinfo;
    IN6_ADDR sin6_addr;
    union {
        ULONG sin6_scope_id;
        SCOPE_ID sin6_scope_struct;
    };
} SOCKADDR_IN6_LH, *PSOCKADDR_IN6_LH, *LPSOCKADDR_IN6_LH;

typedef SOCKADDR_IN6_LH SOCKADDR_IN6, *PSOCKADDR_IN6, *LPSOCKADDR_IN6;

/* The same without the scope structure, as older code declares it. */
typedef struct sockaddr_in6_w2ksp1 {
    SHORT sin6_family;
    USHORT sin6_port;
    ULONG sin6_flowinfo;
    IN6_ADDR sin6_addr;
    ULONG sin6_scope_id;
} SOCKADDR_IN6_W2KSP1, *PSOCKADDR_IN6_W2KSP1, *LPSOCKADDR_IN6_W2KSP1;

typedef struct _sockaddr_in6_pair {
    PSOCKADDR_IN6 SourceAddress;
    PSOCKADDR_IN6 DestinationAddress;
} SOCKADDR_IN6_PAIR, *PSOCKADDR_IN6_PAIR;

/* Either family; si_family says which. */
typedef union _SOCKADDR_INET {
    SOCKADDR_IN Ipv4;
    SOCKADDR_IN6 Ipv6;
    ADDRESS_FAMILY si_family;
} SOCKADDR_INET, *PSOCKADDR_INET;

/* The port of either family, which lies in one place, in network byte order; it can be assigned. */
#define SS_PORT(ssp) (((PSOCKADDR_IN)(ssp))->sin_port)

/* Multicast membership. */
typedef enum { MCAST_INCLUDE = 0, MCAST_EXCLUDE } MULTICAST_MODE_TYPE;

typedef struct ip_mreq {
    IN_ADDR imr_multiaddr;
    IN_ADDR imr_interface;
} IP_MREQ, *PIP_MREQ;

typedef struct ip_mreq_source {
    IN_ADDR imr_multiaddr;
    IN_ADDR imr_sourceaddr;
    IN_ADDR imr_interface;
} IP_MREQ_SOURCE, *PIP_MREQ_SOURCE;

typedef struct ip_msfilter {
    IN_ADDR imsf_multiaddr;
    IN_ADDR imsf_interface;
    MULTICAST_MODE_TYPE imsf_fmode;
    ULONG imsf_numsrc;
    IN_ADDR imsf_slist[1];
} IP_MSFILTER, *PIP_MSFILTER;

#define IP_MSFILTER_SIZE(NumSources) (sizeof(IP_MSFILTER) - sizeof(IN_ADDR) + (NumSources) * sizeof(IN_ADDR))

typedef struct ipv6_mreq {
    IN6_ADDR ipv6mr_multiaddr;
    ULONG ipv6mr_interface;
} IPV6_MREQ, *PIPV6_MREQ;

typedef struct group_req {
    ULONG gr_interface;
    SOCKADDR_STORAGE gr_group;
} GROUP_REQ, *PGROUP_REQ;

typedef struct group_source_req {
    ULONG gsr_interface;
    SOCKADDR_STORAGE gsr_group;
    SOCKADDR_STORAGE gsr_source;
} GROUP_SOURCE_REQ, *PGROUP_SOURCE_REQ;

typedef struct group_filter {
    ULONG gf_interface;
    SOCKADDR_STORAGE gf_group;
    MULTICAST_MODE_TYPE gf_fmode;
    ULONG gf_numsrc;
    SOCKADDR_STORAGE gf_slist[1];
} GROUP_FILTER, *PGROUP_FILTER;

#define GROUP_FILTER_SIZE(numsrc)                                                                            \
    (sizeof(GROUP_FILTER) - sizeof(SOCKADDR_STORAGE) + (numsrc) * sizeof(SOCKADDR_STORAGE))

/* Data of the control messages IP_PKTINFO and IPV6_PKTINFO (8 and 20 bytes), and the _EX forms. */
typedef struct in_pktinfo {
    IN_ADDR ipi_addr;
    ULONG ipi_ifindex;
} IN_PKTINFO, *PIN_PKTINFO;

typedef struct in6_pktinfo {
    IN6_ADDR ipi6_addr;
    ULONG ipi6_ifindex;
} IN6_PKTINFO, *PIN6_PKTINFO;

typedef struct in_pktinfo_ex {
    IN_PKTINFO pkt_info;
    SCOPE_ID scope_id;
} IN_PKTINFO_EX, *PIN_PKTINFO_EX;

typedef struct in6_pktinfo_ex {
    IN6_PKTINFO pkt_info;
    SCOPE_ID scope_id;
} IN6_PKTINFO_EX, *PIN6_PKTINFO_EX;

/* Data of the control messages IP_RECVERR and IPV6_RECVERR. */
typedef struct in_recverr {
    IPPROTO protocol;
    ULONG info;
    UCHAR type;
    UCHAR code;
} IN_RECVERR, *PIN_RECVERR;

/* Output of the option TCP_ICMP_ERROR_INFO. */
typedef struct icmp_error_info {
    SOCKADDR_INET srcaddress;
    IPPROTO protocol;
    UCHAR type;
    UCHAR code;
} ICMP_ERROR_INFO, *PICMP_ERROR_INFO;

/* Interface list and source filters of multicast groups. */
typedef union sockaddr_gen {
    struct sockaddr Address;
    struct sockaddr_in AddressIn;
    struct {
        SHORT sin6_family;
        USHORT sin6_port;
        ULONG sin6_flowinfo;
        IN6_ADDR sin6_addr;
    } AddressIn6;
} sockaddr_gen;

typedef struct _INTERFACE_INFO {
    ULONG iiFlags;
    sockaddr_gen iiAddress;
    sockaddr_gen iiBroadcastAddress;
    sockaddr_gen iiNetmask;
} INTERFACE_INFO, *PINTERFACE_INFO, *LPINTERFACE_INFO;

typedef struct _INTERFACE_INFO_EX {
    ULONG iiFlags;
    SOCKET_ADDRESS iiAddress;
    SOCKET_ADDRESS iiBroadcastAddress;
    SOCKET_ADDRESS iiNetmask;
} INTERFACE_INFO_EX, *PINTERFACE_INFO_EX, *LPINTERFACE_INFO_EX;

#define SIO_GET_INTERFACE_LIST    _IOR('t', 127, ULONG)
#define SIO_GET_INTERFACE_LIST_EX _IOR('t', 126, ULONG)
#define SIO_SET_MULTICAST_FILTER  _IOW('t', 125, ULONG)
#define SIO_GET_MULTICAST_FILTER  _IOW('t', 124 | IOC_IN, ULONG)
#define SIOCSIPMSFILTER           SIO_SET_MULTICAST_FILTER
#define SIOCGIPMSFILTER           SIO_GET_MULTICAST_FILTER
#define SIOCSMSFILTER             _IOW('t', 126, ULONG)
#define SIOCGMSFILTER             _IOW('t', 127 | IOC_IN, ULONG)

/* Characters in the longest printed form, terminator, scope and port included. */
#define INET_ADDRSTRLEN  22
#define INET6_ADDRSTRLEN 65

/* clang-format off */
#define IN6ADDR_ANY_INIT {{{0}}}
#define IN6ADDR_LOOPBACK_INIT {{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}}}
/* clang-format on */

/* Weak definitions, so that every module has them without linking to anything. */
extern const IN6_ADDR in6addr_any __attribute__((weak));
extern const IN6_ADDR in6addr_loopback __attribute__((weak));
const IN6_ADDR in6addr_any = IN6ADDR_ANY_INIT;
const IN6_ADDR in6addr_loopback = IN6ADDR_LOOPBACK_INIT;

/*
 * Predicates and setters on IPv6 addresses. All are pure, run at any IRQL and
 * never fail; the names and meanings are those of RFC 2553 and RFC 3542.
 */
#define UWSK_INET_INLINE_ static __inline__ __attribute__((unused))

UWSK_INET_INLINE_ BOOLEAN IN6_ADDR_EQUAL(const IN6_ADDR *x, const IN6_ADDR *y)
{
    return (BOOLEAN)(__builtin_memcmp(x, y, sizeof(*x)) == 0);
}

#define IN6_ARE_ADDR_EQUAL IN6_ADDR_EQUAL

UWSK_INET_INLINE_ BOOLEAN IN6_IS_ADDR_UNSPECIFIED(const IN6_ADDR *a)
{
    static const IN6_ADDR Any = IN6ADDR_ANY_INIT;
    return IN6_ADDR_EQUAL(a, &Any);
}

UWSK_INET_INLINE_ BOOLEAN IN6_IS_ADDR_LOOPBACK(const IN6_ADDR *a)
{
    static const IN6_ADDR Loopback = IN6ADDR_LOOPBACK_INIT;
    return IN6_ADDR_EQUAL(a, &Loopback);
}

UWSK_INET_INLINE_ BOOLEAN IN6_IS_ADDR_MULTICAST(const IN6_ADDR *a)
{
    return (BOOLEAN)(a->s6_bytes[0] == 0xff);
}

UWSK_INET_INLINE_ BOOLEAN IN6_IS_ADDR_LINKLOCAL(const IN6_ADDR *a)
{
    return (BOOLEAN)(a->s6_bytes[0] == 0xfe && (a->s6_bytes[1] & 0xc0) == 0x80);
}

UWSK_INET_INLINE_ BOOLEAN IN6_IS_ADDR_SITELOCAL(const IN6_ADDR *a)
{
    return (BOOLEAN)(a->s6_bytes[0] == 0xfe && (a->s6_bytes[1] & 0xc0) == 0xc0);
}

/* A unicast address whose low half is an interface identifier: neither multicast nor 000::/3. */
UWSK_INET_INLINE_ BOOLEAN IN6_IS_ADDR_EUI64(const IN6_ADDR *a)
{
    return (BOOLEAN)((a->s6_bytes[0] & 0xe0) != 0 && !IN6_IS_ADDR_MULTICAST(a));
}

UWSK_INET_INLINE_ BOOLEAN IN6_IS_ADDR_SUBNET_ROUTER_ANYCAST(const IN6_ADDR *a)
{
    return (BOOLEAN)(IN6_IS_ADDR_EUI64(a) && a->s6_words[4] == 0 && a->s6_words[5] == 0 &&
                     a->s6_words[6] == 0 && a->s6_words[7] == 0);
}

/* RFC 2526: interface identifier fdff:ffff:ffff:ff80 to fdff:ffff:ffff:ffff. */
UWSK_INET_INLINE_ BOOLEAN IN6_IS_ADDR_SUBNET_RESERVED_ANYCAST(const IN6_ADDR *a)
{
    return (BOOLEAN)(IN6_IS_ADDR_EUI64(a) && a->s6_bytes[8] == 0xfd && a->s6_bytes[9] == 0xff &&
                     a->s6_words[5] == 0xffff && a->s6_words[6] == 0xffff && a->s6_bytes[14] == 0xff &&
                     (a->s6_bytes[15] & 0x80) == 0x80);
}

UWSK_INET_INLINE_ BOOLEAN IN6_IS_ADDR_ANYCAST(const IN6_ADDR *a)
{
    return (BOOLEAN)(IN6_IS_ADDR_SUBNET_RESERVED_ANYCAST(a) || IN6_IS_ADDR_SUBNET_ROUTER_ANYCAST(a));
}

/* As on Windows, by the four high bits alone: 0 holds the special blocks, 0xf the local ones. */
UWSK_INET_INLINE_ BOOLEAN IN6_IS_ADDR_GLOBAL(const IN6_ADDR *a)
{
    return (BOOLEAN)((a->s6_bytes[0] & 0xf0) != 0 && (a->s6_bytes[0] & 0xf0) != 0xf0);
}

/* ::ffff:a.b.c.d */
UWSK_INET_INLINE_ BOOLEAN IN6_IS_ADDR_V4MAPPED(const IN6_ADDR *a)
{
    return (BOOLEAN)(a->s6_words[0] == 0 && a->s6_words[1] == 0 && a->s6_words[2] == 0 &&
                     a->s6_words[3] == 0 && a->s6_words[4] == 0 && a->s6_words[5] == 0xffff);
}

/* ::a.b.c.d, but neither :: nor ::1 */
UWSK_INET_INLINE_ BOOLEAN IN6_IS_ADDR_V4COMPAT(const IN6_ADDR *a)
{
    return (BOOLEAN)(a->s6_words[0] == 0 && a->s6_words[1] == 0 && a->s6_words[2] == 0 &&
                     a->s6_words[3] == 0 && a->s6_words[4] == 0 && a->s6_words[5] == 0 &&
                     !IN6_IS_ADDR_UNSPECIFIED(a) && !IN6_IS_ADDR_LOOPBACK(a));
}

/* ::ffff:0:a.b.c.d */
UWSK_INET_INLINE_ BOOLEAN IN6_IS_ADDR_V4TRANSLATED(const IN6_ADDR *a)
{
    return (BOOLEAN)(a->s6_words[0] == 0 && a->s6_words[1] == 0 && a->s6_words[2] == 0 &&
                     a->s6_words[3] == 0 && a->s6_words[4] == 0xffff && a->s6_words[5] == 0);
}

#define UWSK_IN6_MULTICAST_SCOPE_(Name, Scope)                                                               \
    UWSK_INET_INLINE_ BOOLEAN Name(const IN6_ADDR *a)                                                        \
    {                                                                                                        \
        return (BOOLEAN)(IN6_IS_ADDR_MULTICAST(a) && (a->s6_bytes[1] & 0xf) == (Scope));                     \
    }

UWSK_IN6_MULTICAST_SCOPE_(IN6_IS_ADDR_MC_NODELOCAL, 1)
UWSK_IN6_MULTICAST_SCOPE_(IN6_IS_ADDR_MC_LINKLOCAL, 2)
UWSK_IN6_MULTICAST_SCOPE_(IN6_IS_ADDR_MC_SITELOCAL, 5)
UWSK_IN6_MULTICAST_SCOPE_(IN6_IS_ADDR_MC_ORGLOCAL, 8)
UWSK_IN6_MULTICAST_SCOPE_(IN6_IS_ADDR_MC_GLOBAL, 0xe)

UWSK_INET_INLINE_ VOID IN6_SET_ADDR_UNSPECIFIED(PIN6_ADDR a)
{
    __builtin_memset(a, 0, sizeof(*a));
}

UWSK_INET_INLINE_ VOID IN6_SET_ADDR_LOOPBACK(PIN6_ADDR a)
{
    __builtin_memset(a, 0, sizeof(*a));
    a->s6_bytes[15] = 1;
}

/* Socket addresses of the family: wildcard and loopback, port 0, no scope. */
UWSK_INET_INLINE_ VOID IN6ADDR_SETANY(PSOCKADDR_IN6 a)
{
    __builtin_memset(a, 0, sizeof(*a));
    a->sin6_family = AF_INET6;
}

UWSK_INET_INLINE_ VOID IN6ADDR_SETLOOPBACK(PSOCKADDR_IN6 a)
{
    IN6ADDR_SETANY(a);
    a->sin6_addr.s6_bytes[15] = 1;
}

UWSK_INET_INLINE_ BOOLEAN IN6ADDR_ISANY(const SOCKADDR_IN6 *a)
{
    return IN6_IS_ADDR_UNSPECIFIED(&a->sin6_addr);
}

UWSK_INET_INLINE_ BOOLEAN IN6ADDR_ISLOOPBACK(const SOCKADDR_IN6 *a)
{
    return IN6_IS_ADDR_LOOPBACK(&a->sin6_addr);
}

/* Same address in the same scope; ports are not compared. */
UWSK_INET_INLINE_ BOOLEAN IN6ADDR_ISEQUAL(const SOCKADDR_IN6 *a, const SOCKADDR_IN6 *b)
{
    return (BOOLEAN)(a->sin6_scope_id == b->sin6_scope_id && IN6_ADDR_EQUAL(&a->sin6_addr, &b->sin6_addr));
}

UWSK_INET_INLINE_ BOOLEAN IN6ADDR_ISUNSPECIFIED(const SOCKADDR_IN6 *a)
{
    return (BOOLEAN)(a->sin6_scope_id == 0 && IN6_IS_ADDR_UNSPECIFIED(&a->sin6_addr));
}

#ifdef __cplusplus
}
#endif

#endif
