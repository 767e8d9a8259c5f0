/*
 * wsk.h - the Winsock Kernel interface: what a client gives to WSK (its NPI and
 * the callback tables of its sockets), what it gets (the provider's tables), the
 * structures that pass between them, and the registration functions.
 *
 * Layouts: R-STRUCT, R-BUF, R-IND; numbers: docs/rules/constants.md. Which slots
 * a table has depends on NTDDI_VERSION (R-STRUCT-31); the tables that the
 * runtime hands out always have them all.
 *
 * What holds for every function that takes an IRP: the caller owns the IRP and
 * gives it with at least one stack location; it is completed exactly once,
 * whatever is returned (D-01); STATUS_PENDING is returned if and only if it was
 * marked pending (D-03). IRQL <= DISPATCH_LEVEL unless said otherwise.
 */
#ifndef UWSK_INCLUDE_WSK_H
#define UWSK_INCLUDE_WSK_H

#define _WSK_

#include <sdkddkver.h>
#include <wdm.h>
#include <netioddk.h>
#include <ws2def.h>
#include <ws2ipdef.h>
#include <mswsockdef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WSKAPI NTAPI

/* The interface that WSK clients and the WSK provider have in common at the NMR. */
extern CONST NPIID NPI_WSK_INTERFACE_ID;

/* Versions of the interface: major in the high byte, minor in the low one. */
#define MAKE_WSK_VERSION(Mj, Mn) ((USHORT)(((USHORT)(Mj) << 8) | (USHORT)((Mn)&0xff)))
#define WSK_MAJOR_VERSION(V)     ((UCHAR)((V) >> 8))
#define WSK_MINOR_VERSION(V)     ((UCHAR)(V))

/* WaitTimeout of WskCaptureProviderNPI: these two, or milliseconds. */
#define WSK_NO_WAIT       0
#define WSK_INFINITE_WAIT 0xffffffff

/* Category of a socket: Flags of WskSocket. */
#define WSK_FLAG_BASIC_SOCKET      0x00000000
#define WSK_FLAG_LISTEN_SOCKET     0x00000001
#define WSK_FLAG_CONNECTION_SOCKET 0x00000002
#define WSK_FLAG_DATAGRAM_SOCKET   0x00000004
#define WSK_FLAG_STREAM_SOCKET     0x00000008

/* WskDisconnect and WskDisconnectEvent. */
#define WSK_FLAG_ABORTIVE 0x00000001

/* Event callbacks. */
#define WSK_FLAG_RELEASE_ASAP      0x00000002
#define WSK_FLAG_ENTIRE_MESSAGE    0x00000004
#define WSK_FLAG_AT_DISPATCH_LEVEL 0x00000008

/* WskSend. */
#define WSK_FLAG_OOB     0x00000001
#define WSK_FLAG_NODELAY 0x00000002

/* WskReceive. */
#define WSK_FLAG_WAITALL 0x00000002
#define WSK_FLAG_DRAIN   0x00000004

/* ControlCode of WskControlClient. */
#define WSK_TRANSPORT_LIST_QUERY       2
#define WSK_TRANSPORT_LIST_CHANGE      3
#define WSK_CACHE_SD                   4
#define WSK_RELEASE_SD                 5
#define WSK_TDI_DEVICENAME_MAPPING     6
#define WSK_SET_STATIC_EVENT_CALLBACKS 7
#define WSK_TDI_BEHAVIOR               8

#define WSK_TDI_BEHAVIOR_BYPASS_TDI 0x00000001

/* Options at level SOL_SOCKET that only WSK has. */
#define SO_WSK_SECURITY       (WSK_SO_BASE + 1)
#define SO_WSK_EVENT_CALLBACK (WSK_SO_BASE + 2)

/* EventMask of WSK_EVENT_CALLBACK_CONTROL. */
#define WSK_EVENT_SEND_BACKLOG 0x00000010
#define WSK_EVENT_RECEIVE      0x00000040
#define WSK_EVENT_DISCONNECT   0x00000080
#define WSK_EVENT_RECEIVE_FROM 0x00000100
#define WSK_EVENT_ACCEPT       0x00000200
#define WSK_EVENT_DISABLE      0x80000000

/* Control codes that only WSK has (WskIoctl). */
#define SIO_WSK_SET_REMOTE_ADDRESS       _WSAIOW(IOC_WSK, 0x1)
#define SIO_WSK_REGISTER_EXTENSION       _WSAIORW(IOC_WSK, 0x2)
#define SIO_WSK_QUERY_IDEAL_SEND_BACKLOG _WSAIOR(IOC_WSK, 0x3)
#define SIO_WSK_QUERY_RECEIVE_BACKLOG    _WSAIOR(IOC_WSK, 0x4)
#define SIO_WSK_QUERY_INSPECT_ID         _WSAIOR(IOC_WSK, 0x5)
#define SIO_WSK_SET_SENDTO_ADDRESS       _WSAIOW(IOC_WSK, 0x6)
#define SIO_WSK_SET_TCP_SILENT_MODE      _WSAIO(IOC_WSK, 0x7)

