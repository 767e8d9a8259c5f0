/*
 * work.c - worker threads: a queue, first in first out, and as many threads as it takes that nobody waits for
 * a blocked one.
 *
 * Growth.  Work that finds no idle worker starts one when fewer workers than processors are running, not
 * counting those that wait for a dispatcher object.  What that misses - a worker that blocks after the work
 * was queued, or in the host, a thread that the host has refused - the supervisor finds: while work is queued
 * it looks every 2 ms and starts a worker when none has taken any work meanwhile.  It is there from the first
 * piece of work on, so that it need not be asked for when threads are scarce.  A worker that has been idle for
 * ten seconds ends, but for the last one.
 *
 * One lock.  A worker is idle between idle++ and idle--; `wakes` counts those of the idle that are already on
 * their way, so that two pieces of work never count on the same idle worker.
 */
#include "nt/ex/ex.h"
#include "nt/ke/ke.h"
#include "nt/rtl/call.h"
#include "host/host.h"
#include "host/sanitizer.h"
#include <limits.h>

enum { WORKERS_LIMIT = 4096, IDLE_SECONDS = 10, LOOK_MILLISECONDS = 2, STARTED_AT_ONCE = 4 };

struct worker {
    struct worker *next, *previous;
    struct ke_thread *thread;
};

static struct ke_lock work_lock;
static struct ex_work queue_end; /* stands behind the last */
static struct ex_work *first = &queue_end;
static struct ex_work *last; /* NULL when empty */
static ULONG queued;
static ULONG taken; /* counts up with every piece of work taken off the queue */
static struct worker *workers;
static uint32_t threads; /* workers started and not ended, supervisor included; parking word */
static ULONG worker_count;
static ULONG idle;
static ULONG wakes;
static uint32_t signal_word; /* idle workers park here */
static BOOLEAN stopping;
static BOOLEAN supervised; /* the supervisor exists, or is being started */
static BOOLEAN armed;      /* it looks regularly */
static uint32_t supervisor_word;
static LONG outstanding;

static void worker_main(void *argument);
static void supervisor_main(void *argument);

/* ---- the queue; called with the lock held ------------------------------------------------------------- */

static void append(struct ex_work *work)
{
    __atomic_store_n(&work->next, &queue_end, __ATOMIC_RELEASE);
    if (last)
        __atomic_store_n(&last->next, work, __ATOMIC_RELEASE);
    else
        first = work;
    last = work;
    queued++;
}

static struct ex_work *take(void)
{
    struct ex_work *work = first;

    if (!last)
        return NULL;
    first = work->next;
    if (work == last)
        last = NULL;
    queued--;
    taken++;
    return work;
}

/* A look at what another thread is doing right now: the answer may be wrong at once, and the supervisor mends
 * it. */
HOST_UNORDERED static BOOLEAN waits(const struct worker *worker)
{
    return *(struct ke_wait *const volatile *)&worker->thread->wait != NULL;
}

static ULONG running_workers(void)
{
    ULONG running = worker_count; /* those just being started count as running */

    for (struct worker *worker = workers; worker; worker = worker->next)
        if (waits(worker))
            running--;
    return running - (idle < running ? idle : running);
}

static ULONG wanted_running(void)
{
    ULONG processors = host_processor_count();

    return processors < 2 ? 2 : processors;
}

/* ---- threads ------------------------------------------------------------------------------------------ */

/* The supervisor is to look; answers whether it has to be woken.  Called with the lock held. */
static BOOLEAN arm(void)
{
    if (armed || !supervised)
        return FALSE;
    armed = TRUE;
    supervisor_word++;
    return TRUE;
}

/* Start what was counted already; called without the lock. */
static void start_worker(void)
{
    BOOLEAN wake;

    if (!host_fault(HOST_FAULT_THREAD) && host_thread_start(worker_main, NULL, "worker", 0) == 0)
        return;
    ke_lock_acquire(&work_lock);
    threads--;
    worker_count--;
    KE_ASSERT(threads > 0); /* with nobody there work would be lost: the host is out of threads for good */
    wake = arm();           /* others go on with the queue; should all of them block, it tries again */
    ke_lock_release(&work_lock);
    if (wake)
        host_unpark(&supervisor_word, 1);
}

