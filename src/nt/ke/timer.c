/*
 * timer.c - KTIMER: relative, absolute and periodic timers on hierarchical wheels.
 *
 * Each processor has a wheel: 8 levels of 64 slots, 65.536 us a tick on the lowest one.  A timer sits on the
 * level of the highest bit group in which its tick differs from the wheel's present; when the wheel reaches
 * an upper slot, its timers sink to lower levels, so they expire in their exact tick, rounded up: never early
 * (K-WAIT-13, KA13). Absolute timers follow the system clock (KA02); they are few, live in a plain list and
 * are looked at at least every KE_CLOCK_SLICE.  Everything here is guarded by the dispatcher lock; a KTIMER
 * is all the memory a timer needs.
 *
 * Fields of KTIMER: DueTime is host_now() nanoseconds, or for an absolute timer 100 ns units since 1601;
 * Processor tells where and as what it is queued.
 */
#include "nt/ke/internal.h"

#define WHEEL_LEVELS     8u
#define WHEEL_BITS       6u
#define WHEEL_SLOTS      (1u << WHEEL_BITS)
#define WHEEL_TICK_SHIFT 16u                                   /* nanoseconds to ticks */
#define WHEEL_END        (1ull << (WHEEL_LEVELS * WHEEL_BITS)) /* ticks: "never" is the last one */
#define EXPIRE_AT_ONCE   64u                                   /* timers expired under one hold of the lock */

#define TIMER_QUEUED   0x8000u
#define TIMER_ABSOLUTE 0x4000u
#define TIMER_WHERE    0x00FFu

struct wheel {
    uint64_t now; /* ticks: everything before has expired */
    uint64_t used[WHEEL_LEVELS];
    LIST_ENTRY slots[WHEEL_LEVELS][WHEEL_SLOTS];
    LIST_ENTRY absolute;
    uint64_t earliest; /* host_now() units, atomic: nothing expires before, HOST_FOREVER = nothing queued */
    int ready;         /* list heads are initialised */
};

static struct wheel wheels[KE_MAX_PROCESSORS];

static void list_initialize(LIST_ENTRY *head)
{
    head->Flink = head->Blink = head;
}

static int list_empty(const LIST_ENTRY *head)
{
    return head->Flink == head;
}

static void list_append(LIST_ENTRY *head, LIST_ENTRY *entry)
{
    entry->Flink = head;
    entry->Blink = head->Blink;
    head->Blink->Flink = entry;
    head->Blink = entry;
}

static void list_remove(LIST_ENTRY *entry)
{
    entry->Blink->Flink = entry->Flink;
    entry->Flink->Blink = entry->Blink;
}

static KTIMER *timer_of(LIST_ENTRY *entry)
{
    return CONTAINING_RECORD(entry, KTIMER, TimerListEntry);
}

static struct wheel *wheel_of(unsigned processor)
{
    struct wheel *wheel = &wheels[processor];

    if (!wheel->ready) {
        for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
            for (unsigned slot = 0; slot < WHEEL_SLOTS; slot++)
                list_initialize(&wheel->slots[level][slot]);
        }
        list_initialize(&wheel->absolute);
        wheel->now = host_now() >> WHEEL_TICK_SHIFT;
        __atomic_store_n(&wheel->earliest, HOST_FOREVER, __ATOMIC_SEQ_CST);
        wheel->ready = 1;
    }
    return wheel;
}

/* ---- the wheel ---------------------------------------------------------------------------------------- */

static uint64_t due_tick(const KTIMER *timer)
{
    uint64_t due = timer->DueTime.QuadPart;
    uint64_t tick = (due >> WHEEL_TICK_SHIFT) + ((due & ((1u << WHEEL_TICK_SHIFT) - 1)) != 0);

    return tick < WHEEL_END ? tick : WHEEL_END - 1;
}

static void wheel_insert(struct wheel *wheel, KTIMER *timer)
{
    uint64_t tick = due_tick(timer), differ;
    unsigned level, slot;

    if (tick < wheel->now)
        tick = wheel->now;
    differ = tick ^ wheel->now;
    level = differ ? (63u - (unsigned)__builtin_clzll(differ)) / WHEEL_BITS : 0;
    slot = (unsigned)(tick >> (WHEEL_BITS * level)) & (WHEEL_SLOTS - 1);
    KE_ASSERT(level < WHEEL_LEVELS);
    list_append(&wheel->slots[level][slot], &timer->TimerListEntry);
    wheel->used[level] |= 1ull << slot;
}

