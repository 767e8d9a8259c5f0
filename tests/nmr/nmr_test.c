/*
 * nmr_test.c - see nmr_test.h.
 */
#include "nmr_test.h"

#include "nmr/nmr.h"
#include "nt/ex/ex.h"
#include "nt/ke/internal.h"
#include "nt/ke/ke.h"

#define TAG 'tmrN'

const NPIID npi_one = {0x11111111, 0x2222, 0x3333, {1, 2, 3, 4, 5, 6, 7, 8}};
const NPIID npi_two = {0x11111111, 0x2222, 0x3333, {1, 2, 3, 4, 5, 6, 7, 9}};

static const int client_table = 1, provider_table = 2;

void nmr_setup(void)
{
    struct ke_config ke = {.processors = 2};

    EXPECT_STATUS(ke_start(&ke), STATUS_SUCCESS);
}

void nmr_teardown(void)
{
    SIZE_T blocks, bytes;
    ULONG modules, bindings;

    ex_workers_shutdown();
    nmr_count(&modules, &bindings);
    EXPECT_EQ(modules, 0);
    EXPECT_EQ(bindings, 0);
    ke_stop();
    ex_pool_driver_usage(&blocks, &bytes);
    EXPECT_EQ(blocks, 0);
}

/* ---- ties ------------------------------------------------------------------------------------------- */

static struct tie *tie_create(struct party *party, HANDLE handle)
{
    struct tie *tie = ExAllocatePool2(POOL_FLAG_NON_PAGED, sizeof *tie, TAG);

    EXPECT(tie != NULL);
    tie->party = party;
    tie->handle = handle;
    tie->index = InterlockedIncrement(&party->slots) - 1;
    return tie;
}

static void tie_publish(struct tie *tie)
{
    InterlockedIncrement(&tie->party->attaches);
    if (tie->index < PARTY_TIES)
        InterlockedExchangePointer((PVOID *)&tie->party->ties[tie->index], tie);
}

void tie_complete(struct tie *tie)
{
    InterlockedExchange(&tie->detached, 1); /* before: the tie may be gone after */
    if (tie->party->is_provider)
        NmrProviderDetachClientComplete(tie->handle);
    else
        NmrClientDetachProviderComplete(tie->handle);
}

static VOID complete_work(PVOID context)
{
    PVOID *pair = context;
    struct tie *tie = pair[4];

    ExFreePoolWithTag(pair, TAG);
    tie_complete(tie);
}

static void complete_by_worker(struct tie *tie)
{
    PVOID *block = ExAllocatePool2(POOL_FLAG_NON_PAGED, 5 * sizeof(PVOID), TAG);

    EXPECT(block != NULL);
    C_ASSERT(sizeof(WORK_QUEUE_ITEM) <= 4 * sizeof(PVOID));
    block[4] = tie;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    ExInitializeWorkItem((PWORK_QUEUE_ITEM)block, complete_work, block);
    ExQueueWorkItem((PWORK_QUEUE_ITEM)block, DelayedWorkQueue);
#pragma GCC diagnostic pop
}

static NTSTATUS detach(PVOID context)
{
    struct tie *tie = context;
    struct party *party = tie->party;

    EXPECT_EQ(KeGetCurrentIrql(), PASSIVE_LEVEL);
    EXPECT_EQ(InterlockedIncrement(&tie->detaching), 1); /* C-NMR-18 */
    EXPECT_EQ(read_long(&tie->cleaned), 0);
    InterlockedIncrement(&party->detaches);
    if (party->on_detach != NULL)
        party->on_detach(tie);
    switch (party->detach) {
    case PARTY_SUCCESS:
        InterlockedExchange(&tie->detached, 1);
        return STATUS_SUCCESS;
    case PARTY_COMPLETE:
        tie_complete(tie);
        EXPECT_EQ(read_long(&tie->cleaned), 0); /* the callback has not returned */
        return STATUS_PENDING;
    case PARTY_THREAD:
        complete_by_worker(tie);
        return STATUS_PENDING;
    default:
        return STATUS_PENDING;
    }
}

static VOID cleanup(PVOID context)
{
    struct tie *tie = context, *other = tie->other;
    struct party *party = tie->party;

    EXPECT_EQ(KeGetCurrentIrql(), PASSIVE_LEVEL);
    EXPECT_EQ(InterlockedIncrement(&tie->cleaned), 1);
    EXPECT_EQ(read_long(&tie->detached), 1);
    /* The client is cleaned up first: then the provider's side is still there to be looked at (R-NMR-29). */
    if (!party->is_provider)
        EXPECT_EQ(read_long(&other->detached), 1);
    InterlockedIncrement(&party->cleanups);
    if (tie->index < PARTY_TIES)
        InterlockedExchangePointer((PVOID *)&party->ties[tie->index], NULL);
    ExFreePoolWithTag(tie, TAG);
}

/* ---- attaching -------------------------------------------------------------------------------------- */