static void start_supervisor(void)
{
    if (host_thread_start(supervisor_main, NULL, "worker supervisor", 0) == 0)
        return;
    ke_lock_acquire(&work_lock);
    threads--;
    supervised = armed = FALSE; /* the next piece of work asks again, and so does who takes one */
    KE_ASSERT(threads > 0);
    ke_lock_release(&work_lock);
}

/* What queueing a piece of work leads to, decided under the lock and done after it. */
struct plan {
    BOOLEAN wake;
    BOOLEAN start_worker;
    BOOLEAN start_supervisor;
    BOOLEAN wake_supervisor;
};

static void plan_supervisor(struct plan *plan)
{
    if (supervised)
        return;
    supervised = TRUE;
    threads++;
    plan->start_supervisor = TRUE;
}

static void make_plan(struct plan *plan)
{
    plan_supervisor(plan);
    if (idle > wakes) {
        wakes++;
        signal_word++;
        plan->wake = TRUE;
    } else if (!worker_count || (running_workers() < wanted_running() && worker_count < WORKERS_LIMIT)) {
        worker_count++;
        threads++;
        plan->start_worker = TRUE;
    } else {
        plan->wake_supervisor = arm();
    }
}

static void carry_out(const struct plan *plan)
{
    if (plan->wake)
        host_unpark(&signal_word, 1);
    if (plan->start_supervisor)
        start_supervisor();
    if (plan->start_worker)
        start_worker();
    if (plan->wake_supervisor)
        host_unpark(&supervisor_word, 1);
}

static void enqueue(struct ex_work *work, void (*fn)(void *), void *context, void *owner, void *caller)
{
    struct plan plan = {FALSE, FALSE, FALSE, FALSE};

    host_point(HOST_POINT_WAKE, work);
    ke_lock_acquire(&work_lock);
    if (work->next) { /* K-WORK-04 */
        ke_lock_release(&work_lock);
        ke_bug_check_from(WORKER_INVALID, 1, (ULONG_PTR)work, DelayedWorkQueue, 0, caller);
    }
    work->fn = fn;
    work->context = context;
    work->owner = owner;
    OBSERVE(order, work, OBSERVE_RELEASE);
    if (owner)
        __atomic_add_fetch(&outstanding, 1, __ATOMIC_RELAXED);
    append(work);
    make_plan(&plan);
    ke_lock_release(&work_lock);
    carry_out(&plan);
}

void ex_queue_worker(struct ex_work *work, void (*fn)(void *context), void *context)
{
    enqueue(work, fn, context, NULL, __builtin_return_address(0));
}

void ex_queue_driver_work(struct ex_work *work, void (*fn)(void *context), void *context, void *caller)
{
    enqueue(work, fn, context, caller, caller);
}

LONG ex_work_outstanding(void)
{
    return __atomic_load_n(&outstanding, __ATOMIC_ACQUIRE);
}

/* Runs one piece; it is off the queue, and once fn runs its memory is fn's (K-WORK-03). */
static void run(struct ex_work *work)
{
    void (*fn)(void *) = work->fn;
    void *context = work->context;
    void *owner = work->owner;

    OBSERVE(order, work, OBSERVE_ACQUIRE);
    __atomic_store_n(&work->next, NULL, __ATOMIC_RELEASE);
    if (owner) {
        RTL_CALL(OBSERVE_WORK_ROUTINE, work, "work routine", fn, fn(context));
        __atomic_sub_fetch(&outstanding, 1, __ATOMIC_RELEASE);
    } else {
        fn(context);
    }
    KE_ASSERT(ke_current_irql() == PASSIVE_LEVEL); /* a driver's routine was judged by the gate: K-WORK-08 */
}

/* Sleeps until there may be work; FALSE when the worker is to end.  Called and left with the lock held. */
static BOOLEAN wait_for_work(void)
{
    uint32_t seen = signal_word;
    int result;

    if (stopping)
        return FALSE;
    idle++;
    ke_lock_release(&work_lock);
    result = host_park(&signal_word, seen, host_now() + IDLE_SECONDS * 1000000000ull);
    ke_lock_acquire(&work_lock);
    idle--;
    if (wakes)
        wakes--;
    return result != HOST_TIMEOUT || last || worker_count == 1 || wakes > idle;
}

static void end_thread(void)
{
    uint32_t left = --threads;

    ke_lock_release(&work_lock);
    if (!left)
        host_unpark(&threads, INT_MAX);
}