static void wheel_remove(struct wheel *wheel, KTIMER *timer)
{
    LIST_ENTRY *head = timer->TimerListEntry.Flink;

    list_remove(&timer->TimerListEntry);
    if (list_empty(head)) { /* it was the only one: the neighbour is the slot itself */
        size_t index = (size_t)(head - &wheel->slots[0][0]);

        wheel->used[index / WHEEL_SLOTS] &= ~(1ull << (index % WHEEL_SLOTS));
    }
}

/* The first slot in use: all slots of a level lie ahead of the wheel's present and before the next level's
 * first. */
static int wheel_first(const struct wheel *wheel, unsigned *level, unsigned *slot, uint64_t *tick)
{
    for (unsigned i = 0; i < WHEEL_LEVELS; i++) {
        if (wheel->used[i]) {
            unsigned shift = WHEEL_BITS * i;

            *level = i;
            *slot = (unsigned)__builtin_ctzll(wheel->used[i]);
            *tick = (wheel->now >> shift >> WHEEL_BITS << WHEEL_BITS | *slot) << shift;
            return 1;
        }
    }
    return 0;
}

/* The next timer that is due at tick `now`, taken off; NULL when there is none. */
static KTIMER *wheel_expire(struct wheel *wheel, uint64_t now)
{
    unsigned level, slot;
    uint64_t tick;

    while (wheel_first(wheel, &level, &slot, &tick) && tick <= now) {
        LIST_ENTRY *head = &wheel->slots[level][slot], sinking;

        if (tick > wheel->now)
            wheel->now = tick;
        if (level == 0) {
            KTIMER *timer = timer_of(head->Flink);

            wheel_remove(wheel, timer);
            return timer;
        }
        sinking = *head; /* all of them go at least one level down */
        sinking.Flink->Blink = sinking.Blink->Flink = &sinking;
        list_initialize(head);
        wheel->used[level] &= ~(1ull << slot);
        while (!list_empty(&sinking)) {
            LIST_ENTRY *entry = sinking.Flink;

            list_remove(entry);
            wheel_insert(wheel, timer_of(entry));
        }
    }
    if (now > wheel->now)
        wheel->now = now;
    return NULL;
}

static KTIMER *absolute_expire(struct wheel *wheel)
{
    uint64_t wall;

    if (list_empty(&wheel->absolute))
        return NULL;
    wall = host_wall();
    for (LIST_ENTRY *entry = wheel->absolute.Flink; entry != &wheel->absolute; entry = entry->Flink) {
        if (timer_of(entry)->DueTime.QuadPart <= wall) {
            list_remove(entry);
            return timer_of(entry);
        }
    }
    return NULL;
}

/* When something expires, at the earliest (host_now() units). */
static uint64_t wheel_next(const struct wheel *wheel)
{
    unsigned level, slot;
    uint64_t tick, next = HOST_FOREVER;

    if (wheel_first(wheel, &level, &slot, &tick))
        next = tick << WHEEL_TICK_SHIFT;
    for (LIST_ENTRY *entry = wheel->absolute.Flink; entry != &wheel->absolute; entry = entry->Flink) {
        LARGE_INTEGER due = {.QuadPart = (LONGLONG)timer_of(entry)->DueTime.QuadPart};
        struct ke_deadline deadline;
        uint64_t at;

        ke_make_deadline(&deadline, &due);
        at = ke_deadline_park(&deadline);
        if (at < next)
            next = at;
    }
    return next;
}

/* ---- timers ------------------------------------------------------------------------------------------- */

/* Under the lock: DueTime and Processor are set; returns the processor to wake, or KE_NO_PROCESSOR. */
static int enqueue(KTIMER *timer, void *caller)
{
    unsigned processor = timer->Processor & TIMER_WHERE;
    struct wheel *wheel = wheel_of(processor);
    uint64_t at;

    timer->Processor = (USHORT)(timer->Processor | TIMER_QUEUED);
    OBSERVE(born, OBSERVE_TIMER, timer, timer->Dpc ? (uint64_t)(ULONG_PTR)timer->Dpc->DeferredRoutine : 0, 0,
            caller);
    if (timer->Processor & TIMER_ABSOLUTE) {
        list_append(&wheel->absolute, &timer->TimerListEntry);
        at = 0; /* let the processor find out itself */
    } else {
        wheel_insert(wheel, timer);
        at = due_tick(timer) << WHEEL_TICK_SHIFT;
    }
    if (at >= __atomic_load_n(&wheel->earliest, __ATOMIC_SEQ_CST))
        return KE_NO_PROCESSOR;
    __atomic_store_n(&wheel->earliest, at, __ATOMIC_SEQ_CST);
    return (int)processor;
}

