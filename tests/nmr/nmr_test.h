/*
 * nmr_test.h - modules that record what the registrar does with them.
 *
 * A struct party is one registration, client or provider; a struct tie is one side's view of one attachment
 * (its binding context).  Every callback is held to what holds for all of them: PASSIVE_LEVEL, the right
 * context, detach once and after attach, cleanup once and after both sides have detached (R-NMR-29).  What a
 * party answers is told by its `attach` and `detach` members, or decided by its hooks.
 */
#ifndef NMR_TEST_H
#define NMR_TEST_H

#include <ntddk.h>
#include <netioddk.h>

#include "peer.h"
#include "uwsk_test.h"

/* On the system's threads, and in the simulator; ThreadSanitizer sees nothing between fibers. */
#ifdef __SANITIZE_THREAD__
#define NMR_MODES      "threads"
#define NMR_RACE_MODES "threads"
#else
#define NMR_MODES      "threads sim"
#define NMR_RACE_MODES "threads sim/races"
#endif

void nmr_setup(void);
void nmr_teardown(void); /* nothing is registered, bound or allocated any more */

struct party;

struct tie {
    struct party *party;
    HANDLE handle;
    struct tie *other;    /* the other side's context */
    const VOID *dispatch; /* the other side's table */
    volatile LONG detaching, detached, cleaned;
    LONG index; /* in party->ties */
};

enum party_attach { PARTY_ACCEPT, PARTY_DECLINE };
enum party_detach {
    PARTY_SUCCESS,  /* STATUS_SUCCESS */
    PARTY_PENDING,  /* STATUS_PENDING; the test completes by tie_complete */
    PARTY_COMPLETE, /* completes inside the callback, then STATUS_PENDING */
    PARTY_THREAD    /* STATUS_PENDING; a worker completes, maybe before the callback has returned */
};

#define PARTY_TIES 64

struct party {
    BOOLEAN is_provider;
    HANDLE handle;
    enum party_attach attach;
    enum party_detach detach;
    NTSTATUS decline_status;
    void (*on_attach)(struct party *party, HANDLE binding); /* first in the attach callback */
    void (*on_attached)(struct tie *tie); /* client: NmrClientAttachProvider has succeeded */
    void (*on_detach)(struct tie *tie);   /* in the detach callback, before it answers */
    PVOID extra;
    volatile LONG offers;   /* attach callbacks */
    volatile LONG attaches; /* successful ones */
    volatile LONG detaches, cleanups;
    volatile LONG slots;
    struct tie *volatile ties[PARTY_TIES]; /* NULL once cleaned up (or never attached) */
    PNPI_REGISTRATION_INSTANCE last_offer;
    NTSTATUS last_status; /* client: of NmrClientAttachProvider */
    int specific;         /* NPI-specific characteristics; its address is handed over */
    NPIID npi;
    NPI_MODULEID id;
    NPI_CLIENT_CHARACTERISTICS client;
    NPI_PROVIDER_CHARACTERISTICS provider;
};

extern const NPIID npi_one, npi_two;

void party_init(struct party *party, BOOLEAN is_provider, const NPIID *npi);
NTSTATUS party_register(struct party *party);
NTSTATUS party_deregister(struct party *party); /* the call alone */
void party_wait(struct party *party);           /* for its end, which has to be successful */
void party_leave(struct party *party);          /* both */
/* The only living tie. */
struct tie *party_tie(struct party *party);
void tie_complete(struct tie *tie);

static inline LONG read_long(const volatile LONG *number)
{
    return __atomic_load_n(number, __ATOMIC_ACQUIRE);
}

/* A call on a thread of its own. */
struct call {
    struct party *party;
    volatile LONG over;
    struct test_thread *thread;
    struct ke_thread *caller; /* once it runs */
};
void call_wait(struct call *call, struct party *party); /* NmrWaitFor...DeregisterComplete */
void call_still_waits(struct call *call);               /* it has begun to wait, and goes on */
void call_returns(struct call *call);

#endif
