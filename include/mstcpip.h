/*
 * mstcpip.h - Microsoft's control codes for TCP/IP with their structures, and
 * helpers on socket addresses of either family (IN4_, IN6_, INET_, INETADDR_).
 *
 * The helpers are pure, run at any IRQL and never fail. A socket address given
 * to INETADDR_ functions is AF_INET or AF_INET6; anything that is not AF_INET6
 * is taken as AF_INET, as the kernel's own does in a release build.
 */
#ifndef UWSK_INCLUDE_MSTCPIP_H
#define UWSK_INCLUDE_MSTCPIP_H

#define _MSTCPIP_

#include <ws2def.h>
#include <ws2ipdef.h>
#include <ip2string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Input of SIO_KEEPALIVE_VALS; times in milliseconds. */
struct tcp_keepalive {
    ULONG onoff;
    ULONG keepalivetime;
    ULONG keepaliveinterval;
};

#define SIO_RCVALL                                _WSAIOW(IOC_VENDOR, 1)
#define SIO_RCVALL_MCAST                          _WSAIOW(IOC_VENDOR, 2)
#define SIO_RCVALL_IGMPMCAST                      _WSAIOW(IOC_VENDOR, 3)
#define SIO_KEEPALIVE_VALS                        _WSAIOW(IOC_VENDOR, 4)
#define SIO_ABSORB_RTRALERT                       _WSAIOW(IOC_VENDOR, 5)
#define SIO_UCAST_IF                              _WSAIOW(IOC_VENDOR, 6)
#define SIO_LIMIT_BROADCASTS                      _WSAIOW(IOC_VENDOR, 7)
#define SIO_INDEX_BIND                            _WSAIOW(IOC_VENDOR, 8)
#define SIO_INDEX_MCASTIF                         _WSAIOW(IOC_VENDOR, 9)
#define SIO_INDEX_ADD_MCAST                       _WSAIOW(IOC_VENDOR, 10)
#define SIO_INDEX_DEL_MCAST                       _WSAIOW(IOC_VENDOR, 11)
#define SIO_RCVALL_MCAST_IF                       _WSAIOW(IOC_VENDOR, 13)
#define SIO_RCVALL_IF                             _WSAIOW(IOC_VENDOR, 14)
#define SIO_LOOPBACK_FAST_PATH                    _WSAIOW(IOC_VENDOR, 16)
#define SIO_TCP_INITIAL_RTO                       _WSAIOW(IOC_VENDOR, 17)
#define SIO_APPLY_TRANSPORT_SETTING               _WSAIOW(IOC_VENDOR, 19)
#define SIO_QUERY_TRANSPORT_SETTING               _WSAIOW(IOC_VENDOR, 20)
#define SIO_CPU_AFFINITY                          _WSAIOW(IOC_VENDOR, 21)
#define SIO_TCP_SET_ICW                           _WSAIOW(IOC_VENDOR, 22)
#define SIO_TCP_SET_ACK_FREQUENCY                 _WSAIOW(IOC_VENDOR, 23)
#define SIO_SET_PRIORITY_HINT                     _WSAIOW(IOC_VENDOR, 24)
#define SIO_PRIORITY_HINT                         SIO_SET_PRIORITY_HINT
#define SIO_TCP_INFO                              _WSAIORW(IOC_VENDOR, 39)
#define SIO_ACQUIRE_PORT_RESERVATION              _WSAIOW(IOC_VENDOR, 100)
#define SIO_RELEASE_PORT_RESERVATION              _WSAIOW(IOC_VENDOR, 101)
#define SIO_ASSOCIATE_PORT_RESERVATION            _WSAIOW(IOC_VENDOR, 102)
#define SIO_SET_SECURITY                          _WSAIOW(IOC_VENDOR, 200)
#define SIO_QUERY_SECURITY                        _WSAIORW(IOC_VENDOR, 201)
#define SIO_SET_PEER_TARGET_NAME                  _WSAIOW(IOC_VENDOR, 202)
#define SIO_DELETE_PEER_TARGET_NAME               _WSAIOW(IOC_VENDOR, 203)
#define SIO_SOCKET_USAGE_NOTIFICATION             _WSAIOW(IOC_VENDOR, 204)
#define SIO_QUERY_WFP_ALE_ENDPOINT_HANDLE         _WSAIOR(IOC_VENDOR, 205)
#define SIO_QUERY_RSS_SCALABILITY_INFO            _WSAIOR(IOC_VENDOR, 210)
#define SIO_QUERY_WFP_CONNECTION_REDIRECT_RECORDS _WSAIOW(IOC_VENDOR, 220)
#define SIO_QUERY_WFP_CONNECTION_REDIRECT_CONTEXT _WSAIOW(IOC_VENDOR, 221)
#define SIO_SET_WFP_CONNECTION_REDIRECT_RECORDS   _WSAIOW(IOC_VENDOR, 222)
#define SIO_GET_TX_TIMESTAMP                      _WSAIOW(IOC_VENDOR, 234)
#define SIO_TIMESTAMPING                          _WSAIOW(IOC_VENDOR, 235)

