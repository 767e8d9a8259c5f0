/*
 * abi_net_version.h - the tables grow with NTDDI_VERSION and what a version does
 * not have is not declared either: name resolution came with Windows 7,
 * WskSendMessages and WSK_BUF_LIST with Windows 8, the stream tables, WskListen
 * and WskConnectEx with Windows 10 version 1703.
 */
#include <wdm.h>
#include <wsk.h>
#include "uwsk_test.h"

#define HAS(version) (NTDDI_VERSION >= (version))

_Static_assert(sizeof(WSK_PROVIDER_DISPATCH) == (HAS(NTDDI_WIN7) ? 56 : 32), "clients");
_Static_assert(sizeof(WSK_PROVIDER_DATAGRAM_DISPATCH) == (HAS(NTDDI_WIN8) ? 64 : 56), "datagram");
_Static_assert(sizeof(WSK_PROVIDER_CONNECTION_DISPATCH) == (HAS(NTDDI_WIN10_RS2) ? 104 : 80), "connection");
_Static_assert(sizeof(WSK_PROVIDER_LISTEN_DISPATCH) == 48, "listen");

/* A name that is not taken can be given another meaning. */
#if NTDDI_VERSION < NTDDI_WIN7
typedef struct {
    CHAR free[3];
} PFN_WSK_GET_ADDRESS_INFO, PFN_WSK_GET_NAME_INFO, PFN_WSK_FREE_ADDRESS_INFO;
#endif
#if NTDDI_VERSION < NTDDI_WIN8
typedef struct {
    CHAR free[3];
} WSK_BUF_LIST, PFN_WSK_SEND_MESSAGES;
#endif
#if NTDDI_VERSION < NTDDI_WIN10_RS2
typedef struct {
    CHAR free[3];
} WSK_CLIENT_STREAM_DISPATCH, WSK_PROVIDER_STREAM_DISPATCH, PFN_WSK_LISTEN, PFN_WSK_CONNECT_EX;
#endif
