#include "nt/observe.h"

const struct observe_hooks *observe_hooks;

void observe_install(const struct observe_hooks *hooks)
{
    int watched = host_watched & ~(HOST_WATCH_STEPS | HOST_WATCH_BLOCKS);

    if (hooks && (hooks->irp || hooks->enter || hooks->leave || hooks->irql || hooks->lock || hooks->order ||
                  hooks->socket))
        watched |= HOST_WATCH_STEPS;
    if (hooks && (hooks->born || hooks->dead) && !hooks->block)
        watched |= HOST_WATCH_BLOCKS;
    __atomic_store_n(&observe_hooks, hooks, __ATOMIC_RELEASE);
    if (host_watched != watched) /* else left alone: threads that end may still look */
        host_watched = watched;
}
