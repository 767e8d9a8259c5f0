/*
 * net_test.h - what the tests of the simulated network share: runs in a network with a weather, over many seeds.
 */
#ifndef TEST_SIM_NET_TEST_H
#define TEST_SIM_NET_TEST_H

#include "transport/sim/net.h"
#include "host/sim/sim.h"
#include "uwsk_test.h"

#include <ntstatus.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define US 1000ull
#define MS 1000000ull
#define S  1000000000ull

enum { SEEDS_MOST = 200 };
#define SEEDS (test_sanitizer() == 2 ? 40u : (unsigned)SEEDS_MOST) /* ThreadSanitizer's fibers are slow */

/* Runs body() as the first fiber of a run, between net_start() and net_stop(), under a random schedule. */
struct sim_result net_run(const struct net_weather *weather, uint64_t seed, void (*body)(void));
/* The same for 200 seeds, each twice, at random or by priorities: odd seeds replay the schedule that they have recorded.
 * Both runs must have the same steps and what net_say() said must be the same.
 * The seeds that a body said different things in are counted: the answer is how many there were. */
unsigned net_run_seeds(const struct net_weather *weather, void (*body)(void));
/* Adds a number to what this run has said. */
void net_say(uint64_t number);
uint64_t net_seed(void); /* of the run */

/* A fiber; net_join waits until all that were started have ended. */
void net_fiber(void (*main)(void *argument), void *argument);
void net_join(void);
void net_pause(uint64_t ns);

struct transport_address net_at(const char *text, int port);
/* A peer on `host` that listens at `text`, and where it does. */
struct net_socket *net_server(int host, const char *text, struct transport_address *at);
/* Two peers' sockets that are connected: 1 when the weather let them. */
int net_pair(struct net_socket **client, struct net_socket **server);
void net_pattern(void *memory, size_t at, size_t bytes);
/* Where the pattern is first broken, or bytes. */
size_t net_same(const void *memory, size_t at, size_t bytes);

#endif
