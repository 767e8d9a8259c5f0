/* clock.h - private to src/host/linux: the runtime's time as CLOCK_MONOTONIC. */
#ifndef UWSK_HOST_LINUX_CLOCK_H
#define UWSK_HOST_LINUX_CLOCK_H

#include <stdint.h>
#include <time.h>

/* The CLOCK_MONOTONIC time at which host_now() reaches deadline_ns. */
struct timespec linux_monotonic_deadline(uint64_t deadline_ns);

#endif