/* Input of the SIO_RCVALL family. */
typedef enum {
    RCVALL_OFF = 0,
    RCVALL_ON = 1,
    RCVALL_SOCKETLEVELONLY = 2,
    RCVALL_IPLEVEL = 3
} RCVALL_VALUE,
    *PRCVALL_VALUE;

typedef struct {
    RCVALL_VALUE Mode;
    ULONG Interface;
} RCVALL_IF, *PRCVALL_IF;

/* Input of SIO_TCP_INITIAL_RTO; Rtt in milliseconds. */
#define TCP_INITIAL_RTO_UNSPECIFIED_RTT                     ((USHORT)-1)
#define TCP_INITIAL_RTO_UNSPECIFIED_MAX_SYN_RETRANSMISSIONS ((UCHAR)-1)
#define TCP_INITIAL_RTO_DEFAULT_RTT                         0
#define TCP_INITIAL_RTO_DEFAULT_MAX_SYN_RETRANSMISSIONS     0

typedef struct _TCP_INITIAL_RTO_PARAMETERS {
    USHORT Rtt;
    UCHAR MaxSynRetransmissions;
} TCP_INITIAL_RTO_PARAMETERS, *PTCP_INITIAL_RTO_PARAMETERS;

/* Output of SIO_QUERY_RSS_SCALABILITY_INFO. */
typedef struct _RSS_SCALABILITY_INFO {
    BOOLEAN RssEnabled;
} RSS_SCALABILITY_INFO, *PRSS_SCALABILITY_INFO;

/* Input of SIO_TIMESTAMPING. */
#define TIMESTAMPING_FLAG_RX 0x1
#define TIMESTAMPING_FLAG_TX 0x2

typedef struct _TIMESTAMPING_CONFIG {
    ULONG Flags;
    USHORT TxTimestampsBuffered;
} TIMESTAMPING_CONFIG, *PTIMESTAMPING_CONFIG;

/* Port reservations; ports in network byte order. */
typedef struct _INET_PORT_RANGE {
    USHORT StartPort;
    USHORT NumberOfPorts;
} INET_PORT_RANGE, *PINET_PORT_RANGE;

typedef INET_PORT_RANGE INET_PORT_RESERVATION, *PINET_PORT_RESERVATION;

typedef struct {
    ULONGLONG Token;
} INET_PORT_RESERVATION_TOKEN, *PINET_PORT_RESERVATION_TOKEN;

typedef struct _INET_PORT_RESERVATION_INSTANCE {
    INET_PORT_RESERVATION Reservation;
    INET_PORT_RESERVATION_TOKEN Token;
} INET_PORT_RESERVATION_INSTANCE, *PINET_PORT_RESERVATION_INSTANCE;

/* Output of SIO_TCP_INFO, version 0; times in milliseconds or microseconds as named. */
typedef enum _TCPSTATE {
    TCPSTATE_CLOSED,
    TCPSTATE_LISTEN,
    TCPSTATE_SYN_SENT,
    TCPSTATE_SYN_RCVD,
    TCPSTATE_ESTABLISHED,
    TCPSTATE_FIN_WAIT_1,
    TCPSTATE_FIN_WAIT_2,
    TCPSTATE_CLOSE_WAIT,
    TCPSTATE_CLOSING,
    TCPSTATE_LAST_ACK,
    TCPSTATE_TIME_WAIT,
    TCPSTATE_MAX
} TCPSTATE;

typedef struct _TCP_INFO_v0 {
    TCPSTATE State;
    ULONG Mss;
    ULONGLONG ConnectionTimeMs;
    BOOLEAN TimestampsEnabled;
    ULONG RttUs;
    ULONG MinRttUs;
    ULONG BytesInFlight;
    ULONG Cwnd;
    ULONG SndWnd;
    ULONG RcvWnd;
    ULONG RcvBuf;
    ULONGLONG BytesOut;
    ULONGLONG BytesIn;
    ULONG BytesReordered;
    ULONG BytesRetrans;
    ULONG FastRetrans;
    ULONG DupAcksIn;
    ULONG TimeoutEpisodes;
    UCHAR SynRetrans;
} TCP_INFO_v0, *PTCP_INFO_v0;