/* RequestType of WskControlSocket. */
typedef enum {
    WskSetOption,
    WskGetOption,
    WskIoctl,
    WskControlMax
} WSK_CONTROL_SOCKET_TYPE,
    *PWSK_CONTROL_SOCKET_TYPE;

/* What WskInspectEvent returns and WskInspectComplete takes. */
typedef enum {
    WskInspectReject,
    WskInspectAccept,
    WskInspectPend,
    WskInspectMax
} WSK_INSPECT_ACTION,
    *PWSK_INSPECT_ACTION;

/* A captured client, opaque. */
typedef PVOID PWSK_CLIENT;

/* A socket. Dispatch points to the provider table of its category; the object is the provider's. */
typedef struct _WSK_SOCKET {
    CONST VOID *Dispatch;
} WSK_SOCKET, *PWSK_SOCKET;

/* Data: Length bytes from Offset bytes into the first MDL, on through the chain. */
typedef struct _WSK_BUF {
    PMDL Mdl;
    ULONG Offset;
    SIZE_T Length;
} WSK_BUF, *PWSK_BUF;

#if (NTDDI_VERSION >= NTDDI_WIN8)
/* Datagrams for WskSendMessages. */
typedef struct _WSK_BUF_LIST {
    struct _WSK_BUF_LIST *Next;
    WSK_BUF Buffer;
} WSK_BUF_LIST, *PWSK_BUF_LIST;
#endif

/* Received data, handed to WskReceiveEvent. */
typedef struct _WSK_DATA_INDICATION {
    struct _WSK_DATA_INDICATION *Next;
    WSK_BUF Buffer;
} WSK_DATA_INDICATION, *PWSK_DATA_INDICATION;

/* Received datagrams, handed to WskReceiveFromEvent. */
typedef struct _WSK_DATAGRAM_INDICATION {
    struct _WSK_DATAGRAM_INDICATION *Next;
    WSK_BUF Buffer;
    _Field_size_bytes_(ControlInfoLength) PCMSGHDR ControlInfo;
    ULONG ControlInfoLength;
    PSOCKADDR RemoteAddress;
} WSK_DATAGRAM_INDICATION, *PWSK_DATAGRAM_INDICATION;

/* Names an incoming connection under inspection; compare the members, not memory. */
typedef struct _WSK_INSPECT_ID {
    ULONG_PTR Key;
    ULONG SerialNumber;
} WSK_INSPECT_ID, *PWSK_INSPECT_ID;

/* One element of the answer to WSK_TRANSPORT_LIST_QUERY. */
typedef struct _WSK_TRANSPORT {
    USHORT Version;
    USHORT SocketType;
    ULONG Protocol;
    ADDRESS_FAMILY AddressFamily;
    GUID ProviderId;
} WSK_TRANSPORT, *PWSK_TRANSPORT;

/* Input of SO_WSK_EVENT_CALLBACK and WSK_SET_STATIC_EVENT_CALLBACKS. */
typedef struct _WSK_EVENT_CALLBACK_CONTROL {
    PNPIID NpiId;
    ULONG EventMask;
} WSK_EVENT_CALLBACK_CONTROL, *PWSK_EVENT_CALLBACK_CONTROL;

/* Input and output of SIO_WSK_REGISTER_EXTENSION. */
typedef struct _WSK_EXTENSION_CONTROL_IN {
    PNPIID NpiId;
    PVOID ClientContext;
    CONST VOID *ClientDispatch;
} WSK_EXTENSION_CONTROL_IN, *PWSK_EXTENSION_CONTROL_IN;

typedef struct _WSK_EXTENSION_CONTROL_OUT {
    PVOID ProviderContext;
    CONST VOID *ProviderDispatch;
} WSK_EXTENSION_CONTROL_OUT, *PWSK_EXTENSION_CONTROL_OUT;

/* Input of WSK_TDI_DEVICENAME_MAPPING. */
typedef struct _WSK_TDI_MAP {
    USHORT SocketType;
    ADDRESS_FAMILY AddressFamily;
    ULONG Protocol;
    PCWSTR TdiDeviceName;
} WSK_TDI_MAP, *PWSK_TDI_MAP;

typedef struct _WSK_TDI_MAP_INFO {
    CONST ULONG ElementCount;
    _Field_size_(ElementCount) CONST WSK_TDI_MAP *Map;
} WSK_TDI_MAP_INFO, *PWSK_TDI_MAP_INFO;

/*
 * Event callbacks: functions of the client that WSK calls, at IRQL <=
 * DISPATCH_LEVEL, one at a time per socket (D-12). Pointers given to them die on
 * return, retained indication lists excepted. None may wait for a WSK request.
 */

/* Something happened that concerns no single socket; no event exists yet. (nc-wsk-pfn_wsk_client_event) */
typedef NTSTATUS(WSKAPI *PFN_WSK_CLIENT_EVENT)(_In_opt_ PVOID ClientContext, _In_ ULONG EventType,
                                               _In_reads_bytes_opt_(InformationLength) PVOID Information,
                                               _In_ SIZE_T InformationLength);

