/*
 * processor.c - processors as tokens, and the thread that serves each of them.
 *
 * Who runs at DISPATCH_LEVEL owns a processor; there are as many as the configuration says.  A processor's
 * own thread takes its processor, runs DPCs, timers and the poller's completions, gives it back and sleeps in
 * the poller.  Any other thread takes whichever is free, the one it had last first.
 *
 * Fairness.  A processor that its own thread wants is left alone by the others, so DPCs are not starved; a
 * thread that has waited for more than a millisecond is "starving": until it got a processor nobody else may
 * start to take one of those that it may take, but for a processor's own thread that has given way for as long.
 */
#include "nt/ke/internal.h"

#define STARVING_AFTER 1000000u /* ns */

struct ke_processor {
    struct ke_thread *owner; /* NULL = free */
    uint32_t wanted;         /* its own thread waits for it */
    uint32_t returned;       /* counts hand-backs while wanted: parking word of the own thread */
    uint32_t signalled;      /* the own thread is to go round once more: parking word without a poller */
    uint32_t starving;       /* threads that starve and may take this one: it is left to them */
} __attribute__((aligned(64)));

static struct ke_processor processors[KE_MAX_PROCESSORS];
static unsigned processor_count = 1; /* before ke_start */

int ke_spins = KE_SPINS_MAX;
int ke_wakes_wait;

static struct {
    uint32_t generation; /* counts hand-backs: parking word of everybody else, but those who starve */
    uint32_t offers;     /* counts hand-backs to them: their parking word */
    uint32_t waiters;
    uint32_t starving; /* how many of them: for whoever gives a processor back, see there */
    uint32_t bound;    /* those of them that may not take each processor (affinity.c) */
} queue;

static struct {
    struct ke_poller *poller;
    uint32_t running;
    uint32_t stop;
    uint32_t alive;  /* threads that have not ended yet: parking word of ke_stop */
    uint32_t waking; /* calls of poller->wake that may be under way: parking word of ke_stop */
} control;

/* ---- ownership ---------------------------------------------------------------------------------------- */

static KAFFINITY all_processors(void)
{
    unsigned count = ke_query_active_processor_count();

    return count < 64 ? ((KAFFINITY)1 << count) - 1 : ~(KAFFINITY)0;
}

static int try_processor(struct ke_processor *processor, struct ke_thread *thread)
{
    struct ke_thread *nobody = NULL;

    return __atomic_load_n(&processor->owner, __ATOMIC_SEQ_CST) == NULL &&
           __atomic_compare_exchange_n(&processor->owner, &nobody, thread, 0, __ATOMIC_SEQ_CST,
                                       __ATOMIC_SEQ_CST);
}

/* starving: one that others who starve may take, too. */
static int try_any(struct ke_thread *thread, int starving)
{
    unsigned count = __atomic_load_n(&processor_count, __ATOMIC_RELAXED);

    for (unsigned i = 0; i < count; i++) {
        unsigned number = (thread->last_processor + i) % count;

        if (thread->affinity >> number & 1 &&
            !__atomic_load_n(&processors[number].wanted, __ATOMIC_SEQ_CST) &&
            (starving || !__atomic_load_n(&processors[number].starving, __ATOMIC_SEQ_CST)) &&
            try_processor(&processors[number], thread)) {
            thread->processor = (int)number;
            thread->last_processor = number;
            return 1;
        }
    }
    return 0;
}

static void tell(uint32_t *word, int count)
{
    __atomic_fetch_add(word, 1, __ATOMIC_SEQ_CST);
    host_unpark(word, count);
}

/* Bars the processors of this mask for those who do not starve. */
static void claim(KAFFINITY mask)
{
    __atomic_fetch_add(&queue.starving, 1, __ATOMIC_SEQ_CST);
    for (; mask; mask &= mask - 1)
        __atomic_fetch_add(&processors[__builtin_ctzll(mask)].starving, 1, __ATOMIC_SEQ_CST);
}