/* Secure sockets: accepted by the interface, refused by the transport. */
typedef enum _SOCKET_USAGE_TYPE { SYSTEM_CRITICAL_SOCKET = 1 } SOCKET_USAGE_TYPE;

typedef enum _SOCKET_SECURITY_PROTOCOL {
    SOCKET_SECURITY_PROTOCOL_DEFAULT,
    SOCKET_SECURITY_PROTOCOL_IPSEC,
    SOCKET_SECURITY_PROTOCOL_IPSEC2,
    SOCKET_SECURITY_PROTOCOL_INVALID
} SOCKET_SECURITY_PROTOCOL;

typedef struct _SOCKET_SECURITY_SETTINGS {
    SOCKET_SECURITY_PROTOCOL SecurityProtocol;
    ULONG SecurityFlags;
} SOCKET_SECURITY_SETTINGS;

/*
 * IPv4 addresses. Unlike the INADDR_ macros, these are in network byte order.
 */
#define IN4ADDR_ANY       INADDR_ANY
#define IN4ADDR_LOOPBACK  0x0100007f
#define IN4ADDR_BROADCAST INADDR_BROADCAST
#define IN4ADDR_NONE      INADDR_NONE

/* clang-format off */
#define IN4ADDR_ANY_INIT {{{0, 0, 0, 0}}}
#define IN4ADDR_LOOPBACK_INIT {{{0x7f, 0, 0, 1}}}
#define IN4ADDR_BROADCAST_INIT {{{0xff, 0xff, 0xff, 0xff}}}
/* clang-format on */

#define IN4_CLASSA(i)    (((LONG)(i)&0x00000080) == 0)
#define IN4_CLASSB(i)    (((LONG)(i)&0x000000c0) == 0x00000080)
#define IN4_CLASSC(i)    (((LONG)(i)&0x000000e0) == 0x000000c0)
#define IN4_CLASSD(i)    (((LONG)(i)&0x000000f0) == 0x000000e0)
#define IN4_MULTICAST(i) IN4_CLASSD(i)

UWSK_INET_INLINE_ BOOLEAN IN4_ADDR_EQUAL(const IN_ADDR *a, const IN_ADDR *b)
{
    return (BOOLEAN)(__builtin_memcmp(a, b, sizeof(*a)) == 0);
}

UWSK_INET_INLINE_ BOOLEAN IN4_IS_ADDR_UNSPECIFIED(const IN_ADDR *a)
{
    static const IN_ADDR Any = IN4ADDR_ANY_INIT;
    return IN4_ADDR_EQUAL(a, &Any);
}

UWSK_INET_INLINE_ BOOLEAN IN4_IS_ADDR_BROADCAST(const IN_ADDR *a)
{
    static const IN_ADDR Broadcast = IN4ADDR_BROADCAST_INIT;
    return IN4_ADDR_EQUAL(a, &Broadcast);
}

/* 127.0.0.0/8 */
UWSK_INET_INLINE_ BOOLEAN IN4_IS_ADDR_LOOPBACK(const IN_ADDR *a)
{
    return (BOOLEAN)(((const UCHAR *)a)[0] == 127);
}

/* 224.0.0.0/4 */
UWSK_INET_INLINE_ BOOLEAN IN4_IS_ADDR_MULTICAST(const IN_ADDR *a)
{
    return (BOOLEAN)((((const UCHAR *)a)[0] & 0xf0) == 0xe0);
}

/* 169.254.0.0/16 */
UWSK_INET_INLINE_ BOOLEAN IN4_IS_ADDR_LINKLOCAL(const IN_ADDR *a)
{
    return (BOOLEAN)(((const UCHAR *)a)[0] == 169 && ((const UCHAR *)a)[1] == 254);
}

/* IPv4 has no site-local addresses in this scheme. */
UWSK_INET_INLINE_ BOOLEAN IN4_IS_ADDR_SITELOCAL(const IN_ADDR *a)
{
    (void)a;
    return FALSE;
}

