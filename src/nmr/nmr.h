/*
 * nmr.h - the Network Module Registrar, as the rooms above it see it.
 *
 * Clients and providers of a network programming interface (NPI) register here, are introduced to each other,
 * attach, and are told when they have to part.  What an NPI is about, the NMR does not know: it compares the
 * identifiers (C-NMR-01, C-NMR-12).
 *
 * The functions are the snake_case forms of those in netioddk.h and mean the same; `caller` is the address
 * that bug checks name, NULL = the runtime itself.
 */
#ifndef UWSK_NMR_H
#define UWSK_NMR_H

#include <netioddk.h>

enum nmr_role { NMR_CLIENT, NMR_PROVIDER, NMR_ROLES };

/* PASSIVE_LEVEL.  *handle is written before the first attach callback; NULL after a failure.  STATUS_SUCCESS,
 * STATUS_INVALID_PARAMETER, STATUS_INSUFFICIENT_RESOURCES (nobody has been called then). */
NTSTATUS nmr_register_client(PNPI_CLIENT_CHARACTERISTICS characteristics, PVOID context, PHANDLE handle,
                             void *caller);
NTSTATUS nmr_register_provider(PNPI_PROVIDER_CHARACTERISTICS characteristics, PVOID context, PHANDLE handle,
                               void *caller);

/* IRQL <= DISPATCH_LEVEL.  At PASSIVE_LEVEL the detach callbacks run inside the call, else on a worker.
 * STATUS_PENDING; STATUS_INVALID_PARAMETER: no such registration, or deregistered before. */
NTSTATUS nmr_deregister(HANDLE handle, enum nmr_role role);
/* IRQL <= APC_LEVEL.  Waits; the handle is gone afterwards.  STATUS_SUCCESS; STATUS_INVALID_PARAMETER: no
 * such registration, or not deregistered. */
NTSTATUS nmr_wait_deregistered(HANDLE handle, enum nmr_role role);

/* Inside ClientAttachProvider, PASSIVE_LEVEL.  What ProviderAttachClient returned; STATUS_NOINTERFACE when
 * one of the two deregisters meanwhile. */
NTSTATUS nmr_attach(HANDLE handle, PVOID client_context, const VOID *client_dispatch, PVOID *provider_context,
                    const VOID **provider_dispatch, void *caller);
/* IRQL <= DISPATCH_LEVEL: the detach callback of this side had returned STATUS_PENDING, or is about to. */
void nmr_detach_complete(HANDLE handle, enum nmr_role role, void *caller);

/* Whose binding it is, for a provider's reports: the client's ClientAttachProvider.  (A return address would not
 * do: a driver may end with a jump to us.)  NULL: no such binding. */
void *nmr_binding_client(HANDLE handle);

/* For a provider that has to know when its client has made its last call (C-DEREG-16), inside
 * ProviderAttachClient: fn(context) is called once, when the client's side has finished detaching, at
 * IRQL <= DISPATCH_LEVEL with no lock of the NMR held.  The provider's side must not finish before. */
void nmr_watch_client(HANDLE handle, void (*fn)(void *context), void *context);

/* What there is: registrations not yet waited for, and bindings not yet over.  Any of the two may be NULL. */
void nmr_count(ULONG *modules, ULONG *bindings);

/* ---- bug check 0x125 NMR_INVALID_STATE: parameter 1 (KA09: numbers of our own); 2 = handle, 3 = what was
 * expected, 4 = what was found.  1 and 2 are WSK's. ---- */
#define NMR_BAD_ATTACH        0x10 /* NmrClientAttachProvider outside of ClientAttachProvider */
#define NMR_BAD_SECOND_ATTACH 0x11 /* NmrClientAttachProvider although attached, or while it runs */
#define NMR_BAD_ATTACH_STATUS 0x12 /* ClientAttachProvider returned a failure although attached */
#define NMR_BAD_ATTACH_RETURN 0x13 /* ClientAttachProvider returned while NmrClientAttachProvider runs */
#define NMR_BAD_DETACH_STATUS 0x14 /* a detach callback returned neither success nor pending */
#define NMR_BAD_DETACH_SUCCESS                                                                               \
    0x15                             /* a detach callback returned success, its completion was reported, too \
                                      */
#define NMR_BAD_COMPLETE_HANDLE 0x16 /* detach-complete with a handle that is no binding */
#define NMR_BAD_COMPLETE        0x17 /* detach-complete that nobody waits for: too early, twice, after success */
#define NMR_BAD_IRQL            0x18 /* registering or attaching above PASSIVE_LEVEL */

#endif
