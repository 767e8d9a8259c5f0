/*
 * in6addr.h - the IPv6 address as the kernel's network headers know it.
 *
 * Sixteen bytes in network byte order, aligned like a USHORT.
 */
#ifndef UWSK_INCLUDE_IN6ADDR_H
#define UWSK_INCLUDE_IN6ADDR_H

#include <ntdef.h>

typedef struct in6_addr {
    union {
        UCHAR Byte[16];
        USHORT Word[8];
    } u;
} IN6_ADDR, *PIN6_ADDR, *LPIN6_ADDR;

#define in_addr6 in6_addr

/* The names that RFC 2553 and Windows code use for the same bytes. */
#define _S6_un   u
#define _S6_u8   Byte
#define s6_addr  _S6_un._S6_u8
#define s6_bytes u.Byte
#define s6_words u.Word

#endif