/* 10/8, 172.16/12 and 192.168/16 */
UWSK_INET_INLINE_ BOOLEAN IN4_IS_ADDR_RFC1918(const IN_ADDR *a)
{
    const UCHAR *Byte = (const UCHAR *)a;
    return (BOOLEAN)(Byte[0] == 10 || (Byte[0] == 172 && (Byte[1] & 0xf0) == 16) ||
                     (Byte[0] == 192 && Byte[1] == 168));
}

/* The predicates above read bytes, so an unaligned address is as good. */
#define IN4_UNALIGNED_ADDR_EQUAL          IN4_ADDR_EQUAL
#define IN4_IS_UNALIGNED_ADDR_UNSPECIFIED IN4_IS_ADDR_UNSPECIFIED
#define IN4_IS_UNALIGNED_ADDR_BROADCAST   IN4_IS_ADDR_BROADCAST
#define IN4_IS_UNALIGNED_ADDR_LOOPBACK    IN4_IS_ADDR_LOOPBACK
#define IN4_IS_UNALIGNED_ADDR_MULTICAST   IN4_IS_ADDR_MULTICAST
#define IN4_IS_UNALIGNED_ADDR_LINKLOCAL   IN4_IS_ADDR_LINKLOCAL
#define IN4_IS_UNALIGNED_ADDR_SITELOCAL   IN4_IS_ADDR_SITELOCAL
#define IN4_IS_UNALIGNED_ADDR_RFC1918     IN4_IS_ADDR_RFC1918

UWSK_INET_INLINE_ VOID IN4ADDR_SETSOCKADDR(PSOCKADDR_IN a, const IN_ADDR *addr, USHORT port)
{
    IN_ADDR Address = *addr; /* addr may point into *a */
    __builtin_memset(a, 0, sizeof(*a));
    a->sin_family = AF_INET;
    a->sin_port = port;
    a->sin_addr = Address;
}

UWSK_INET_INLINE_ VOID IN4ADDR_SETANY(PSOCKADDR_IN a)
{
    __builtin_memset(a, 0, sizeof(*a));
    a->sin_family = AF_INET;
}

UWSK_INET_INLINE_ VOID IN4ADDR_SETLOOPBACK(PSOCKADDR_IN a)
{
    IN4ADDR_SETANY(a);
    a->sin_addr.S_un.S_addr = IN4ADDR_LOOPBACK;
}

UWSK_INET_INLINE_ BOOLEAN IN4ADDR_ISANY(const SOCKADDR_IN *a)
{
    return IN4_IS_ADDR_UNSPECIFIED(&a->sin_addr);
}

UWSK_INET_INLINE_ BOOLEAN IN4ADDR_ISLOOPBACK(const SOCKADDR_IN *a)
{
    return IN4_IS_ADDR_LOOPBACK(&a->sin_addr);
}

UWSK_INET_INLINE_ BOOLEAN IN4ADDR_ISUNSPECIFIED(const SOCKADDR_IN *a)
{
    return IN4_IS_ADDR_UNSPECIFIED(&a->sin_addr);
}

/* Same address; ports are not compared. */
UWSK_INET_INLINE_ BOOLEAN IN4ADDR_ISEQUAL(const SOCKADDR_IN *a, const SOCKADDR_IN *b)
{
    return IN4_ADDR_EQUAL(&a->sin_addr, &b->sin_addr);
}

UWSK_INET_INLINE_ SCOPE_ID IN4ADDR_SCOPE_ID(const SOCKADDR_IN *a)
{
    SCOPE_ID Unspecified;
    (void)a;
    Unspecified.Value = 0;
    return Unspecified;
}

/*
 * IPv6 addresses that carry an IPv4 address.
 */
UWSK_INET_INLINE_ VOID IN6_SET_ADDR_V4MAPPED(PIN6_ADDR a6, const IN_ADDR *a4)
{
    __builtin_memset(a6, 0, 10);
    a6->s6_bytes[10] = 0xff;
    a6->s6_bytes[11] = 0xff;
    __builtin_memcpy(&a6->s6_bytes[12], a4, sizeof(*a4));
}

UWSK_INET_INLINE_ VOID IN6_SET_ADDR_V4COMPAT(PIN6_ADDR a6, const IN_ADDR *a4)
{
    __builtin_memset(a6, 0, 12);
    __builtin_memcpy(&a6->s6_bytes[12], a4, sizeof(*a4));
}

/* The four bytes of the IPv4 address inside. */
UWSK_INET_INLINE_ const UCHAR *IN6_GET_ADDR_V4MAPPED(const IN6_ADDR *a6)
{
    return &a6->s6_bytes[12];
}

