/*
 * nmrp.h - the private header of the NMR room: objects, the one lock, and why nothing is lost or used twice.
 *
 * A module is one registration, a binding is one pair of a client and a provider of the same NPI.
 *
 * README.md draws the states.  A binding goes
 *     OFFERED -> OFFERING     ClientAttachProvider is called
 *     OFFERING -> ASKING      NmrClientAttachProvider: ProviderAttachClient is called
 *     ASKING -> OFFERING      ... and refuses: the client may ask again
 *     ASKING -> ACCEPTED      ... and attaches
 *     OFFERING -> over        ClientAttachProvider has returned, nothing is attached
 *     ACCEPTED -> ATTACHED    ClientAttachProvider has returned
 *     OFFERED -> over, ACCEPTED or ATTACHED -> DETACHING    a side leaves
 *     DETACHING -> over       both sides have detached and cleaned up
 *
 * Each side of a DETACHING binding has a state of its own, so that either may finish first, and a completion
 * may overtake the return of the callback it belongs to:
 *     ATTACHED -> TELLING     its detach callback is called
 *     TELLING -> DETACHED     it returns success
 *     TELLING -> PENDING      it returns pending; -> DETACHED with detach-complete
 *     TELLING -> COMPLETED    detach-complete comes first; -> DETACHED when it returns pending
 *
 * The lock.  nmr_lock (a KSPIN_LOCK) guards every field of every module and binding that changes, and the two
 * tables.  It is the only lock of the room.  Under it: no callback, no allocation, no wait; only list work
 * and ke_set_event.  So its place in any order is last but for the executive's own locks, and a caller may
 * hold spin locks of his own - but then see "where callbacks run".
 *
 * Who may use a binding without the lock.  Exactly one thread works on a binding at a time, the one that made
 * the last of these steps, each of which is taken by one thread only, under the lock:
 *     OFFERED -> OFFERING       the thread that registers the younger module
 *     ATTACHED or ACCEPTED -> DETACHING    the first who sees that a side leaves: whoever deregisters, or the
 *                               offering thread when its callback returns
 *     the second side -> DETACHED   finishes: cleanup callbacks, unlink, free
 * The thread that detaches tells the client, then the provider.  Between the two the binding cannot end: the
 * provider's side is not DETACHED before its callback has returned.  After a tell that did not end it the
 * thread touches the binding no more.  So both cleanup callbacks come once, and after everything else
 * (C-NMR-22).
 *
 * A provider's watch (nmr_watch_client) is called between the client's step to DETACHED and whatever comes
 * next on that thread; the provider's side waits for it, so binding and context are there.
 *
 * Each pair once (C-NMR-03).  A module enters the table in the same locked step that links a binding with
 * every counterpart that is there and not leaving.  Of two modules one is entered second: it makes the one
 * binding. The bindings are allocated before, so a registration fails before anybody could see it.
 *
 * Deregistration against attaching.  `leaving` is set in the same locked step that looks at all bindings of
 * the module.  Those OFFERED end at once; the offering thread looks for the next one under the lock and does
 * not find them.  Those being attached get `unwanted`: NmrClientAttachProvider, when it comes later, refuses
 * without asking the provider, and if the provider has accepted already, the offering thread detaches as soon
 * as ClientAttachProvider has returned, never earlier: the client saves handle and contexts in there.  Those
 * ATTACHED become DETACHING and are this thread's.  Those DETACHING are somebody else's: both sides may
 * deregister, each callback comes once (C-NMR-18).  No binding is made with a module that is leaving, so its
 * list only shrinks.
 *
 * The end of a module.  `gone` is set under the lock when the module is leaving and its list is empty: once,
 * because nothing is linked any more.  A waiter takes the lock after its wait, so the setter is out of the
 * module.  References: the table's (until the first wait is over), the registering thread's, the waiters'.
 * A binding needs none: a module with bindings is not gone, so it is still in the table.
 *
 * Where callbacks run: at PASSIVE_LEVEL, through rtl/call.h, without nmr_lock.  Attach callbacks: on the
 * thread that registers the younger module, inside that call (C-REG-27).  Detach and cleanup callbacks:
 * inside the call that caused them when it came at PASSIVE_LEVEL, else on a worker thread (binding->work,
 * which is free then: detaching and finishing are the two uses, and the first has begun to run before the
 * second is queued). A module may call every function of the NMR from every callback, but for waiting for
 * itself: nothing is held. Registering in an attach callback only makes the stack deeper.
 *
 * Handles are numbers that are never used twice, found in the tables; nothing a driver hands in is
 * dereferenced.
 */
