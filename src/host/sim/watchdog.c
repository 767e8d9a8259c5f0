/*
 * watchdog.c - a fiber that does not come to a step any more.
 *
 * A timer of the system ticks while there are runs.  When four ticks in a row have seen the same step, the tick's
 * signal handler, which stands on top of the fiber, leaves for sim_run.  Ticks that a suspended process missed come
 * as one.
 */
#include "internal.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

enum { TICKS = 4 };

static struct {
    timer_t timer;
    pid_t tid;   /* whom it tells; 0 = no timer yet */
    pid_t owner; /* process that made it: a forked child has none */
    unsigned milliseconds;
    volatile int armed;
    uint64_t step, run; /* seen by the last tick */
    unsigned same;
} dog HOST_KEPT;

static int tick_signal(void)
{
    return SIGRTMIN + 5;
}

static void arm(unsigned milliseconds)
{
    uint64_t period = (uint64_t)milliseconds * 1000000u / TICKS;
    struct itimerspec every = {.it_interval = {(time_t)(period / 1000000000u), (long)(period % 1000000000u)}};

    every.it_value = every.it_interval;
    timer_settime(dog.timer, 0, &every, NULL);
    dog.armed = milliseconds != 0;
}

static void on_tick(int signal, siginfo_t *info, void *context)
{
    const ucontext_t *machine = context;
    int saved_errno = errno;

    (void)signal;
    (void)info;
    if (!sim->running) {
        arm(0);
        errno = saved_errno;
        return;
    }
    if (linux_self_if_known() != &sim->current->thread)
        return; /* about to be another's, or another's */
    dog.same = dog.step == sim->steps && dog.run == sim->runs ? dog.same + 1 : 0;
    dog.step = sim->steps;
    dog.run = sim->runs;
    errno = saved_errno;
    if (dog.same < TICKS)
        return;
    pthread_sigmask(SIG_SETMASK, &machine->uc_sigmask, NULL);
    sim->result.frames[0] = (void *)machine->uc_mcontext.gregs[REG_RIP];
    sim->result.frame_count =
        1 + linux_walk(&sim->current->thread, (const void *)machine->uc_mcontext.gregs[REG_RBP],
                       sim->result.frames + 1, SIM_FRAMES - 1);
    sim_end(SIM_HUNG, 0);
}

static void make_timer(pid_t tid)
{
    struct sigaction action = {.sa_sigaction = on_tick, .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = tick_signal()};
    sigset_t unblock;

    if (dog.tid && dog.owner == getpid())
        timer_delete(dog.timer);
    dog.armed = 0;
    dog.tid = 0;
    event.sigev_notify_thread_id = tid;
    sigaction(tick_signal(), &action, NULL);
    sigemptyset(&unblock);
    sigaddset(&unblock, tick_signal());
    pthread_sigmask(SIG_UNBLOCK, &unblock, NULL);
    if (timer_create(CLOCK_MONOTONIC, &event, &dog.timer) != 0)
        return; /* no watchdog then: what hangs, hangs */
    dog.tid = tid;
    dog.owner = getpid();
}

void sim_watchdog_start(unsigned milliseconds)
{
    if (dog.tid != sim->os_thread->tid)
        make_timer(sim->os_thread->tid);
    if (dog.tid && (!dog.armed || dog.milliseconds != milliseconds))
        arm(milliseconds);
    dog.milliseconds = milliseconds;
    dog.same = 0;
}
