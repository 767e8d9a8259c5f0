/*
 * ipifcons.h - the numbers of interface types (those of IANA) that the runtime tells drivers.
 */
#ifndef UWSK_INCLUDE_IPIFCONS_H
#define UWSK_INCLUDE_IPIFCONS_H

#include <ntdef.h>

typedef ULONG IFTYPE;

#define IF_TYPE_OTHER             1
#define IF_TYPE_ETHERNET_CSMACD   6
#define IF_TYPE_PPP               23
#define IF_TYPE_SOFTWARE_LOOPBACK 24
#define IF_TYPE_IEEE80211         71
#define IF_TYPE_TUNNEL            131

#endif
