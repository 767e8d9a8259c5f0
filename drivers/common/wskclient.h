/*
 * wskclient.h - what each of the example drivers needs before it can do anything interesting: the
 * registration with WSK, requests that are waited for, a listening socket, an address on this machine.
 *
 * Everything here runs at PASSIVE_LEVEL and may wait, unless its comment says otherwise.
 */
#ifndef WSKCLIENT_H
#define WSKCLIENT_H

#include <ntddk.h>
#include <wsk.h>

/* The provider's functions, between ClientAttach and ClientDetach. */
extern WSK_PROVIDER_NPI ClientProvider;

/*
 * Registers with WSK and captures its provider interface. On failure nothing is left behind.
 */
_IRQL_requires_(PASSIVE_LEVEL) _Must_inspect_result_ NTSTATUS ClientAttach(VOID);

/*
 * Gives the interface back and deregisters. Returns when the last close of the last socket has completed, its
 * completion routine included, so the driver may be unloaded afterwards.
 */
_IRQL_requires_(PASSIVE_LEVEL) VOID ClientDetach(VOID);

/*
 * A request that somebody waits for. It lives wherever the waiter likes, its stack included: once Done is
 * signalled nobody but the waiter touches it.
 */
typedef struct _CLIENT_REQUEST {
    PIRP Irp;
    KEVENT Done;
} CLIENT_REQUEST, *PCLIENT_REQUEST;

/* Allocates the IRP. STATUS_SUCCESS or STATUS_INSUFFICIENT_RESOURCES. */
_IRQL_requires_max_(DISPATCH_LEVEL) _Must_inspect_result_ NTSTATUS
    ClientRequestCreate(_Out_ PCLIENT_REQUEST Request);

/* Makes it ready for the next call and returns the IRP to pass. The previous call has been waited for. */
_IRQL_requires_max_(DISPATCH_LEVEL) PIRP ClientRequestStart(_Inout_ PCLIENT_REQUEST Request);

/* Waits for the completion, whatever the call returned, and answers the final status. */
_IRQL_requires_(PASSIVE_LEVEL) NTSTATUS ClientRequestWait(_In_ PCLIENT_REQUEST Request);

/*
 * As ClientRequestWait, but cancels the request when Stop is signalled or the time is over (relative, negative
 * units of 100 ns; NULL: no limit), and then waits for its completion all the same. The answer is the request's
 * own status: what has succeeded in the meantime has succeeded.
 */
_IRQL_requires_(PASSIVE_LEVEL) NTSTATUS
    ClientRequestWaitOrCancel(_In_ PCLIENT_REQUEST Request, _In_ PKEVENT Stop,
                              _In_opt_ PLARGE_INTEGER Timeout);

_IRQL_requires_max_(DISPATCH_LEVEL) VOID ClientRequestFree(_Inout_ PCLIENT_REQUEST Request);

/* The loopback address of AF_INET or AF_INET6 with a port in host order; 0 lets WSK choose one. */
VOID ClientLoopback(_In_ ADDRESS_FAMILY Family, _In_ USHORT Port, _Out_ PSOCKADDR_STORAGE Address);

/* The port of an address, in host order. */
USHORT ClientPort(_In_ CONST SOCKADDR_STORAGE *Address);

/*
 * Creates a socket of one category (WSK_FLAG_xxx_SOCKET). Dispatch stays valid while the socket lives. The
 * caller closes it.
 */
_IRQL_requires_(PASSIVE_LEVEL) _Must_inspect_result_ NTSTATUS
    ClientSocket(_In_ ADDRESS_FAMILY Family, _In_ ULONG Category, _In_opt_ PVOID SocketContext,
                 _In_opt_ CONST VOID *Dispatch, _Outptr_ PWSK_SOCKET *Socket);

/* Binds a listening or connection-oriented socket; the former listens from then on. */
_IRQL_requires_(PASSIVE_LEVEL) _Must_inspect_result_ NTSTATUS
    ClientBind(_In_ PWSK_SOCKET Socket, _In_ CONST SOCKADDR_STORAGE *Address);

/* Creates a socket that listens on a loopback port, 0 for any. The caller closes it. */
_IRQL_requires_(PASSIVE_LEVEL) _Must_inspect_result_ NTSTATUS
    ClientListen(_In_ ADDRESS_FAMILY Family, _In_ USHORT Port, _In_opt_ PVOID SocketContext,
                 _In_opt_ CONST WSK_CLIENT_LISTEN_DISPATCH *Dispatch, _Outptr_ PWSK_SOCKET *Socket);

/* The local address of a listening socket. */
_IRQL_requires_(PASSIVE_LEVEL) _Must_inspect_result_ NTSTATUS
    ClientListenAddress(_In_ PWSK_SOCKET Socket, _Out_ PSOCKADDR_STORAGE Address);

/* Switches event callbacks on (WSK_EVENT_xxx). Needs no IRP, so it is allowed up to DISPATCH_LEVEL. */
_IRQL_requires_max_(DISPATCH_LEVEL) _Must_inspect_result_ NTSTATUS
    ClientEnableEvents(_In_ PWSK_SOCKET Socket, _In_ ULONG EventMask);

/* Switches one event callback off, and waits until it has returned if it is running. */
_IRQL_requires_(PASSIVE_LEVEL) VOID ClientDisableEvent(_In_ PWSK_SOCKET Socket, _In_ ULONG Event);

/* Closes a socket of any category and waits for the completion. */
_IRQL_requires_(PASSIVE_LEVEL) VOID ClientClose(_In_ PWSK_SOCKET Socket);

/*
 * Values of the driver's Parameters key: a REG_SZ, which ends with a NUL in Text, and a REG_DWORD.
 * STATUS_OBJECT_NAME_NOT_FOUND: there is none. STATUS_OBJECT_TYPE_MISMATCH: of another type.
 * STATUS_BUFFER_OVERFLOW: longer than Units - 1, or than 1000 bytes.
 */
_IRQL_requires_(PASSIVE_LEVEL) _Must_inspect_result_ NTSTATUS
    ClientParameterText(_In_ PUNICODE_STRING RegistryPath, _In_ PCWSTR Name, _Out_writes_z_(Units) PWSTR Text,
                        _In_ ULONG Units);
_IRQL_requires_(PASSIVE_LEVEL) _Must_inspect_result_ NTSTATUS
    ClientParameterNumber(_In_ PUNICODE_STRING RegistryPath, _In_ PCWSTR Name, _Out_ PULONG Number);

/*
 * The first address of a host, given by its name or in digits, for a SOCK_xxx; the port in host order. When Stop
 * is signalled meanwhile: STATUS_CANCELLED.
 */
_IRQL_requires_(PASSIVE_LEVEL) _Must_inspect_result_ NTSTATUS
    ClientResolve(_In_ PCWSTR Host, _In_ USHORT Port, _In_ INT Type, _In_ PKEVENT Stop,
                  _Out_ PSOCKADDR_STORAGE Address);

/* Starts a system thread that ClientThreadWait waits for; *Thread is referenced until then. */
_IRQL_requires_(PASSIVE_LEVEL) _Must_inspect_result_ NTSTATUS
    ClientThreadStart(_In_ PKSTART_ROUTINE Routine, _In_opt_ PVOID Context, _Outptr_ PVOID *Thread);

_IRQL_requires_(PASSIVE_LEVEL) VOID ClientThreadWait(_In_ PVOID Thread);

#endif