/*
 * Data arrived; NULL says that the socket is dead. STATUS_SUCCESS takes
 * *BytesAccepted bytes, STATUS_PENDING keeps the list until WskRelease,
 * STATUS_DATA_NOT_ACCEPTED takes nothing. (nc-wsk-pfn_wsk_receive_event)
 */
typedef _Must_inspect_result_
NTSTATUS(WSKAPI *PFN_WSK_RECEIVE_EVENT)(_In_opt_ PVOID SocketContext, _In_ ULONG Flags,
                                        _In_opt_ PWSK_DATA_INDICATION DataIndication,
                                        _In_ SIZE_T BytesIndicated, _Inout_ SIZE_T *BytesAccepted);

/* The peer disconnected, gracefully or (WSK_FLAG_ABORTIVE) not. (nc-wsk-pfn_wsk_disconnect_event) */
typedef NTSTATUS(WSKAPI *PFN_WSK_DISCONNECT_EVENT)(_In_opt_ PVOID SocketContext, _In_ ULONG Flags);

/* The amount of pending sends that keeps the connection busy changed. (nc-wsk-pfn_wsk_send_backlog_event) */
typedef NTSTATUS(WSKAPI *PFN_WSK_SEND_BACKLOG_EVENT)(_In_opt_ PVOID SocketContext,
                                                     _In_ SIZE_T IdealBacklogSize);

/*
 * Datagrams arrived; NULL says that the socket is dead. STATUS_SUCCESS takes
 * them, STATUS_PENDING keeps the list until WskRelease, STATUS_DATA_NOT_ACCEPTED
 * takes nothing and disables the callback. (nc-wsk-pfn_wsk_receive_from_event)
 */
typedef _Must_inspect_result_
NTSTATUS(WSKAPI *PFN_WSK_RECEIVE_FROM_EVENT)(_In_opt_ PVOID SocketContext, _In_ ULONG Flags,
                                             _In_opt_ PWSK_DATAGRAM_INDICATION DataIndication);

/* Callbacks of a connection-oriented socket. */
typedef struct _WSK_CLIENT_CONNECTION_DISPATCH {
    PFN_WSK_RECEIVE_EVENT WskReceiveEvent;
    PFN_WSK_DISCONNECT_EVENT WskDisconnectEvent;
    PFN_WSK_SEND_BACKLOG_EVENT WskSendBacklogEvent;
} WSK_CLIENT_CONNECTION_DISPATCH, *PWSK_CLIENT_CONNECTION_DISPATCH;

/*
 * A connection was accepted; a NULL AcceptSocket says that the listening socket
 * is dead. STATUS_SUCCESS takes the socket with the context and table stored,
 * STATUS_REQUEST_NOT_ACCEPTED lets the provider close it. (nc-wsk-pfn_wsk_accept_event)
 */
typedef _Must_inspect_result_ NTSTATUS(WSKAPI *PFN_WSK_ACCEPT_EVENT)(
    _In_opt_ PVOID SocketContext, _In_ ULONG Flags, _In_ PSOCKADDR LocalAddress, _In_ PSOCKADDR RemoteAddress,
    _In_opt_ PWSK_SOCKET AcceptSocket, _Outptr_result_maybenull_ PVOID *AcceptSocketContext,
    _Outptr_result_maybenull_ CONST WSK_CLIENT_CONNECTION_DISPATCH **AcceptSocketDispatch);

/*
 * Conditional accept: shall this request be accepted? A NULL InspectID says that
 * the listening socket is dead. (nc-wsk-pfn_wsk_inspect_event)
 */
typedef _Must_inspect_result_
WSK_INSPECT_ACTION(WSKAPI *PFN_WSK_INSPECT_EVENT)(_In_opt_ PVOID SocketContext, _In_ PSOCKADDR LocalAddress,
                                                  _In_ PSOCKADDR RemoteAddress,
                                                  _In_opt_ PWSK_INSPECT_ID InspectID);

/* A request that was accepted or pended by WskInspectEvent is gone. (nc-wsk-pfn_wsk_abort_event) */
typedef NTSTATUS(WSKAPI *PFN_WSK_ABORT_EVENT)(_In_opt_ PVOID SocketContext, _In_ PWSK_INSPECT_ID InspectID);

/* Callbacks of a listening socket. */
typedef struct _WSK_CLIENT_LISTEN_DISPATCH {
    PFN_WSK_ACCEPT_EVENT WskAcceptEvent;
    PFN_WSK_INSPECT_EVENT WskInspectEvent;
    PFN_WSK_ABORT_EVENT WskAbortEvent;
} WSK_CLIENT_LISTEN_DISPATCH, *PWSK_CLIENT_LISTEN_DISPATCH;