/* Undoes a claim; who was barred by it tries again. */
static void disclaim(KAFFINITY mask)
{
    int opened = 0;

    for (; mask; mask &= mask - 1)
        opened |= __atomic_sub_fetch(&processors[__builtin_ctzll(mask)].starving, 1, __ATOMIC_SEQ_CST) == 0;
    __atomic_fetch_sub(&queue.starving, 1, __ATOMIC_SEQ_CST);
    if (opened)
        tell(&queue.generation, INT32_MAX);
}

/* The slow way: parks until a processor comes back. */
static void wait_for_any(struct ke_thread *thread)
{
    const uint32_t bound = thread->affinity != ~(KAFFINITY)0;
    uint64_t since = host_now();
    KAFFINITY claimed = 0; /* not 0: it starves */

    __atomic_fetch_add(&queue.bound, bound, __ATOMIC_SEQ_CST);
    __atomic_fetch_add(&queue.waiters, 1, __ATOMIC_SEQ_CST);
    for (;;) {
        uint32_t *word = claimed ? &queue.offers : &queue.generation;
        uint32_t count = __atomic_load_n(word, __ATOMIC_SEQ_CST);

        if (try_any(thread, claimed != 0))
            break;
        host_park(word, count, HOST_FOREVER);
        if (!claimed && host_now() - since > STARVING_AFTER) {
            claimed = thread->affinity & all_processors();
            claim(claimed);
        }
    }
    __atomic_fetch_sub(&queue.waiters, 1, __ATOMIC_SEQ_CST);
    __atomic_fetch_sub(&queue.bound, bound, __ATOMIC_SEQ_CST);
    if (claimed)
        disclaim(claimed);
}

void ke_take_processor(struct ke_thread *thread)
{
    host_point(HOST_POINT_LOCK, &queue);
    for (int i = 0; i < KE_SPINS; i++) {
        if (try_any(thread, 0))
            return;
        host_cpu_relax();
    }
    wait_for_any(thread);
}

/* The processor's own thread takes this one and no other. */
static void take_own(struct ke_processor *processor, struct ke_thread *thread)
{
    uint64_t patient_until = 0;

    for (;;) { /* whoever starves for it goes first; the last one wakes everybody */
        uint32_t generation = __atomic_load_n(&queue.generation, __ATOMIC_SEQ_CST);

        if (!__atomic_load_n(&processor->starving, __ATOMIC_SEQ_CST))
            break;
        /* In a crowd there is always somebody who starves: then this thread has waited as long as they. */
        if (patient_until && host_now() >= patient_until)
            break;
        if (!patient_until)
            patient_until = host_now() + STARVING_AFTER;
        host_park(&queue.generation, generation, patient_until);
    }
    __atomic_store_n(&processor->wanted, 1, __ATOMIC_SEQ_CST);
    for (int spins = 0;; spins++) {
        uint32_t returned = __atomic_load_n(&processor->returned, __ATOMIC_SEQ_CST);

        if (try_processor(processor, thread))
            break;
        if (spins < KE_SPINS)
            host_cpu_relax();
        else
            host_park(&processor->returned, returned, HOST_FOREVER);
    }
    __atomic_store_n(&processor->wanted, 0, __ATOMIC_SEQ_CST);
    thread->processor = (int)(processor - processors);
}

