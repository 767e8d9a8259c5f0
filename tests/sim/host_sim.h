/*
 * host_sim.h - what the tests of the simulator's host share: small programs of fibers that use host calls only, run
 * under many plans.  What must hold is exact: the same plan gives the same hash, a recorded schedule replays it, every
 * end has its cause.
 */
#ifndef TEST_SIM_HOST_SIM_H
#define TEST_SIM_HOST_SIM_H

#include "host/backend.h"
#include "host/sim/sim.h"
#include "uwsk_test.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MS 1000000u /* ns */

struct sim_result run(const struct sim_plan *plan, void (*main)(void *), void *argument);

/* A program with something to disagree about: fibers that take one lock in turn, yield, and sleep. */
enum { PROGRAM_FIBERS = 5 };
void program(void *argument);
extern uint64_t program_entropy; /* what its last run drew */

#endif