#ifndef UWSK_NMRP_H
#define UWSK_NMRP_H

#include <ntddk.h>
#include <netioddk.h>

#include "nmr/nmr.h"
#include "nt/ex/ex.h"
#include "nt/ke/ke.h"
#include "nt/observe.h"
#include "nt/rtl/call.h"

#define NMR_TAG_MODULE  'dMmN'
#define NMR_TAG_BINDING 'iBmN'

/* The low bits of a handle say what it is; the rest is a number. */
enum { NMR_HANDLE_CLIENT = 4, NMR_HANDLE_PROVIDER = 8, NMR_HANDLE_BINDING = 12, NMR_HANDLE_STEP = 16 };

/* The two sides' detach and cleanup callbacks are of one type each. */
typedef NTSTATUS NTAPI nmr_detach_fn(PVOID binding_context);
typedef VOID NTAPI nmr_cleanup_fn(PVOID binding_context);

struct nmr_module {
    LIST_ENTRY link;     /* in nmr_modules, in the order of registration */
    LIST_ENTRY bindings; /* struct nmr_side.link: those that are not over */
    HANDLE handle;
    enum nmr_role role;
    BOOLEAN leaving; /* deregistered */
    BOOLEAN waited;  /* out of the table */
    LONG references;
    KEVENT gone; /* notification: leaving, and no binding is left (C-NMR-24) */
    /* Constant from here on. */
    NPIID npi; /* a copy; the instance stays the module's (R-NMR-06) */
    PVOID context;
    PNPI_REGISTRATION_INSTANCE instance;
    PNPI_CLIENT_ATTACH_PROVIDER_FN client_attach;
    PNPI_PROVIDER_ATTACH_CLIENT_FN provider_attach;
    nmr_detach_fn *detach;
    nmr_cleanup_fn *cleanup; /* NULL = none (R-NMR-30) */
};

enum nmr_binding_state {
    NMR_OFFERED = 1, /* ClientAttachProvider not called yet */
    NMR_OFFERING,    /* ClientAttachProvider runs */
    NMR_ASKING,      /* and within it ProviderAttachClient */
    NMR_ACCEPTED,    /* the provider is attached, ClientAttachProvider has not returned yet */
    NMR_ATTACHED,
    NMR_DETACHING
};

enum nmr_side_state {
    NMR_SIDE_ATTACHED,
    NMR_SIDE_TELLING,   /* its detach callback runs */
    NMR_SIDE_COMPLETED, /* it runs, and detach-complete was called already */
    NMR_SIDE_PENDING,   /* it returned STATUS_PENDING */
    NMR_SIDE_DETACHED
};

struct nmr_side {
    LIST_ENTRY link; /* in module->bindings */
    struct nmr_module *module;
    PVOID context; /* the side's own binding context */
    UCHAR state;   /* enum nmr_side_state */
};

struct nmr_binding {
    LIST_ENTRY link; /* in nmr_bindings */
    HANDLE handle;
    struct nmr_side side[NMR_ROLES];
    struct nmr_module *younger;   /* the module whose registration offers it */
    struct nmr_binding *next;     /* in a list of one thread: to be detached, or to be freed */
    void (*watch)(void *context); /* the provider's, or NULL: nmr_watch_client */
    void *watch_context;
    UCHAR state;      /* enum nmr_binding_state */
    BOOLEAN unwanted; /* a side left while it was being attached */
    struct ex_work work;
};

extern KSPIN_LOCK nmr_lock;
extern LIST_ENTRY nmr_bindings;

HANDLE nmr_new_handle(ULONG kind);
/* nmr_lock held: sets `gone` when it is time. */
void nmr_module_check_gone(struct nmr_module *module);

/* binding.c.  nmr_lock held: links a zeroed binding with both modules. */
void nmr_binding_link(struct nmr_binding *binding, struct nmr_module *younger, struct nmr_module *older);
/* No lock, PASSIVE_LEVEL: calls ClientAttachProvider for each binding that this module has made. */
void nmr_binding_offer_all(struct nmr_module *module);
/* nmr_lock held, module->leaving just set.  The bindings to detach and those that are over, each to be handed
 * to one of the next two once the lock is released. */
void nmr_binding_part(struct nmr_module *module, struct nmr_binding **detach, struct nmr_binding **over);
void nmr_binding_detach_list(struct nmr_binding *list);
void nmr_binding_free_list(struct nmr_binding *list);

#endif