/* Callbacks of a datagram socket. */
typedef struct _WSK_CLIENT_DATAGRAM_DISPATCH {
    PFN_WSK_RECEIVE_FROM_EVENT WskReceiveFromEvent;
} WSK_CLIENT_DATAGRAM_DISPATCH, *PWSK_CLIENT_DATAGRAM_DISPATCH;

#if (NTDDI_VERSION >= NTDDI_WIN10_RS2)
/* Callbacks of a stream socket, for either role. */
typedef struct _WSK_CLIENT_STREAM_DISPATCH {
    CONST WSK_CLIENT_LISTEN_DISPATCH *Listen;
    CONST WSK_CLIENT_CONNECTION_DISPATCH *Connect;
} WSK_CLIENT_STREAM_DISPATCH, *PWSK_CLIENT_STREAM_DISPATCH;
#endif

/*
 * Functions of the provider on sockets.
 */

/*
 * Sets or reads an option, or performs a control operation. Level is used by the
 * option requests only. OutputSizeReturned is for calls without an IRP; with one,
 * IoStatus.Information carries the size. (nc-wsk-pfn_wsk_control_socket)
 */
typedef NTSTATUS(WSKAPI *PFN_WSK_CONTROL_SOCKET)(
    _In_ PWSK_SOCKET Socket, _In_ WSK_CONTROL_SOCKET_TYPE RequestType, _In_ ULONG ControlCode,
    _In_ ULONG Level, _In_ SIZE_T InputSize, _In_reads_bytes_opt_(InputSize) PVOID InputBuffer,
    _In_ SIZE_T OutputSize, _Out_writes_bytes_opt_(OutputSize) PVOID OutputBuffer,
    _Out_opt_ SIZE_T *OutputSizeReturned, _Inout_opt_ PIRP Irp);

/*
 * Closes the socket; from the call on it must not be used. The IRP completes
 * after every other IRP and callback of the socket. (nc-wsk-pfn_wsk_close_socket)
 */
typedef NTSTATUS(WSKAPI *PFN_WSK_CLOSE_SOCKET)(_In_ PWSK_SOCKET Socket, _Inout_ PIRP Irp);

/* Fixes the local address; Flags is 0. (nc-wsk-pfn_wsk_bind) */
typedef NTSTATUS(WSKAPI *PFN_WSK_BIND)(_In_ PWSK_SOCKET Socket, _In_ PSOCKADDR LocalAddress,
                                       _Reserved_ ULONG Flags, _Inout_ PIRP Irp);

/*
 * Takes an incoming connection; its PWSK_SOCKET is put in IoStatus.Information.
 * The address buffers, if given, are filled and stay valid until completion.
 * Flags is 0. (nc-wsk-pfn_wsk_accept)
 */
typedef NTSTATUS(WSKAPI *PFN_WSK_ACCEPT)(_In_ PWSK_SOCKET ListenSocket, _Reserved_ ULONG Flags,
                                         _In_opt_ PVOID AcceptSocketContext,
                                         _In_opt_ CONST WSK_CLIENT_CONNECTION_DISPATCH *AcceptSocketDispatch,
                                         _Out_opt_ PSOCKADDR LocalAddress, _Out_opt_ PSOCKADDR RemoteAddress,
                                         _Inout_ PIRP Irp);

/* Decides a request that WskInspectEvent pended. (nc-wsk-pfn_wsk_inspect_complete) */
typedef NTSTATUS(WSKAPI *PFN_WSK_INSPECT_COMPLETE)(_In_ PWSK_SOCKET ListenSocket,
                                                   _In_ PWSK_INSPECT_ID InspectID,
                                                   _In_ WSK_INSPECT_ACTION Action, _Inout_ PIRP Irp);

/* Writes the local address, exactly the family's size. (nc-wsk-pfn_wsk_get_local_address) */
typedef NTSTATUS(WSKAPI *PFN_WSK_GET_LOCAL_ADDRESS)(_In_ PWSK_SOCKET Socket, _Out_ PSOCKADDR LocalAddress,
                                                    _Inout_ PIRP Irp);

/* Writes the peer's address, exactly the family's size. (nc-wsk-pfn_wsk_get_remote_address) */
typedef NTSTATUS(WSKAPI *PFN_WSK_GET_REMOTE_ADDRESS)(_In_ PWSK_SOCKET Socket, _Out_ PSOCKADDR RemoteAddress,
                                                     _Inout_ PIRP Irp);

/* Connects a bound socket; Flags is 0. (nc-wsk-pfn_wsk_connect) */
typedef NTSTATUS(WSKAPI *PFN_WSK_CONNECT)(_In_ PWSK_SOCKET Socket, _In_ PSOCKADDR RemoteAddress,
                                          _Reserved_ ULONG Flags, _Inout_ PIRP Irp);

/*
 * Sends all of Buffer; its MDLs stay locked and unchanged until completion.
 * Information is the number of bytes sent. (nc-wsk-pfn_wsk_send)
 */
typedef NTSTATUS(WSKAPI *PFN_WSK_SEND)(_In_ PWSK_SOCKET Socket, _In_ PWSK_BUF Buffer, _In_ ULONG Flags,
                                       _Inout_ PIRP Irp);