void ke_give_processor(struct ke_thread *thread)
{
    struct ke_processor *processor = &processors[thread->processor];

    OBSERVE(order, processor, OBSERVE_RELEASE);
    thread->processor = KE_NO_PROCESSOR;
    __atomic_store_n(&processor->owner, NULL, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&processor->wanted, __ATOMIC_SEQ_CST)) {
        __atomic_fetch_add(&processor->returned, 1, __ATOMIC_SEQ_CST);
        host_unpark(&processor->returned, 1);
    } else if (__atomic_load_n(&queue.waiters, __ATOMIC_SEQ_CST)) {
        if (__atomic_load_n(&queue.bound, __ATOMIC_SEQ_CST)) { /* we do not know who of them may take it */
            tell(&queue.offers, INT32_MAX);
            tell(&queue.generation, INT32_MAX);
        } else if (__atomic_load_n(&queue.starving, __ATOMIC_SEQ_CST)) {
            tell(&queue.offers, 1); /* the others may not have it; the last who starves tells them */
        } else {
            tell(&queue.generation, 1);
        }
    }
    if (thread->to_wake)
        ke_tell_waiting(thread);
    host_point(HOST_POINT_UNLOCK, &queue);
}

/* ---- the processor's own thread ----------------------------------------------------------------------- */

static void sleep_until(struct ke_processor *processor, unsigned number, uint64_t deadline)
{
    struct ke_poller *poller = __atomic_load_n(&control.poller, __ATOMIC_ACQUIRE);

    if (poller)
        poller->wait(poller->context, number, deadline);
    else if (deadline)
        host_park(&processor->signalled, 0, deadline);
}

/* One turn at DISPATCH_LEVEL; returns when the thread has to be back, 0 = at once. */
static uint64_t one_turn(struct ke_processor *processor, unsigned number)
{
    struct ke_poller *poller = __atomic_load_n(&control.poller, __ATOMIC_ACQUIRE);
    uint64_t deadline;
    int more;

    /* First: whatever is queued after this line wakes the thread again. */
    __atomic_exchange_n(&processor->signalled, 0, __ATOMIC_SEQ_CST);
    more = ke_run_dpcs(number);
    if (poller)
        more |= poller->dispatch(poller->context, number);
    deadline = ke_run_timers(number);
    more |= ke_run_dpcs(number); /* timers bring DPCs */
    return more ? 0 : deadline;
}

static void processor_main(void *argument)
{
    struct ke_processor *processor = argument;
    unsigned number = (unsigned)(processor - processors);
    struct ke_thread *thread = ke_current_thread();

    thread->is_processor = 1;
    thread->last_processor = number;
    while (!__atomic_load_n(&control.stop, __ATOMIC_ACQUIRE)) {
        uint64_t deadline;

        host_point(HOST_POINT_LOCK, &queue);
        take_own(processor, thread);
        thread->irql = DISPATCH_LEVEL;
        OBSERVE(irql, PASSIVE_LEVEL, DISPATCH_LEVEL);
        deadline = one_turn(processor, number);
        KE_ASSERT(thread->irql == DISPATCH_LEVEL && thread->internal_locks == 0);
        thread->irql = PASSIVE_LEVEL;
        ke_give_processor(thread);
        OBSERVE(irql, DISPATCH_LEVEL, PASSIVE_LEVEL);
        /* end_threads sets `stop`, then `signalled`, which the turn may just have taken away: so look at
         * `stop` once more before sleeping. */
        if (!__atomic_load_n(&control.stop, __ATOMIC_ACQUIRE))
            sleep_until(processor, number, deadline);
    }
    if (__atomic_sub_fetch(&control.alive, 1, __ATOMIC_ACQ_REL) == 0)
        host_unpark(&control.alive, INT32_MAX);
}

void ke_wake_processor(unsigned number)
{
    struct ke_processor *processor = &processors[number];
    struct ke_poller *poller;

    if (!__atomic_load_n(&control.running, __ATOMIC_ACQUIRE))
        return;
    host_point(HOST_POINT_WAKE, processor);
    if (__atomic_exchange_n(&processor->signalled, 1, __ATOMIC_SEQ_CST))
        return; /* it has been told already and has not looked yet */
    /* The poller lives until ke_stop has returned.  Count first, then look; ke_stop clears `running` first,
     * then looks at the count: so either we see that it is over, or it waits for us. */
    __atomic_fetch_add(&control.waking, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&control.running, __ATOMIC_SEQ_CST)) {
        poller = __atomic_load_n(&control.poller, __ATOMIC_ACQUIRE);
        if (poller)
            poller->wake(poller->context, number);
        else
            host_unpark(&processor->signalled, 1);
    }
    if (__atomic_sub_fetch(&control.waking, 1, __ATOMIC_SEQ_CST) == 0 &&
        !__atomic_load_n(&control.running, __ATOMIC_SEQ_CST))
        host_unpark(&control.waking, INT32_MAX);
}