static NTSTATUS NTAPI attach_provider(HANDLE binding, PVOID context, PNPI_REGISTRATION_INSTANCE instance)
{
    struct party *party = context;
    const VOID *dispatch = NULL;
    PVOID other = NULL;
    struct tie *tie;
    NTSTATUS status;

    EXPECT_EQ(KeGetCurrentIrql(), PASSIVE_LEVEL); /* R-NMR-12 */
    EXPECT(RtlEqualMemory(instance->NpiId, &party->npi, sizeof(NPIID)));
    InterlockedIncrement(&party->offers);
    InterlockedExchangePointer((PVOID *)&party->last_offer, (PVOID)instance);
    if (party->on_attach != NULL)
        party->on_attach(party, binding);
    if (party->attach == PARTY_DECLINE)
        return party->decline_status;
    tie = tie_create(party, binding);
    status = NmrClientAttachProvider(binding, tie, &client_table, &other, &dispatch);
    InterlockedExchange((volatile LONG *)&party->last_status, status);
    if (status != STATUS_SUCCESS) {
        ExFreePoolWithTag(tie, TAG); /* R-NMR-19 */
        return status;
    }
    EXPECT(dispatch == &provider_table);
    tie->other = other;
    tie->dispatch = dispatch;
    EXPECT(tie->other->other == tie); /* what NmrClientAttachProvider was given came through */
    tie_publish(tie);
    if (party->on_attached != NULL)
        party->on_attached(tie);
    return STATUS_SUCCESS;
}

static NTSTATUS NTAPI attach_client(HANDLE binding, PVOID context, PNPI_REGISTRATION_INSTANCE instance,
                                    PVOID client_context, const VOID *client_dispatch,
                                    PVOID *provider_context, const VOID **provider_dispatch)
{
    struct party *party = context;
    struct tie *tie;

    EXPECT_EQ(KeGetCurrentIrql(), PASSIVE_LEVEL); /* R-NMR-21 */
    EXPECT(RtlEqualMemory(instance->NpiId, &party->npi, sizeof(NPIID)));
    InterlockedIncrement(&party->offers);
    InterlockedExchangePointer((PVOID *)&party->last_offer, (PVOID)instance);
    if (party->on_attach != NULL)
        party->on_attach(party, binding);
    if (provider_context == NULL || provider_dispatch == NULL)
        return STATUS_INVALID_PARAMETER; /* C-NMR-10 */
    if (party->attach == PARTY_DECLINE)
        return party->decline_status;
    EXPECT(client_dispatch == &client_table);
    tie = tie_create(party, binding);
    tie->other = client_context;
    tie->dispatch = client_dispatch;
    *provider_context = tie;
    *provider_dispatch = &provider_table;
    tie_publish(tie);
    return STATUS_SUCCESS;
}

/* ---- parties ---------------------------------------------------------------------------------------- */

void party_init(struct party *party, BOOLEAN is_provider, const NPIID *npi)
{
    static volatile LONG number;
    NPI_REGISTRATION_INSTANCE instance = {.Size = sizeof instance};

    RtlZeroMemory(party, sizeof *party);
    party->is_provider = is_provider;
    party->decline_status = STATUS_NOINTERFACE;
    party->npi = *npi; /* a copy: identifiers are compared, not addresses */
    party->id.Length = sizeof party->id;
    party->id.Type = MIT_GUID;
    party->id.Guid.Data1 = (ULONG)InterlockedIncrement(&number);
    party->specific = (int)party->id.Guid.Data1;
    instance.NpiId = &party->npi;
    instance.ModuleId = &party->id;
    instance.NpiSpecificCharacteristics = &party->specific;
    party->client =
        (NPI_CLIENT_CHARACTERISTICS){0, sizeof party->client, attach_provider, detach, cleanup, instance};
    party->provider =
        (NPI_PROVIDER_CHARACTERISTICS){0, sizeof party->provider, attach_client, detach, cleanup, instance};
}

NTSTATUS party_register(struct party *party)
{
    party->handle = NULL;
    return party->is_provider ? NmrRegisterProvider(&party->provider, party, &party->handle)
                              : NmrRegisterClient(&party->client, party, &party->handle);
}

NTSTATUS party_deregister(struct party *party)
{
    return party->is_provider ? NmrDeregisterProvider(party->handle) : NmrDeregisterClient(party->handle);
}

void party_wait(struct party *party)
{
    EXPECT_STATUS(party->is_provider ? NmrWaitForProviderDeregisterComplete(party->handle)
                                     : NmrWaitForClientDeregisterComplete(party->handle),
                  STATUS_SUCCESS);
}

void party_leave(struct party *party)
{
    EXPECT_STATUS(party_deregister(party), STATUS_PENDING); /* R-NMR-32 */
    party_wait(party);
}

struct tie *party_tie(struct party *party)
{
    struct tie *found = NULL;
    int i;

    for (i = 0; i < PARTY_TIES; i++)
        if (party->ties[i] != NULL) {
            EXPECT(found == NULL);
            found = party->ties[i];
        }
    EXPECT(found != NULL);
    return found;
}

/* ---- calls ------------------------------------------------------------------------------------------ */

static void wait_main(void *argument)
{
    struct call *call = argument;

    __atomic_store_n(&call->caller, ke_current_thread(), __ATOMIC_RELEASE);
    party_wait(call->party);
    InterlockedExchange(&call->over, 1);
}

void call_wait(struct call *call, struct party *party)
{
    call->party = party;
    call->over = 0;
    call->caller = NULL;
    call->thread = test_thread_start(wait_main, call);
}

static BOOLEAN has_begun(struct call *call)
{
    struct ke_thread *caller = __atomic_load_n(&call->caller, __ATOMIC_ACQUIRE);

    BOOLEAN waits;

    if (caller == NULL)
        return FALSE;
    ke_lock_dispatcher();
    waits = caller->wait != NULL;
    ke_unlock_dispatcher(NULL);
    return waits;
}

void call_still_waits(struct call *call)
{
    EXPECT_SOON(has_begun(call));
    test_sleep_ms(50);
    EXPECT_EQ(read_long(&call->over), 0);
}

void call_returns(struct call *call)
{
    EXPECT_SOON(read_long(&call->over));
    test_thread_join(call->thread);
}
