/*
 * netioddk.h - the Network Module Registrar (NMR): how a client module and a
 * provider module of a network programming interface (NPI) register, find each
 * other, attach and detach.
 *
 * Layouts: R-NMR-01 to R-NMR-03. The pointers to characteristics and instances
 * are pointers to constant data that stays the module's while it is registered.
 */
#ifndef UWSK_INCLUDE_NETIODDK_H
#define UWSK_INCLUDE_NETIODDK_H

#define _NETIODDK_

#include <wdm.h>
#include <netiodef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One module's implementation of one NPI (ns-netioddk-_npi_registration_instance). */
typedef struct _NPI_REGISTRATION_INSTANCE {
    USHORT Version;
    USHORT Size;
    PNPIID NpiId;
    PNPI_MODULEID ModuleId;
    ULONG Number;
    CONST VOID *NpiSpecificCharacteristics;
} NPI_REGISTRATION_INSTANCE;
typedef CONST NPI_REGISTRATION_INSTANCE *PNPI_REGISTRATION_INSTANCE;

/* An NPI without its type: the caller's handle and a table of functions. */
typedef struct _NPI {
    HANDLE Handle;
    CONST VOID *Dispatch;
} NPI;

/*
 * A provider of the client's NPI is there. The client attaches by
 * NmrClientAttachProvider and returns its status, or declines with
 * STATUS_NOINTERFACE. PASSIVE_LEVEL. (nc-netioddk-npi_client_attach_provider_fn)
 */
typedef _Must_inspect_result_ NTSTATUS NTAPI
NPI_CLIENT_ATTACH_PROVIDER_FN(_In_ HANDLE NmrBindingHandle, _In_ PVOID ClientContext,
                              _In_ PNPI_REGISTRATION_INSTANCE ProviderRegistrationInstance);
typedef NPI_CLIENT_ATTACH_PROVIDER_FN *PNPI_CLIENT_ATTACH_PROVIDER_FN;

/*
 * The attachment ends: no new call into the provider from now on. STATUS_SUCCESS
 * when none is in progress, else STATUS_PENDING and later
 * NmrClientDetachProviderComplete. IRQL <= DISPATCH_LEVEL.
 * (nc-netioddk-npi_client_detach_provider_fn)
 */
typedef _Must_inspect_result_ NTSTATUS NTAPI NPI_CLIENT_DETACH_PROVIDER_FN(_In_ PVOID ClientBindingContext);
typedef NPI_CLIENT_DETACH_PROVIDER_FN *PNPI_CLIENT_DETACH_PROVIDER_FN;

/*
 * Both sides have detached; the client frees its binding context.
 * IRQL <= DISPATCH_LEVEL. (nc-netioddk-npi_client_cleanup_binding_context_fn)
 */
typedef VOID NTAPI NPI_CLIENT_CLEANUP_BINDING_CONTEXT_FN(_In_ PVOID ClientBindingContext);
typedef NPI_CLIENT_CLEANUP_BINDING_CONTEXT_FN *PNPI_CLIENT_CLEANUP_BINDING_CONTEXT_FN;

/* The client side of an NPI (ns-netioddk-_npi_client_characteristics). */
typedef struct _NPI_CLIENT_CHARACTERISTICS {
    USHORT Version;
    USHORT Length;
    PNPI_CLIENT_ATTACH_PROVIDER_FN ClientAttachProvider;
    PNPI_CLIENT_DETACH_PROVIDER_FN ClientDetachProvider;
    PNPI_CLIENT_CLEANUP_BINDING_CONTEXT_FN ClientCleanupBindingContext;
    NPI_REGISTRATION_INSTANCE ClientRegistrationInstance;
} NPI_CLIENT_CHARACTERISTICS;
typedef CONST NPI_CLIENT_CHARACTERISTICS *PNPI_CLIENT_CHARACTERISTICS;

