/*
 * Threads: every one is known, has an id of its own, honest stack bounds and an exit hook that runs last.
 */
#include "host/host.h"
#include "peer.h"
#include "uwsk_test.h"

#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

struct seen {
    struct host_thread copy;
    void *local;
    _Atomic uint32_t done;
};

static void look_at_self(void *context)
{
    struct seen *seen = context;
    int local = 0;

    seen->copy = *host_self();
    seen->local = &local;
    atomic_store(&seen->done, 1);
    host_unpark((const volatile uint32_t *)&seen->done, 1);
}

static void wait_done(_Atomic uint32_t *done)
{
    while (atomic_load(done) == 0)
        EXPECT_NE(host_park((const volatile uint32_t *)done, 0, host_now() + 10000000000ull), HOST_TIMEOUT);
}

static void expect_usable_stack(const struct seen *seen)
{
    EXPECT(seen->copy.stack_low < seen->copy.stack_high);
    EXPECT(seen->local >= seen->copy.stack_low && seen->local < seen->copy.stack_high);
}

TEST(self_is_never_null_and_stays, "")
{
    struct host_thread *self = host_self();

    EXPECT(self != NULL);
    EXPECT(self == host_self());
    EXPECT(self->executive == NULL);
    EXPECT(self->id > 0);
    EXPECT((void *)&self >= self->stack_low && (void *)&self < self->stack_high);
}

TEST(started_thread_has_name_id_and_stack, "")
{
    struct seen first = {0}, second = {0};

    EXPECT_EQ(host_thread_start(look_at_self, &first, "alpha", 0), 0);
    EXPECT_EQ(host_thread_start(look_at_self, &second, "a name longer than fifteen", 0), 0);
    wait_done(&first.done);
    wait_done(&second.done);
    EXPECT_STR(first.copy.name, "alpha");
    EXPECT_STR(second.copy.name, "a name longer than fifteen");
    EXPECT(first.copy.id != second.copy.id && first.copy.id != host_self()->id);
    expect_usable_stack(&first);
    expect_usable_stack(&second);
}

static void touch_lowest_byte(void *context)
{
    struct seen *seen = context;
    struct host_thread *self = host_self();

    /* All of [low, high) can be used and what lies below cannot: the bounds leave the guard out. */
    seen->copy.id = (uint64_t)host_memory_probe(self->stack_low, 1, 1);
    seen->local = (void *)(intptr_t)host_memory_probe((char *)self->stack_low - 1, 1, 1);
    seen->copy.stack_low = self->stack_low;
    seen->copy.stack_high = self->stack_high;
    atomic_store(&seen->done, 1);
    host_unpark((const volatile uint32_t *)&seen->done, 1);
}

TEST(stack_bounds_leave_the_guard_out, "")
{
    struct seen seen = {0};

    EXPECT_EQ(host_thread_start(touch_lowest_byte, &seen, "bounds", 256 * 1024), 0);
    wait_done(&seen.done);
    EXPECT_EQ(seen.copy.id, 0);
    EXPECT_EQ((intptr_t)seen.local, -1);
    EXPECT((char *)seen.copy.stack_high - (char *)seen.copy.stack_low >= 256 * 1024);
}

TEST(a_foreign_thread_is_adopted, "")
{
    struct seen seen = {0};
    struct test_thread *thread = test_thread_start(look_at_self, &seen);

    test_thread_join(thread);
    EXPECT(seen.copy.id > 0 && seen.copy.id != host_self()->id);
    expect_usable_stack(&seen);
}

static _Atomic int hooked;
static _Atomic(void *) hooked_executive;

static void exit_hook(struct host_thread *thread)
{
    atomic_store(&hooked_executive, thread->executive);
    atomic_fetch_add(&hooked, 1);
}

static int executive_marker;

static void end_deep_inside(void *context)
{
    host_self()->executive = context;
    host_thread_exit();
}

static void return_with_executive(void *context)
{
    host_self()->executive = context;
}

static void return_without_executive(void *context)
{
    (void)context;
    host_self();
}

TEST(exit_hook_runs_for_threads_of_the_executive, "")
{
    host_set_thread_exit_hook(exit_hook);
    EXPECT_EQ(host_thread_start(end_deep_inside, &executive_marker, "ends", 0), 0);
    EXPECT_SOON(atomic_load(&hooked) == 1);
    EXPECT(atomic_load(&hooked_executive) == &executive_marker);
    test_thread_join(test_thread_start(return_with_executive, &executive_marker)); /* adopted ones, too */
    EXPECT_EQ(atomic_load(&hooked), 2);
    test_thread_join(test_thread_start(return_without_executive, NULL));
    EXPECT_EQ(atomic_load(&hooked), 2);
    EXPECT_EQ(host_thread_start(end_deep_inside, NULL, "without", 0), 0);
    if (!test_sanitizer()) /* tsan has a thread of its own */
        EXPECT_SOON(peer_thread_count() == 1);
    EXPECT_EQ(atomic_load(&hooked), 2);
}

static _Atomic int ended;

static void count_end(void *context)
{
    (void)context;
    atomic_fetch_add(&ended, 1);
}

TEST(threads_leave_nothing_behind, "")
{
    long rounds = test_scale(5000);
    int before;

    EXPECT_EQ(host_thread_start(count_end, NULL, "first", 0), 0);
    EXPECT_SOON(atomic_load(&ended) == 1);
    before = peer_count_fds();
    for (long i = 0; i < rounds; i++) {
        EXPECT_EQ(host_thread_start(count_end, NULL, "many", 0), 0);
        EXPECT_SOON(atomic_load(&ended) == i + 2);
    }
    EXPECT_EQ(peer_count_fds(), before);
    if (!test_sanitizer())
        EXPECT_SOON(peer_thread_count() == 1);
}

TEST(there_is_a_processor, "")
{
    EXPECT(host_processor_count() >= 1);
    host_yield();
    host_cpu_relax();
}