UWSK_INET_INLINE_ const UCHAR *IN6_GET_ADDR_V4COMPAT(const IN6_ADDR *a6)
{
    return &a6->s6_bytes[12];
}

/* 2002::/16 */
UWSK_INET_INLINE_ BOOLEAN IN6_IS_ADDR_6TO4(const IN6_ADDR *a)
{
    return (BOOLEAN)(a->s6_bytes[0] == 0x20 && a->s6_bytes[1] == 0x02);
}

/* 2001::/32 */
UWSK_INET_INLINE_ BOOLEAN IN6_IS_ADDR_TEREDO(const IN6_ADDR *a)
{
    return (BOOLEAN)(a->s6_bytes[0] == 0x20 && a->s6_bytes[1] == 0x01 && a->s6_words[1] == 0);
}

UWSK_INET_INLINE_ BOOLEAN IN6ADDR_ISV4MAPPED(const SOCKADDR_IN6 *a)
{
    return IN6_IS_ADDR_V4MAPPED(&a->sin6_addr);
}

UWSK_INET_INLINE_ VOID IN6ADDR_SETSOCKADDR(PSOCKADDR_IN6 a, const IN6_ADDR *addr, SCOPE_ID scope, USHORT port)
{
    IN6_ADDR Address = *addr; /* addr may point into *a */
    a->sin6_family = AF_INET6;
    a->sin6_port = port;
    a->sin6_flowinfo = 0;
    a->sin6_addr = Address;
    a->sin6_scope_struct = scope;
}

UWSK_INET_INLINE_ VOID IN6ADDR_SETV4MAPPED(PSOCKADDR_IN6 a6, const IN_ADDR *a4, SCOPE_ID scope, USHORT port)
{
    IN6_ADDR Mapped;
    IN6_SET_ADDR_V4MAPPED(&Mapped, a4);
    IN6ADDR_SETSOCKADDR(a6, &Mapped, scope, port);
}

/*
 * Bare addresses of either family: pointers to IN_ADDR or IN6_ADDR.
 */
#define UWSK_INET_PREDICATE_(Name)                                                                           \
    UWSK_INET_INLINE_ BOOLEAN INET_IS_ADDR_##Name(ADDRESS_FAMILY af, const VOID *a)                          \
    {                                                                                                        \
        return af == AF_INET6 ? IN6_IS_ADDR_##Name((const IN6_ADDR *)a)                                      \
                              : IN4_IS_ADDR_##Name((const IN_ADDR *)a);                                      \
    }

UWSK_INET_PREDICATE_(UNSPECIFIED)
UWSK_INET_PREDICATE_(LOOPBACK)
UWSK_INET_PREDICATE_(MULTICAST)
UWSK_INET_PREDICATE_(LINKLOCAL)
UWSK_INET_PREDICATE_(SITELOCAL)

/* IPv6 has no broadcast. */
UWSK_INET_INLINE_ BOOLEAN INET_IS_ADDR_BROADCAST(ADDRESS_FAMILY af, const VOID *a)
{
    return (BOOLEAN)(af != AF_INET6 && IN4_IS_ADDR_BROADCAST((const IN_ADDR *)a));
}

UWSK_INET_INLINE_ BOOLEAN INET_ADDR_EQUAL(ADDRESS_FAMILY af, const VOID *a, const VOID *b)
{
    return (BOOLEAN)(__builtin_memcmp(a, b, af == AF_INET6 ? sizeof(IN6_ADDR) : sizeof(IN_ADDR)) == 0);
}

#define INET_UNALIGNED_ADDR_EQUAL INET_ADDR_EQUAL

/* Copies one bare address of the family. */
UWSK_INET_INLINE_ VOID INET_SET_ADDRESS(ADDRESS_FAMILY Family, PUCHAR Address, const UCHAR *Value)
{
    __builtin_memcpy(Address, Value, Family == AF_INET6 ? sizeof(IN6_ADDR) : sizeof(IN_ADDR));
}

UWSK_INET_INLINE_ SIZE_T INET_ADDR_LENGTH(ADDRESS_FAMILY af)
{
    return af == AF_INET6 ? sizeof(IN6_ADDR) : sizeof(IN_ADDR);
}

UWSK_INET_INLINE_ SIZE_T INET_SOCKADDR_LENGTH(ADDRESS_FAMILY af)
{
    return af == AF_INET6 ? sizeof(SOCKADDR_IN6) : sizeof(SOCKADDR_IN);
}