static BOOLEAN dequeue(KTIMER *timer)
{
    if (!(timer->Processor & TIMER_QUEUED))
        return FALSE;
    if (timer->Processor & TIMER_ABSOLUTE)
        list_remove(&timer->TimerListEntry);
    else
        wheel_remove(&wheels[timer->Processor & TIMER_WHERE], timer);
    timer->Processor = (USHORT)(timer->Processor & ~TIMER_QUEUED);
    OBSERVE(dead, OBSERVE_TIMER, timer);
    return TRUE;
}

/* Under the lock: the moment has come for a timer that is not queued (K-TIMER-02).  The DPC is queued before
 * the lock is dropped, so that whoever finds the timer expired can flush the DPC (K-TIMER-06).  The timer is
 * touched last before a waiter can go.  Returns the processor to wake if it is queued again, as enqueue does.
 */
static int expire(KTIMER *timer, struct ke_thread **ready)
{
    PKDPC dpc = timer->Dpc;
    int wake = KE_NO_PROCESSOR;

    if (timer->Period) { /* K-TIMER-03: keeps its rhythm, but never comes twice at once */
        uint64_t now = host_now(), period = (uint64_t)timer->Period * 1000000u;
        uint64_t due = (timer->Processor & TIMER_ABSOLUTE ? now : timer->DueTime.QuadPart) + period;

        timer->DueTime.QuadPart = due > now ? due : now + period;
        timer->Processor &= TIMER_WHERE;
        wake = enqueue(timer, NULL);
    }
    timer->Header.SignalState = 1;
    OBSERVE(order, timer, OBSERVE_BOTH);
    ke_test_waiters(&timer->Header, ready);
    if (dpc)
        ke_queue_dpc(dpc, NULL, NULL, (void *)dpc->DeferredRoutine);
    return wake;
}

uint64_t ke_run_timers(unsigned processor)
{
    struct wheel *wheel = &wheels[processor];
    uint64_t next = __atomic_load_n(&wheel->earliest, __ATOMIC_SEQ_CST);

    if (next > host_now())
        return next;
    do {
        struct ke_thread *ready = NULL;
        uint64_t now = host_now() >> WHEEL_TICK_SHIFT;
        KTIMER *timer = NULL;
        unsigned count = 0;

        ke_lock_dispatcher();
        wheel_of(processor);
        while (count++ < EXPIRE_AT_ONCE &&
               ((timer = wheel_expire(wheel, now)) || (timer = absolute_expire(wheel)))) {
            timer->Processor = (USHORT)(timer->Processor & ~TIMER_QUEUED);
            OBSERVE(dead, OBSERVE_TIMER, timer);
            (void)expire(timer, &ready); /* its next time is looked up below */
        }
        next = wheel_next(wheel);
        __atomic_store_n(&wheel->earliest, next, __ATOMIC_SEQ_CST);
        ke_unlock_dispatcher(ready);
        if (!timer)
            break;
    } while (1);
    return next;
}

static BOOLEAN set_timer(PKTIMER timer, LARGE_INTEGER due_time, LONG period, PKDPC dpc, void *caller)
{
    struct ke_thread *ready = NULL;
    struct ke_deadline deadline;
    int wake = KE_NO_PROCESSOR;
    BOOLEAN was_queued;

    ke_make_deadline(&deadline, &due_time);
    ke_lock_dispatcher();
    was_queued = dequeue(timer); /* K-TIMER-01 */
    OBSERVE(order, timer, OBSERVE_BOTH);
    timer->Header.SignalState = 0;
    timer->Dpc = dpc;
    timer->Period = period > 0 ? (ULONG)period : 0;
    timer->Processor = (USHORT)(ke_home_processor() | (deadline.absolute ? TIMER_ABSOLUTE : 0));
    timer->DueTime.QuadPart = deadline.absolute ? deadline.wall : deadline.monotonic;
    if (ke_deadline_passed(&deadline))
        wake = expire(timer, &ready);
    else
        wake = enqueue(timer, caller);
    ke_unlock_dispatcher(ready);
    if (wake != KE_NO_PROCESSOR)
        ke_wake_processor((unsigned)wake);
    return was_queued;
}

void ke_initialize_timer_ex(PKTIMER timer, TIMER_TYPE type)
{
    ke_initialize_header(&timer->Header, (UCHAR)(TimerNotificationObject + type), sizeof *timer, 0);
    timer->DueTime.QuadPart = 0;
    timer->TimerListEntry.Flink = timer->TimerListEntry.Blink = NULL;
    timer->Dpc = NULL;
    timer->Processor = 0;
    timer->Period = 0;
}

