/*
 * sim_world.h - tests that run in the simulator: a program that links uwsk_test_sim or uwsk_test_world
 * (tests/support/CMakeLists.txt) runs each test whose mode has the part "sim" as the first fiber of a run, fixture
 * included.
 *
 * Such a test runs once for each of several seeds, each in a process of its own: 2 in make check, 20 in make
 * check-full; with the part "races" 50 and 1,000.  Odd seeds are scheduled at random, even ones by priorities
 * (PCT, depth 2 to 4, expecting as many steps as seed 1 took).  Part "sim" alone: calm weather.  Part
 * "windy" beside it: small segments, held acknowledgements and FINs, no fault.
 *
 * UWSK_SIM_SEED runs one seed only, UWSK_SIM_SEEDS that many; UWSK_SIM_SCHEDULE is random, pct, or default: switches
 * only where the running fiber cannot go on.  A test ends as failed when its run ends otherwise than by its return,
 * with every fiber's stack; what failed says how to run that seed again.
 */
#ifndef UWSK_TEST_SIM_WORLD_H
#define UWSK_TEST_SIM_WORLD_H

#include "peer_backend.h"

extern const struct peer_backend peer_sim;

/* Set by a constructor of the program: the file of the driver that its tests load, which a run wants to be there
 * before it begins. */
extern const char *sim_world_driver;

#endif