/* ---- start and stop ----------------------------------------------------------------------------------- */

static void processor_name(char *name, unsigned number)
{
    char *out = name;

    for (const char *text = "processor "; *text; text++)
        *out++ = *text;
    if (number >= 10)
        *out++ = (char)('0' + number / 10);
    *out++ = (char)('0' + number % 10);
    *out = 0;
}

static void end_threads(unsigned count)
{
    uint32_t left;

    __atomic_store_n(&control.stop, 1, __ATOMIC_RELEASE);
    for (unsigned i = 0; i < count; i++)
        ke_wake_processor(i);
    while ((left = __atomic_load_n(&control.alive, __ATOMIC_ACQUIRE)) != 0)
        host_park(&control.alive, left, HOST_FOREVER);
    __atomic_store_n(&control.running, 0, __ATOMIC_SEQ_CST);
    while ((left = __atomic_load_n(&control.waking, __ATOMIC_SEQ_CST)) != 0)
        host_park(&control.waking, left, HOST_FOREVER);
    __atomic_store_n(&control.poller, NULL, __ATOMIC_RELEASE);
    /* Not by each thread at its end: another processor's last DPC could queue one there afterwards. */
    for (unsigned i = 0; i < KE_MAX_PROCESSORS; i++)
        ke_drop_dpcs(i);
}

NTSTATUS ke_start(const struct ke_config *config)
{
    unsigned count = config->processors ? config->processors : host_processor_count();
    char name[32];

    if (count > KE_MAX_PROCESSORS) {
        if (config->processors)
            return STATUS_INVALID_PARAMETER;
        count = KE_MAX_PROCESSORS;
    }
    KE_ASSERT(!control.running && ke_current_irql() == PASSIVE_LEVEL);
    __atomic_store_n(&control.poller, config->poller, __ATOMIC_RELEASE);
    __atomic_store_n(&control.stop, 0, __ATOMIC_RELEASE);
    __atomic_store_n(&processor_count, count, __ATOMIC_RELEASE);
    /* Where others decide who runs, spinning only puts off the parking that is to be tried out. */
    __atomic_store_n(&ke_spins, host_processor_count() > 1 && !uwsk_points_enabled ? KE_SPINS_MAX : 1,
                     __ATOMIC_RELAXED);
    __atomic_store_n(&ke_wakes_wait, count == 1 && host_processor_count() == 1 && !uwsk_points_enabled,
                     __ATOMIC_RELAXED);
    __atomic_store_n(&control.running, 1, __ATOMIC_RELEASE);
    for (unsigned i = 0; i < count; i++) {
        processor_name(name, i);
        __atomic_store_n(&processors[i].signalled, 0, __ATOMIC_RELEASE);
        __atomic_fetch_add(&control.alive, 1, __ATOMIC_ACQ_REL);
        if (host_thread_start(processor_main, &processors[i], name, 0) != 0) {
            __atomic_sub_fetch(&control.alive, 1, __ATOMIC_ACQ_REL);
            end_threads(i);
            return STATUS_INSUFFICIENT_RESOURCES;
        }
    }
    return STATUS_SUCCESS;
}

void ke_stop(void)
{
    KE_ASSERT(ke_current_irql() == PASSIVE_LEVEL && !ke_on_processor_thread());
    if (__atomic_load_n(&control.running, __ATOMIC_ACQUIRE))
        end_threads(__atomic_load_n(&processor_count, __ATOMIC_ACQUIRE));
}