/*
 * Receives up to Buffer->Length bytes; the MDLs stay locked until completion.
 * Information is the number of bytes received. (nc-wsk-pfn_wsk_receive)
 */
typedef NTSTATUS(WSKAPI *PFN_WSK_RECEIVE)(_In_ PWSK_SOCKET Socket, _In_ PWSK_BUF Buffer, _In_ ULONG Flags,
                                          _Inout_ PIRP Irp);

/*
 * Sends Buffer, if any, and the end of data, or with WSK_FLAG_ABORTIVE (Buffer
 * NULL) resets the connection. (nc-wsk-pfn_wsk_disconnect)
 */
typedef NTSTATUS(WSKAPI *PFN_WSK_DISCONNECT)(_In_ PWSK_SOCKET Socket, _In_opt_ PWSK_BUF Buffer,
                                             _In_ ULONG Flags, _Inout_ PIRP Irp);

/* Gives retained data back. (nc-wsk-pfn_wsk_release_data_indication_list) */
typedef NTSTATUS(WSKAPI *PFN_WSK_RELEASE_DATA_INDICATION_LIST)(_In_ PWSK_SOCKET Socket,
                                                               _In_ PWSK_DATA_INDICATION DataIndication);

/*
 * Sends one datagram; RemoteAddress may be NULL after a fixed one was set. Flags
 * is 0. (nc-wsk-pfn_wsk_send_to)
 */
typedef NTSTATUS(WSKAPI *PFN_WSK_SEND_TO)(_In_ PWSK_SOCKET Socket, _In_ PWSK_BUF Buffer,
                                          _Reserved_ ULONG Flags, _In_opt_ PSOCKADDR RemoteAddress,
                                          _In_ ULONG ControlInfoLength,
                                          _In_reads_bytes_opt_(ControlInfoLength) PCMSGHDR ControlInfo,
                                          _Inout_ PIRP Irp);

/*
 * Receives one datagram. ControlLength is room on entry and length on return;
 * ControlFlags reports MSG_TRUNC and the like. Flags is 0. (nc-wsk-pfn_wsk_receive_from)
 */
typedef NTSTATUS(WSKAPI *PFN_WSK_RECEIVE_FROM)(_In_ PWSK_SOCKET Socket, _In_ PWSK_BUF Buffer,
                                               _Reserved_ ULONG Flags, _Out_opt_ PSOCKADDR RemoteAddress,
                                               _Inout_opt_ PULONG ControlLength,
                                               _Out_writes_bytes_opt_(*ControlLength) PCMSGHDR ControlInfo,
                                               _Out_opt_ PULONG ControlFlags, _Inout_ PIRP Irp);

/* Gives retained datagrams back. (nc-wsk-pfn_wsk_release_datagram_indication_list) */
typedef NTSTATUS(WSKAPI *PFN_WSK_RELEASE_DATAGRAM_INDICATION_LIST)(
    _In_ PWSK_SOCKET Socket, _In_ PWSK_DATAGRAM_INDICATION DatagramIndication);

#if (NTDDI_VERSION >= NTDDI_WIN8)
/* Sends one datagram per element, all to RemoteAddress. Flags is 0. (nc-wsk-pfn_wsk_send_messages) */
typedef NTSTATUS(WSKAPI *PFN_WSK_SEND_MESSAGES)(_In_ PWSK_SOCKET Socket, _In_ PWSK_BUF_LIST BufferList,
                                                _Reserved_ ULONG Flags, _In_opt_ PSOCKADDR RemoteAddress,
                                                _In_ ULONG ControlInfoLength,
                                                _In_reads_bytes_opt_(ControlInfoLength) PCMSGHDR ControlInfo,
                                                _Inout_ PIRP Irp);
#endif

#if (NTDDI_VERSION >= NTDDI_WIN10_RS2)
/* Makes a bound stream socket listen. (nc-wsk-pfn_wsk_listen) */
typedef NTSTATUS(WSKAPI *PFN_WSK_LISTEN)(_In_ PWSK_SOCKET Socket, _Inout_ PIRP Irp);

/* Connects and sends up to 65,535 bytes along. Flags is 0. (nc-wsk-pfn_wsk_connect_ex) */
typedef NTSTATUS(WSKAPI *PFN_WSK_CONNECT_EX)(_In_ PWSK_SOCKET Socket, _In_ PSOCKADDR RemoteAddress,
                                             _In_opt_ PWSK_BUF Buffer, _Reserved_ ULONG Flags,
                                             _Inout_ PIRP Irp);

/* Reserved slots; drivers must not call them (R-STRUCT-14). */
typedef NTSTATUS(WSKAPI *PFN_WSK_SEND_EX)(_In_ PWSK_SOCKET Socket, _In_ PWSK_BUF Buffer, _In_ ULONG Flags,
                                          _In_ ULONG ControlInfoLength,
                                          _In_reads_bytes_opt_(ControlInfoLength) PCMSGHDR ControlInfo,
                                          _Inout_ PIRP Irp);
