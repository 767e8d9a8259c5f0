#include "nt/observe.h"

const struct observe_hooks *observe_hooks;

void observe_install(const struct observe_hooks *hooks)
{
    int steps = hooks && (hooks->irp || hooks->enter || hooks->leave || hooks->irql || hooks->lock ||
                          hooks->order || hooks->socket);

    __atomic_store_n(&observe_hooks, hooks, __ATOMIC_RELEASE);
    if (steps)
        host_watched |= HOST_WATCH_STEPS;
    else if (host_watched & HOST_WATCH_STEPS) /* else left alone: threads that end may still look */
        host_watched &= ~HOST_WATCH_STEPS;
}