void ke_initialize_timer(PKTIMER timer)
{
    ke_initialize_timer_ex(timer, NotificationTimer); /* K-TIMER-04 */
}

BOOLEAN ke_set_timer_ex(PKTIMER timer, LARGE_INTEGER due_time, LONG period, PKDPC dpc)
{
    return set_timer(timer, due_time, period, dpc, __builtin_return_address(0));
}

BOOLEAN ke_set_timer(PKTIMER timer, LARGE_INTEGER due_time, PKDPC dpc)
{
    return set_timer(timer, due_time, 0, dpc, __builtin_return_address(0));
}

BOOLEAN ke_set_own_timer(PKTIMER timer, LARGE_INTEGER due_time, PKDPC dpc)
{
    return set_timer(timer, due_time, 0, dpc, NULL);
}

BOOLEAN ke_set_own_timer_ex(PKTIMER timer, LARGE_INTEGER due_time, LONG period, PKDPC dpc)
{
    return set_timer(timer, due_time, period, dpc, NULL);
}

BOOLEAN ke_set_coalescable_timer(PKTIMER timer, LARGE_INTEGER due_time, ULONG period, ULONG tolerable_delay,
                                 PKDPC dpc)
{
    (void)tolerable_delay; /* being on time is tolerable */
    return set_timer(timer, due_time, (LONG)period, dpc, __builtin_return_address(0));
}

BOOLEAN ke_cancel_timer(PKTIMER timer)
{
    BOOLEAN was_queued;

    ke_lock_dispatcher();
    was_queued = dequeue(timer); /* K-TIMER-05: a periodic timer always is */
    timer->Period = 0;
    OBSERVE(order, timer, OBSERVE_ACQUIRE);
    ke_unlock_dispatcher(NULL);
    return was_queued;
}

BOOLEAN ke_read_state_timer(PKTIMER timer)
{
    BOOLEAN state;

    ke_lock_dispatcher();
    state = timer->Header.SignalState > 0;
    OBSERVE(order, timer, OBSERVE_ACQUIRE);
    ke_unlock_dispatcher(NULL);
    return state;
}

/* ---- WDK ---------------------------------------------------------------------------------------------- */

/* A notification timer, not queued.  (wdm KeInitializeTimer) */
VOID KeInitializeTimer(PKTIMER Timer)
{
    ke_initialize_timer(Timer);
}

/* A notification or synchronization timer, not queued.  (wdm KeInitializeTimerEx) */
VOID KeInitializeTimerEx(PKTIMER Timer, TIMER_TYPE Type)
{
    ke_initialize_timer_ex(Timer, Type);
}

/* Queues the timer: DueTime in 100 ns units, negative = relative; at expiry Dpc (may be NULL) is queued. TRUE
 * when it was queued before; that setting is void.  IRQL <= DISPATCH_LEVEL.  (wdm KeSetTimer) */
BOOLEAN KeSetTimer(PKTIMER Timer, LARGE_INTEGER DueTime, PKDPC Dpc)
{
    return set_timer(Timer, DueTime, 0, Dpc, __builtin_return_address(0));
}

/* The same, again every Period milliseconds unless that is 0.  (wdm KeSetTimerEx) */
BOOLEAN KeSetTimerEx(PKTIMER Timer, LARGE_INTEGER DueTime, LONG Period, PKDPC Dpc)
{
    return set_timer(Timer, DueTime, Period, Dpc, __builtin_return_address(0));
}

/* The same; TolerableDelay (milliseconds) is not made use of.  (wdm KeSetCoalescableTimer) */
BOOLEAN KeSetCoalescableTimer(PKTIMER Timer, LARGE_INTEGER DueTime, ULONG Period, ULONG TolerableDelay,
                              PKDPC Dpc)
{
    (void)TolerableDelay;
    return set_timer(Timer, DueTime, (LONG)Period, Dpc, __builtin_return_address(0));
}

/* TRUE when the timer was queued and is not any more.  A DPC that was queued already still runs.
 * IRQL <= DISPATCH_LEVEL.  (wdm KeCancelTimer) */
BOOLEAN KeCancelTimer(PKTIMER Timer)
{
    return ke_cancel_timer(Timer);
}

/* TRUE = signalled.  IRQL <= DISPATCH_LEVEL.  (wdm KeReadStateTimer) */
BOOLEAN KeReadStateTimer(PKTIMER Timer)
{
    return ke_read_state_timer(Timer);
}