typedef NTSTATUS(WSKAPI *PFN_WSK_RECEIVE_EX)(_In_ PWSK_SOCKET Socket, _In_ PWSK_BUF Buffer, _In_ ULONG Flags,
                                             _Inout_opt_ PULONG ControlInfoLength,
                                             _Out_writes_bytes_opt_(*ControlInfoLength) PCMSGHDR ControlInfo,
                                             _Out_opt_ PULONG ControlFlags, _Inout_ PIRP Irp);
#endif

/*
 * The provider's tables, one a category. Each begins with the basic pair, so that
 * any Dispatch can be read as a WSK_PROVIDER_BASIC_DISPATCH. In C the pair is
 * reachable both directly and as .Basic; C++ has .Basic only, as on Windows
 * (R-STRUCT-13, T-05).
 */
typedef struct _WSK_PROVIDER_BASIC_DISPATCH {
    PFN_WSK_CONTROL_SOCKET WskControlSocket;
    PFN_WSK_CLOSE_SOCKET WskCloseSocket;
} WSK_PROVIDER_BASIC_DISPATCH, *PWSK_PROVIDER_BASIC_DISPATCH;

#ifdef __cplusplus
#define UWSK_BASIC_DISPATCH_ WSK_PROVIDER_BASIC_DISPATCH Basic
#else
#define UWSK_BASIC_DISPATCH_                                                                                 \
    union {                                                                                                  \
        WSK_PROVIDER_BASIC_DISPATCH Basic;                                                                   \
        struct {                                                                                             \
            PFN_WSK_CONTROL_SOCKET WskControlSocket;                                                         \
            PFN_WSK_CLOSE_SOCKET WskCloseSocket;                                                             \
        };                                                                                                   \
    }
#endif

typedef struct _WSK_PROVIDER_LISTEN_DISPATCH {
    UWSK_BASIC_DISPATCH_;
    PFN_WSK_BIND WskBind;
    PFN_WSK_ACCEPT WskAccept;
    PFN_WSK_INSPECT_COMPLETE WskInspectComplete;
    PFN_WSK_GET_LOCAL_ADDRESS WskGetLocalAddress;
} WSK_PROVIDER_LISTEN_DISPATCH, *PWSK_PROVIDER_LISTEN_DISPATCH;

typedef struct _WSK_PROVIDER_DATAGRAM_DISPATCH {
    UWSK_BASIC_DISPATCH_;
    PFN_WSK_BIND WskBind;
    PFN_WSK_SEND_TO WskSendTo;
    PFN_WSK_RECEIVE_FROM WskReceiveFrom;
    PFN_WSK_RELEASE_DATAGRAM_INDICATION_LIST WskRelease;
    PFN_WSK_GET_LOCAL_ADDRESS WskGetLocalAddress;
#if (NTDDI_VERSION >= NTDDI_WIN8)
    PFN_WSK_SEND_MESSAGES WskSendMessages;
#endif
} WSK_PROVIDER_DATAGRAM_DISPATCH, *PWSK_PROVIDER_DATAGRAM_DISPATCH;

typedef struct _WSK_PROVIDER_CONNECTION_DISPATCH {
    UWSK_BASIC_DISPATCH_;
    PFN_WSK_BIND WskBind;
    PFN_WSK_CONNECT WskConnect;
    PFN_WSK_GET_LOCAL_ADDRESS WskGetLocalAddress;
    PFN_WSK_GET_REMOTE_ADDRESS WskGetRemoteAddress;
    PFN_WSK_SEND WskSend;
    PFN_WSK_RECEIVE WskReceive;
    PFN_WSK_DISCONNECT WskDisconnect;
    PFN_WSK_RELEASE_DATA_INDICATION_LIST WskRelease;
#if (NTDDI_VERSION >= NTDDI_WIN10_RS2)
    PFN_WSK_CONNECT_EX WskConnectEx;
    PFN_WSK_SEND_EX WskSendEx;
    PFN_WSK_RECEIVE_EX WskReceiveEx;
#endif
} WSK_PROVIDER_CONNECTION_DISPATCH, *PWSK_PROVIDER_CONNECTION_DISPATCH;

#if (NTDDI_VERSION >= NTDDI_WIN10_RS2)
typedef struct _WSK_PROVIDER_STREAM_DISPATCH {
    UWSK_BASIC_DISPATCH_;
    PFN_WSK_BIND WskBind;
    PFN_WSK_ACCEPT WskAccept;
    PFN_WSK_CONNECT WskConnect;
    PFN_WSK_LISTEN WskListen;
    PFN_WSK_SEND WskSend;
    PFN_WSK_RECEIVE WskReceive;
    PFN_WSK_DISCONNECT WskDisconnect;
    PFN_WSK_RELEASE_DATA_INDICATION_LIST WskRelease;
    PFN_WSK_GET_LOCAL_ADDRESS WskGetLocalAddress;
    PFN_WSK_GET_REMOTE_ADDRESS WskGetRemoteAddress;
    PFN_WSK_CONNECT_EX WskConnectEx;
    PFN_WSK_SEND_EX WskSendEx;
    PFN_WSK_RECEIVE_EX WskReceiveEx;
} WSK_PROVIDER_STREAM_DISPATCH, *PWSK_PROVIDER_STREAM_DISPATCH;
#endif