/*
 * Socket addresses of either family.
 */
#define UWSK_INETADDR_PREDICATE_(Name)                                                                       \
    UWSK_INET_INLINE_ BOOLEAN INETADDR_##Name(const SOCKADDR *a)                                             \
    {                                                                                                        \
        return a->sa_family == AF_INET6 ? IN6ADDR_##Name((const SOCKADDR_IN6 *)a)                            \
                                        : IN4ADDR_##Name((const SOCKADDR_IN *)a);                            \
    }

UWSK_INETADDR_PREDICATE_(ISANY)
UWSK_INETADDR_PREDICATE_(ISLOOPBACK)
UWSK_INETADDR_PREDICATE_(ISUNSPECIFIED)

UWSK_INET_INLINE_ BOOLEAN INETADDR_ISV4MAPPED(const SOCKADDR *a)
{
    return (BOOLEAN)(a->sa_family == AF_INET6 && IN6ADDR_ISV4MAPPED((const SOCKADDR_IN6 *)a));
}

/* Same family, address and scope; ports are not compared. */
UWSK_INET_INLINE_ BOOLEAN INETADDR_ISEQUAL(const SOCKADDR *a, const SOCKADDR *b)
{
    if (a->sa_family != b->sa_family) {
        return FALSE;
    }
    return a->sa_family == AF_INET6 ? IN6ADDR_ISEQUAL((const SOCKADDR_IN6 *)a, (const SOCKADDR_IN6 *)b)
                                    : IN4ADDR_ISEQUAL((const SOCKADDR_IN *)a, (const SOCKADDR_IN *)b);
}

/* The address inside. */
UWSK_INET_INLINE_ PUCHAR INETADDR_ADDRESS(const SOCKADDR *a)
{
    return a->sa_family == AF_INET6 ? (PUCHAR) & ((PSOCKADDR_IN6)a)->sin6_addr
                                    : (PUCHAR) & ((PSOCKADDR_IN)a)->sin_addr;
}

UWSK_INET_INLINE_ VOID INETADDR_SET_ADDRESS(PSOCKADDR a, const UCHAR *Address)
{
    INET_SET_ADDRESS(a->sa_family, INETADDR_ADDRESS(a), Address);
}

/* The port, in network byte order; it stands at the same place in both families. */
UWSK_INET_INLINE_ USHORT INETADDR_PORT(const SOCKADDR *a)
{
    return ((const SOCKADDR_IN *)a)->sin_port;
}

UWSK_INET_INLINE_ VOID INETADDR_SET_PORT(PSOCKADDR a, USHORT Port)
{
    ((PSOCKADDR_IN)a)->sin_port = Port;
}

UWSK_INET_INLINE_ SCOPE_ID INETADDR_SCOPE_ID(const SOCKADDR *a)
{
    return a->sa_family == AF_INET6 ? ((const SOCKADDR_IN6 *)a)->sin6_scope_struct
                                    : IN4ADDR_SCOPE_ID((const SOCKADDR_IN *)a);
}

/* Wildcard and loopback of the family that *a already has, port 0. */
UWSK_INET_INLINE_ VOID INETADDR_SETANY(PSOCKADDR a)
{
    if (a->sa_family == AF_INET6) {
        IN6ADDR_SETANY((PSOCKADDR_IN6)a);
    } else {
        IN4ADDR_SETANY((PSOCKADDR_IN)a);
    }
}

UWSK_INET_INLINE_ VOID INETADDR_SETLOOPBACK(PSOCKADDR a)
{
    if (a->sa_family == AF_INET6) {
        IN6ADDR_SETLOOPBACK((PSOCKADDR_IN6)a);
    } else {
        IN4ADDR_SETLOOPBACK((PSOCKADDR_IN)a);
    }
}

/* Builds *a from a bare address; scope is used by AF_INET6 only, port is in network byte order. */
UWSK_INET_INLINE_ VOID INETADDR_SETSOCKADDR(ADDRESS_FAMILY af, PSOCKADDR a, const VOID *addr, SCOPE_ID scope,
                                            USHORT port)
{
    if (af == AF_INET6) {
        IN6ADDR_SETSOCKADDR((PSOCKADDR_IN6)a, (const IN6_ADDR *)addr, scope, port);
    } else {
        IN4ADDR_SETSOCKADDR((PSOCKADDR_IN)a, (const IN_ADDR *)addr, port);
    }
}

#ifdef __cplusplus
}
#endif

#endif