static void worker_main(void *argument)
{
    struct worker self = {NULL, NULL, ke_current_thread()};

    UNREFERENCED_PARAMETER(argument);
    ke_lock_acquire(&work_lock);
    self.next = workers;
    if (workers)
        workers->previous = &self;
    workers = &self;
    for (;;) {
        struct plan plan = {FALSE, FALSE, FALSE, FALSE};
        struct ex_work *work = take();

        if (work) {
            if (last && !supervised) { /* the host refused it, and this piece may block */
                plan_supervisor(&plan);
                plan.wake_supervisor = arm();
            }
            ke_lock_release(&work_lock);
            carry_out(&plan);
            run(work);
            ke_lock_acquire(&work_lock);
        } else if (!wait_for_work()) {
            break;
        }
    }
    if (self.previous)
        self.previous->next = self.next;
    else
        workers = self.next;
    if (self.next)
        self.next->previous = self.previous;
    worker_count--;
    end_thread();
}

/* ---- the supervisor ----------------------------------------------------------------------------------- */

/* One look: how many workers to start, with the lock held. */
static ULONG stuck_work(ULONG *seen)
{
    ULONG count = 0;

    if (last && *seen == taken)
        while (count < queued && count < STARTED_AT_ONCE && worker_count < WORKERS_LIMIT) {
            worker_count++;
            threads++;
            count++;
        }
    *seen = taken;
    return count;
}

static void supervisor_main(void *argument)
{
    ULONG seen;

    UNREFERENCED_PARAMETER(argument);
    ke_lock_acquire(&work_lock);
    seen = taken;
    while (!stopping || last) {
        uint32_t word = supervisor_word;
        BOOLEAN look;
        ULONG count;
        int result;

        look = armed = (armed || stopping) && last;
        ke_lock_release(&work_lock);
        result = host_park(&supervisor_word, word,
                           look ? host_now() + LOOK_MILLISECONDS * 1000000ull : HOST_FOREVER);
        ke_lock_acquire(&work_lock);
        if (result != HOST_TIMEOUT) { /* just armed: one full interval first */
            seen = taken;
            continue;
        }
        count = stuck_work(&seen);
        ke_lock_release(&work_lock);
        while (count--)
            start_worker();
        ke_lock_acquire(&work_lock);
    }
    supervised = armed = FALSE;
    end_thread();
}

void ex_workers_shutdown(void)
{
    uint32_t left;

    KE_ASSERT(ke_current_irql() == PASSIVE_LEVEL);
    ke_lock_acquire(&work_lock);
    stopping = TRUE;
    signal_word++;
    supervisor_word++;
    while ((left = threads) != 0) {
        ke_lock_release(&work_lock);
        host_unpark(&signal_word, INT_MAX);
        host_unpark(&supervisor_word, INT_MAX);
        host_park(&threads, left, host_now() + 100000000u);
        ke_lock_acquire(&work_lock);
    }
    stopping = FALSE;
    ke_lock_release(&work_lock);
}

/* ---- what a driver calls ------------------------------------------------------------------------------ */

C_ASSERT(sizeof(struct ex_work) == sizeof(WORK_QUEUE_ITEM));
C_ASSERT(FIELD_OFFSET(struct ex_work, fn) == FIELD_OFFSET(WORK_QUEUE_ITEM, WorkerRoutine));
C_ASSERT(FIELD_OFFSET(struct ex_work, context) == FIELD_OFFSET(WORK_QUEUE_ITEM, Parameter));

/*
 * ExQueueWorkItem - WorkerRoutine(Parameter) runs once on a worker at PASSIVE_LEVEL; the item is off the
 * queue before, so that the routine may free or queue it again (K-WORK-02, 03).  QueueType does not matter
 * here.  An item that is queued: bug check 0xE4 (K-WORK-04).  IRQL <= DISPATCH_LEVEL.  Page: wdm
 * ExQueueWorkItem.
 */
VOID NTAPI ExQueueWorkItem(PWORK_QUEUE_ITEM WorkItem, WORK_QUEUE_TYPE QueueType)
{
    UNREFERENCED_PARAMETER(QueueType);
    ex_queue_driver_work((struct ex_work *)WorkItem, (void (*)(void *))WorkItem->WorkerRoutine,
                         WorkItem->Parameter, __builtin_return_address(0));
}