/*
 * Functions of the provider on a client.
 */

/*
 * Creates a socket; its PWSK_SOCKET is put in IoStatus.Information. SocketContext
 * goes to the callbacks unread; Dispatch is the WSK_CLIENT_xxx_DISPATCH of the
 * category (or NULL) and stays valid while the socket lives. (nc-wsk-pfn_wsk_socket)
 */
typedef NTSTATUS(WSKAPI *PFN_WSK_SOCKET)(_In_ PWSK_CLIENT Client, _In_ ADDRESS_FAMILY AddressFamily,
                                         _In_ USHORT SocketType, _In_ ULONG Protocol, _In_ ULONG Flags,
                                         _In_opt_ PVOID SocketContext, _In_opt_ CONST VOID *Dispatch,
                                         _In_opt_ PEPROCESS OwningProcess, _In_opt_ PETHREAD OwningThread,
                                         _In_opt_ PSECURITY_DESCRIPTOR SecurityDescriptor, _Inout_ PIRP Irp);

/*
 * Creates, binds and connects a connection-oriented socket; its PWSK_SOCKET is put
 * in IoStatus.Information. Flags is 0. (nc-wsk-pfn_wsk_socket_connect)
 */
typedef NTSTATUS(WSKAPI *PFN_WSK_SOCKET_CONNECT)(
    _In_ PWSK_CLIENT Client, _In_ USHORT SocketType, _In_ ULONG Protocol, _In_ PSOCKADDR LocalAddress,
    _In_ PSOCKADDR RemoteAddress, _Reserved_ ULONG Flags, _In_opt_ PVOID SocketContext,
    _In_opt_ CONST WSK_CLIENT_CONNECTION_DISPATCH *Dispatch, _In_opt_ PEPROCESS OwningProcess,
    _In_opt_ PETHREAD OwningThread, _In_opt_ PSECURITY_DESCRIPTOR SecurityDescriptor, _Inout_ PIRP Irp);

/*
 * Control operations that concern no single socket. The IRP is required, optional
 * or forbidden by the ControlCode. (nc-wsk-pfn_wsk_control_client)
 */
typedef NTSTATUS(WSKAPI *PFN_WSK_CONTROL_CLIENT)(_In_ PWSK_CLIENT Client, _In_ ULONG ControlCode,
                                                 _In_ SIZE_T InputSize,
                                                 _In_reads_bytes_opt_(InputSize) PVOID InputBuffer,
                                                 _In_ SIZE_T OutputSize,
                                                 _Out_writes_bytes_opt_(OutputSize) PVOID OutputBuffer,
                                                 _Out_opt_ SIZE_T *OutputSizeReturned, _Inout_opt_ PIRP Irp);

#if (NTDDI_VERSION >= NTDDI_WIN7)
/*
 * Resolves a name to a list of addresses, which the client frees by
 * WskFreeAddressInfo. PASSIVE_LEVEL. (nc-wsk-pfn_wsk_get_address_info)
 */
typedef NTSTATUS(WSKAPI *PFN_WSK_GET_ADDRESS_INFO)(_In_ PWSK_CLIENT Client, _In_opt_ PUNICODE_STRING NodeName,
                                                   _In_opt_ PUNICODE_STRING ServiceName,
                                                   _In_opt_ ULONG NameSpace, _In_opt_ GUID *Provider,
                                                   _In_opt_ PADDRINFOEXW Hints, _Outptr_ PADDRINFOEXW *Result,
                                                   _In_opt_ PEPROCESS OwningProcess,
                                                   _In_opt_ PETHREAD OwningThread, _Inout_ PIRP Irp);

/* Frees the list; node, address and canonical name are pool blocks of their own (D-17).
 * (nc-wsk-pfn_wsk_free_address_info) */
typedef VOID(WSKAPI *PFN_WSK_FREE_ADDRESS_INFO)(_In_ PWSK_CLIENT Client, _In_ PADDRINFOEXW AddrInfo);

/* Resolves an address to host and service names. PASSIVE_LEVEL. (nc-wsk-pfn_wsk_get_name_info) */
typedef NTSTATUS(WSKAPI *PFN_WSK_GET_NAME_INFO)(_In_ PWSK_CLIENT Client, _In_ PSOCKADDR SockAddr,
                                                _In_ ULONG SockAddrLength, _Out_opt_ PUNICODE_STRING NodeName,
                                                _Out_opt_ PUNICODE_STRING ServiceName, _In_ ULONG Flags,
                                                _In_opt_ PEPROCESS OwningProcess,
                                                _In_opt_ PETHREAD OwningThread, _Inout_ PIRP Irp);
#endif