/*
 * A client wants to attach. The provider keeps the client's context, table and
 * the binding handle, sets both out pointers and returns STATUS_SUCCESS, or
 * refuses with STATUS_NOINTERFACE. PASSIVE_LEVEL.
 * (nc-netioddk-npi_provider_attach_client_fn)
 */
typedef _Must_inspect_result_ NTSTATUS NTAPI
NPI_PROVIDER_ATTACH_CLIENT_FN(_In_ HANDLE NmrBindingHandle, _In_ PVOID ProviderContext,
                              _In_ PNPI_REGISTRATION_INSTANCE ClientRegistrationInstance,
                              _In_ PVOID ClientBindingContext, _In_ CONST VOID *ClientDispatch,
                              _Out_ PVOID *ProviderBindingContext, _Out_ CONST VOID **ProviderDispatch);
typedef NPI_PROVIDER_ATTACH_CLIENT_FN *PNPI_PROVIDER_ATTACH_CLIENT_FN;

/*
 * The attachment ends: no further callback into the client. STATUS_SUCCESS when
 * none is running, else STATUS_PENDING and later NmrProviderDetachClientComplete.
 * IRQL <= DISPATCH_LEVEL. (nc-netioddk-npi_provider_detach_client_fn)
 */
typedef _Must_inspect_result_ NTSTATUS NTAPI NPI_PROVIDER_DETACH_CLIENT_FN(_In_ PVOID ProviderBindingContext);
typedef NPI_PROVIDER_DETACH_CLIENT_FN *PNPI_PROVIDER_DETACH_CLIENT_FN;

/*
 * Both sides have detached; the provider frees its binding context.
 * IRQL <= DISPATCH_LEVEL. (nc-netioddk-npi_provider_cleanup_binding_context_fn)
 */
typedef VOID NTAPI NPI_PROVIDER_CLEANUP_BINDING_CONTEXT_FN(_In_ PVOID ProviderBindingContext);
typedef NPI_PROVIDER_CLEANUP_BINDING_CONTEXT_FN *PNPI_PROVIDER_CLEANUP_BINDING_CONTEXT_FN;

/* The provider side of an NPI (ns-netioddk-_npi_provider_characteristics). */
typedef struct _NPI_PROVIDER_CHARACTERISTICS {
    USHORT Version;
    USHORT Length;
    PNPI_PROVIDER_ATTACH_CLIENT_FN ProviderAttachClient;
    PNPI_PROVIDER_DETACH_CLIENT_FN ProviderDetachClient;
    PNPI_PROVIDER_CLEANUP_BINDING_CONTEXT_FN ProviderCleanupBindingContext;
    NPI_REGISTRATION_INSTANCE ProviderRegistrationInstance;
} NPI_PROVIDER_CHARACTERISTICS;
typedef CONST NPI_PROVIDER_CHARACTERISTICS *PNPI_PROVIDER_CHARACTERISTICS;

/*
 * Registers the client side of an NPI; attach callbacks may come before the call
 * returns. ClientCharacteristics and what it points to stay the caller's and
 * valid until deregistration is complete; ClientContext is handed to
 * ClientAttachProvider unread. *NmrClientHandle names the registration.
 * PASSIVE_LEVEL. STATUS_SUCCESS, STATUS_INSUFFICIENT_RESOURCES or another error.
 * (nf-netioddk-nmrregisterclient)
 */
_IRQL_requires_(PASSIVE_LEVEL) _Must_inspect_result_ NTSTATUS NTAPI
    NmrRegisterClient(_In_ PNPI_CLIENT_CHARACTERISTICS ClientCharacteristics, _In_opt_ PVOID ClientContext,
                      _Out_ PHANDLE NmrClientHandle);

/*
 * Begins to take the registration back: every attachment is detached.
 * IRQL <= DISPATCH_LEVEL. STATUS_PENDING when begun, else an error.
 * (nf-netioddk-nmrderegisterclient)
 */
