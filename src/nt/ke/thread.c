/*
 * thread.c - thread objects: adoption, the list of all threads, their end.
 */
#include "nt/ke/internal.h"
#include "nt/ob/ob.h"

static struct ke_lock threads_lock; /* guards the list */
static struct ke_thread *all_threads;
static uint64_t last_id;
static uint32_t hook_installed;

/* ---- beginning ---------------------------------------------------------------------------------------- */

static void copy_name(char *out, const char *name, size_t bytes)
{
    size_t i = 0;

    for (; name && name[i] && i + 1 < bytes; i++)
        out[i] = name[i];
    out[i] = 0;
}

/* A thread that has an object has come to its end. */
static void thread_exits(struct host_thread *host)
{
    struct ke_thread *thread = host->executive;

    ke_end_thread(thread);
}

struct ke_thread *ke_create_thread(const char *name)
{
    struct ke_thread *thread = ob_create_object(&ob_thread_type, sizeof *thread);

    /* Before the flag says so: a thread that sees the flag may end at once.  Twice does no harm. */
    if (!__atomic_load_n(&hook_installed, __ATOMIC_ACQUIRE)) {
        host_set_thread_exit_hook(thread_exits);
        __atomic_store_n(&hook_installed, 1, __ATOMIC_RELEASE);
    }
    if (!thread)
        return NULL;
    ke_initialize_header(&thread->header, ThreadObject, sizeof *thread, 0);
    copy_name(thread->name, name, sizeof thread->name);
    thread->processor = KE_NO_PROCESSOR;
    thread->priority = thread->base_priority = 8;
    thread->affinity = ~(KAFFINITY)0;
    thread->id = __atomic_add_fetch(&last_id, 1, __ATOMIC_RELAXED);
    thread->last_processor = (unsigned)(thread->id % KE_MAX_PROCESSORS);
    ke_raw_acquire(&threads_lock);
    thread->next_all = all_threads;
    if (all_threads)
        all_threads->previous_all = thread;
    all_threads = thread;
    ke_raw_release(&threads_lock);
    return thread;
}

void ke_bind_thread(struct ke_thread *thread, struct host_thread *host)
{
    thread->host = host;
    host->executive = thread;
}

struct ke_thread *ke_adopt_thread(struct host_thread *host)
{
    struct ke_thread *thread;

    thread = ke_create_thread(host->name);
    KE_ASSERT(thread != NULL);
    ke_bind_thread(thread, host);
    return thread;
}

/* ---- end ---------------------------------------------------------------------------------------------- */

/* Runs as the thread's last act: signals the object (K-THREAD-03) and drops the thread's own reference. After
 * that nothing of the executive's belongs to the calling host thread any more. */
void ke_end_thread(struct ke_thread *thread)
{
    struct ke_thread *ready = NULL;

    if (thread->irql != PASSIVE_LEVEL)
        ke_bug_check_ex(IRQL_UNEXPECTED_VALUE, (ULONG_PTR)thread->irql << 16, thread->start_routine, thread,
                        0);
    if (thread->mutexes_held)
        ke_bug_check_ex(SYSTEM_EXIT_OWNED_MUTEX, thread, 0, 0, 0);
    if (thread->locks_held) /* K-SPIN-10 */
        ke_bug_check_ex(DRIVER_VERIFIER_DETECTED_VIOLATION, 0x100A, thread->locks[0], thread, 0);
    KE_ASSERT(!thread->internal_locks && !thread->wait);
    ke_lock_dispatcher();
    thread->ended = 1;
    thread->header.SignalState = 1;
    OBSERVE(order, thread, OBSERVE_RELEASE);
    ke_test_waiters(&thread->header, &ready);
    ke_unlock_dispatcher(ready);
    thread->host->executive = NULL;
    thread->host = NULL;
    ob_dereference_object(thread);
}

void ke_destroy_thread(void *object)
{
    struct ke_thread *thread = object;

    ke_raw_acquire(&threads_lock);
    if (thread->previous_all)
        thread->previous_all->next_all = thread->next_all;
    else
        all_threads = thread->next_all;
    if (thread->next_all)
        thread->next_all->previous_all = thread->previous_all;
    ke_raw_release(&threads_lock);
}

void ke_each_thread(void (*fn)(void *context, const struct ke_thread *thread), void *context)
{
    ke_raw_acquire(&threads_lock);
    for (const struct ke_thread *thread = all_threads; thread; thread = thread->next_all)
        fn(context, thread);
    ke_raw_release(&threads_lock);
}

int ke_read_routine(const struct ke_routine *routine, struct ke_routine *copy)
{
    copy->since = __atomic_load_n(&routine->since, __ATOMIC_ACQUIRE);
    if (!copy->since)
        return 0;
    copy->thread = __atomic_load_n(&routine->thread, __ATOMIC_ACQUIRE);
    copy->subject = __atomic_load_n(&routine->subject, __ATOMIC_ACQUIRE);
    copy->name = __atomic_load_n(&routine->name, __ATOMIC_ACQUIRE);
    copy->function = __atomic_load_n(&routine->function, __ATOMIC_ACQUIRE);
    copy->call = __atomic_load_n(&routine->call, __ATOMIC_ACQUIRE);
    return __atomic_load_n(&routine->since, __ATOMIC_ACQUIRE) == copy->since;
}

/* ---- priority: remembered, without effect ------------------------------------------------------------- */

KPRIORITY ke_set_priority_thread(PKTHREAD thread, KPRIORITY priority)
{
    return __atomic_exchange_n(&((struct ke_thread *)thread)->priority, priority, __ATOMIC_RELAXED);
}

KPRIORITY ke_query_priority_thread(PKTHREAD thread)
{
    return __atomic_load_n(&((struct ke_thread *)thread)->priority, __ATOMIC_RELAXED);
}

/* ---- WDK ---------------------------------------------------------------------------------------------- */

/* The calling thread's object, not referenced.  Any IRQL.  (wdm KeGetCurrentThread) */
PKTHREAD KeGetCurrentThread(VOID)
{
    return (PKTHREAD)ke_current_thread();
}

/* Stores the priority, returns the former one; Linux schedules by its own rules.  PASSIVE_LEVEL.
 * (wdm KeSetPriorityThread) */
KPRIORITY KeSetPriorityThread(PKTHREAD Thread, KPRIORITY Priority)
{
    return ke_set_priority_thread(Thread, Priority);
}

KPRIORITY KeQueryPriorityThread(PKTHREAD Thread)
{
    return ke_query_priority_thread(Thread);
}