/* The provider's table for clients. */
typedef struct _WSK_PROVIDER_DISPATCH {
    USHORT Version;
    USHORT Reserved;
    PFN_WSK_SOCKET WskSocket;
    PFN_WSK_SOCKET_CONNECT WskSocketConnect;
    PFN_WSK_CONTROL_CLIENT WskControlClient;
#if (NTDDI_VERSION >= NTDDI_WIN7)
    PFN_WSK_GET_ADDRESS_INFO WskGetAddressInfo;
    PFN_WSK_FREE_ADDRESS_INFO WskFreeAddressInfo;
    PFN_WSK_GET_NAME_INFO WskGetNameInfo;
#endif
} WSK_PROVIDER_DISPATCH, *PWSK_PROVIDER_DISPATCH;

/* The client's table: the wanted version and the client event callback or NULL. */
typedef struct _WSK_CLIENT_DISPATCH {
    USHORT Version;
    USHORT Reserved;
    PFN_WSK_CLIENT_EVENT WskClientEvent;
} WSK_CLIENT_DISPATCH, *PWSK_CLIENT_DISPATCH;

/* What a client registers, and what a capture gives. */
typedef struct _WSK_CLIENT_NPI {
    PVOID ClientContext;
    CONST WSK_CLIENT_DISPATCH *Dispatch;
} WSK_CLIENT_NPI, *PWSK_CLIENT_NPI;

typedef struct _WSK_PROVIDER_NPI {
    PWSK_CLIENT Client;
    CONST WSK_PROVIDER_DISPATCH *Dispatch;
} WSK_PROVIDER_NPI, *PWSK_PROVIDER_NPI;

/* Versions of the interface that the provider supports. */
typedef struct _WSK_PROVIDER_CHARACTERISTICS {
    USHORT HighestVersion;
    USHORT LowestVersion;
} WSK_PROVIDER_CHARACTERISTICS, *PWSK_PROVIDER_CHARACTERISTICS;

/* A registration: storage of the client, contents of WSK. */
typedef struct _WSK_REGISTRATION {
    ULONGLONG ReservedRegistrationState;
    PVOID ReservedRegistrationContext;
    KSPIN_LOCK ReservedRegistrationLock;
} WSK_REGISTRATION, *PWSK_REGISTRATION;

/*
 * Registers the client. The NPI structure is copied; its Dispatch stays valid,
 * and WskRegistration allocated, until WskDeregister has returned. PASSIVE_LEVEL.
 * STATUS_SUCCESS or an error. (nf-wsk-wskregister)
 */
_IRQL_requires_(PASSIVE_LEVEL) _Must_inspect_result_ NTSTATUS
    WskRegister(_In_ PWSK_CLIENT_NPI WskClientNpi, _Out_ PWSK_REGISTRATION WskRegistration);

/*
 * Takes the provider's NPI, waiting up to WaitTimeout milliseconds for it; each
 * success is matched by one WskReleaseProviderNPI. PASSIVE_LEVEL, with WSK_NO_WAIT
 * up to DISPATCH_LEVEL. STATUS_SUCCESS, STATUS_NOINTERFACE (version not
 * supported), STATUS_DEVICE_NOT_READY (not there in time, or deregistering).
 * (nf-wsk-wskcaptureprovidernpi)
 */
_When_(WaitTimeout == WSK_NO_WAIT, _IRQL_requires_max_(DISPATCH_LEVEL))
    _When_(WaitTimeout != WSK_NO_WAIT, _IRQL_requires_(PASSIVE_LEVEL)) _Must_inspect_result_ NTSTATUS
    WskCaptureProviderNPI(_In_ PWSK_REGISTRATION WskRegistration, _In_ ULONG WaitTimeout,
                          _Out_ PWSK_PROVIDER_NPI WskProviderNpi);

/*
 * Gives one capture back; the provider's tables must not be used under it any
 * more. IRQL <= DISPATCH_LEVEL. (nf-wsk-wskreleaseprovidernpi)
 */
_IRQL_requires_max_(DISPATCH_LEVEL) VOID WskReleaseProviderNPI(_In_ PWSK_REGISTRATION WskRegistration);

/*
 * Stores the lowest and highest supported version. IRQL <= DISPATCH_LEVEL.
 * STATUS_SUCCESS or STATUS_DEVICE_NOT_READY. (nf-wsk-wskqueryprovidercharacteristics)
 */
_IRQL_requires_max_(DISPATCH_LEVEL) _Must_inspect_result_ NTSTATUS
    WskQueryProviderCharacteristics(_In_ PWSK_REGISTRATION WskRegistration,
                                    _Out_ PWSK_PROVIDER_CHARACTERISTICS WskProviderCharacteristics);

/*
 * Takes the registration back. Returns when every capture is released, every call
 * has returned and every socket is closed (D-25). PASSIVE_LEVEL.
 * (nf-wsk-wskderegister)
 */
_IRQL_requires_(PASSIVE_LEVEL) VOID WskDeregister(_In_ PWSK_REGISTRATION WskRegistration);

#ifdef __cplusplus
}
#endif

#endif