_IRQL_requires_max_(DISPATCH_LEVEL) _Must_inspect_result_ NTSTATUS NTAPI
    NmrDeregisterClient(_In_ HANDLE NmrClientHandle);

/*
 * Waits until every attachment of the deregistered client is detached by both
 * sides; the handle is invalid afterwards. IRQL < DISPATCH_LEVEL. STATUS_SUCCESS,
 * or STATUS_INVALID_PARAMETER for a bad handle or before NmrDeregisterClient.
 * (nf-netioddk-nmrwaitforclientderegistercomplete)
 */
_IRQL_requires_max_(APC_LEVEL) NTSTATUS NTAPI NmrWaitForClientDeregisterComplete(_In_ HANDLE NmrClientHandle);

/*
 * Attaches to the provider that ClientAttachProvider was just told of, and only
 * there. ClientBindingContext and ClientDispatch (NULL if the NPI has no client
 * table) stay the client's and valid while attached; on success the provider's
 * context and table are stored. PASSIVE_LEVEL. Returns what ProviderAttachClient
 * returned; after a failure the client itself frees its binding context.
 * (nf-netioddk-nmrclientattachprovider)
 */
_IRQL_requires_(PASSIVE_LEVEL) _Must_inspect_result_ NTSTATUS NTAPI
    NmrClientAttachProvider(_In_ HANDLE NmrBindingHandle, _In_ PVOID ClientBindingContext,
                            _In_ CONST VOID *ClientDispatch, _Out_ PVOID *ProviderBindingContext,
                            _Out_ CONST VOID **ProviderDispatch);

/*
 * Ends a ClientDetachProvider that returned STATUS_PENDING; once, and only then.
 * IRQL <= DISPATCH_LEVEL. (nf-netioddk-nmrclientdetachprovidercomplete)
 */
_IRQL_requires_max_(DISPATCH_LEVEL) VOID NTAPI NmrClientDetachProviderComplete(_In_ HANDLE NmrBindingHandle);

/*
 * Registers the provider side of an NPI and offers it to the clients that are
 * there. Ownership, IRQL and statuses as NmrRegisterClient.
 * (nf-netioddk-nmrregisterprovider)
 */
_IRQL_requires_(PASSIVE_LEVEL) _Must_inspect_result_ NTSTATUS NTAPI
    NmrRegisterProvider(_In_ PNPI_PROVIDER_CHARACTERISTICS ProviderCharacteristics,
                        _In_opt_ PVOID ProviderContext, _Out_ PHANDLE NmrProviderHandle);

/*
 * Begins to take a provider's registration back. IRQL <= DISPATCH_LEVEL.
 * STATUS_PENDING when begun, else an error. (nf-netioddk-nmrderegisterprovider)
 */
_IRQL_requires_max_(DISPATCH_LEVEL) _Must_inspect_result_ NTSTATUS NTAPI
    NmrDeregisterProvider(_In_ HANDLE NmrProviderHandle);

/*
 * Waits until every attachment of the deregistered provider is detached by both
 * sides; the handle is invalid afterwards. IRQL < DISPATCH_LEVEL. STATUS_SUCCESS,
 * or STATUS_INVALID_PARAMETER for a bad handle or before NmrDeregisterProvider.
 * (nf-netioddk-nmrwaitforproviderderegistercomplete)
 */
_IRQL_requires_max_(APC_LEVEL) NTSTATUS NTAPI
    NmrWaitForProviderDeregisterComplete(_In_ HANDLE NmrProviderHandle);

/*
 * Ends a ProviderDetachClient that returned STATUS_PENDING; once, and only then.
 * IRQL <= DISPATCH_LEVEL. (nf-netioddk-nmrproviderdetachclientcomplete)
 */
_IRQL_requires_max_(DISPATCH_LEVEL) VOID NTAPI NmrProviderDetachClientComplete(_In_ HANDLE NmrBindingHandle);

#ifdef __cplusplus
}
#endif

#endif
