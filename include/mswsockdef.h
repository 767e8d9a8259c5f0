/*
 * mswsockdef.h - Microsoft's own additions to Winsock that wsk.h brings along:
 * the base service provider control codes and the compatibility mode.
 */
#ifndef UWSK_INCLUDE_MSWSOCKDEF_H
#define UWSK_INCLUDE_MSWSOCKDEF_H

#define _MSWSOCKDEF_

#include <ws2def.h>

#define SIO_BSP_HANDLE        _WSAIOR(IOC_WS2, 27)
#define SIO_BSP_HANDLE_SELECT _WSAIOR(IOC_WS2, 28)
#define SIO_BSP_HANDLE_POLL   _WSAIOR(IOC_WS2, 29)
#define SIO_EXT_SELECT        _WSAIORW(IOC_WS2, 30)
#define SIO_EXT_POLL          _WSAIORW(IOC_WS2, 31)
#define SIO_EXT_SENDMSG       _WSAIORW(IOC_WS2, 32)
#define SIO_BASE_HANDLE       _WSAIOR(IOC_WS2, 34)

#define SIO_UDP_CONNRESET          _WSAIOW(IOC_VENDOR, 12)
#define SIO_SOCKET_CLOSE_NOTIFY    _WSAIOW(IOC_VENDOR, 13)
#define SIO_UDP_NETRESET           _WSAIOW(IOC_VENDOR, 15)
#define SIO_SET_COMPATIBILITY_MODE _WSAIOW(IOC_VENDOR, 300)

typedef enum _WSA_COMPATIBILITY_BEHAVIOR_ID {
    WsaBehaviorAll = 0,
    WsaBehaviorReceiveBuffering = 1,
    WsaBehaviorAutoTuning = 2
} WSA_COMPATIBILITY_BEHAVIOR_ID,
    *PWSA_COMPATIBILITY_BEHAVIOR_ID;

typedef struct _WSA_COMPATIBILITY_MODE {
    WSA_COMPATIBILITY_BEHAVIOR_ID BehaviorId;
    ULONG TargetOsVersion;
} WSA_COMPATIBILITY_MODE, *PWSA_COMPATIBILITY_MODE;

#endif
