/*
 * sim_world.h - tests that run in the simulator: a program that links uwsk_test_sim (tests/support/CMakeLists.txt)
 * runs each test whose mode has the part "sim" as the first fiber of a run, fixture included.
 *
 * Part "sim": calm weather.  Part "windy" beside it: small segments, held acknowledgements and FINs, no fault.
 * UWSK_SIM_SEED chooses the seed (1); UWSK_SIM_SCHEDULE=default switches only where the running fiber cannot go on.
 * The test ends as failed when its run ends otherwise than by its return, with every fiber's stack.
 */
#ifndef UWSK_TEST_SIM_WORLD_H
#define UWSK_TEST_SIM_WORLD_H

#include "peer_backend.h"

extern const struct peer_backend peer_sim;

#endif