int ke_running(void)
{
    return (int)__atomic_load_n(&control.running, __ATOMIC_ACQUIRE);
}

unsigned ke_query_active_processor_count(void)
{
    return __atomic_load_n(&processor_count, __ATOMIC_ACQUIRE);
}

unsigned ke_get_current_processor_number(void)
{
    struct ke_thread *thread = ke_current_thread();
    unsigned last;

    if (thread->processor != KE_NO_PROCESSOR)
        return (unsigned)thread->processor;
    last = thread->last_processor % ke_query_active_processor_count();
    return thread->affinity >> last & 1 ? last : (unsigned)__builtin_ctzll(thread->affinity);
}

unsigned ke_home_processor(void)
{
    return ke_get_current_processor_number();
}

/* ---- WDK ---------------------------------------------------------------------------------------------- */

static void fill_number(PPROCESSOR_NUMBER number, unsigned index)
{
    number->Group = 0;
    number->Number = (UCHAR)index;
    number->Reserved = 0;
}

/* The index of the processor the caller owns; below DISPATCH_LEVEL of the one it owned last.  Any IRQL.
 * (wdm KeGetCurrentProcessorNumberEx) */
ULONG KeGetCurrentProcessorNumberEx(PPROCESSOR_NUMBER ProcNumber)
{
    unsigned index = ke_get_current_processor_number();

    if (ke_current_thread()->processor != KE_NO_PROCESSOR) /* data of this processor is the caller's now */
        OBSERVE(order, &processors[index], OBSERVE_ACQUIRE);
    if (ProcNumber)
        fill_number(ProcNumber, index);
    return index;
}

/* How many processors there are; there is one group, and none is added later.  Any IRQL.
 * (wdm KeQueryActiveProcessorCount, KeQueryActiveProcessorCountEx, KeQueryMaximumProcessorCountEx) */
ULONG KeQueryActiveProcessorCount(PKAFFINITY ActiveProcessors)
{
    if (ActiveProcessors)
        *ActiveProcessors = all_processors();
    return ke_query_active_processor_count();
}

ULONG KeQueryActiveProcessorCountEx(USHORT GroupNumber)
{
    return GroupNumber == 0 || GroupNumber == ALL_PROCESSOR_GROUPS ? ke_query_active_processor_count() : 0;
}

ULONG KeQueryMaximumProcessorCount(VOID)
{
    return ke_query_active_processor_count();
}

ULONG KeQueryMaximumProcessorCountEx(USHORT GroupNumber)
{
    return KeQueryActiveProcessorCountEx(GroupNumber);
}

/* A bit for each processor.  (wdm KeQueryActiveProcessors) */
KAFFINITY KeQueryActiveProcessors(VOID)
{
    return all_processors();
}

/* Index to group and number.  STATUS_SUCCESS, STATUS_INVALID_PARAMETER.  (wdm KeGetProcessorNumberFromIndex)
 */
NTSTATUS KeGetProcessorNumberFromIndex(ULONG ProcIndex, PPROCESSOR_NUMBER ProcNumber)
{
    if (ProcIndex >= ke_query_active_processor_count())
        return STATUS_INVALID_PARAMETER;
    fill_number(ProcNumber, ProcIndex);
    return STATUS_SUCCESS;
}

/* Group and number to index; INVALID_PROCESSOR_INDEX when there is no such processor.
 * (wdm KeGetProcessorIndexFromNumber) */
ULONG KeGetProcessorIndexFromNumber(PPROCESSOR_NUMBER ProcNumber)
{
    if (ProcNumber->Group != 0 || ProcNumber->Number >= ke_query_active_processor_count())
        return INVALID_PROCESSOR_INDEX;
    return ProcNumber->Number;
}
