/*
 * sim_lifecycle.c - how many connections a second live and end in a simulated world, on one core.
 *
 *     sim_lifecycle DRIVER.so [SECONDS]
 *
 * The driver is drivers/echo.  A run is a world with a few clients; each connects, sends, gets everything back, closes
 * and begins anew, LIVES times; then the driver is unloaded and accounted for.  Every run is another seed: another
 * schedule, other weather, other modes.  Printed is the CPU time of connect, echo and close with all that belongs to
 * a run spread over them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <uwsk/sim.h>

enum { CLIENTS = 4, LIVES = 50, BYTES = 64, PORT = 5007 };

static void client(struct uwsk_peer *peer, void *context)
{
    uint64_t *lives = context;

    for (int i = 0; i < LIVES; i++) {
        if (uwsk_peer_connect(peer, "127.0.0.1", PORT) != 0)
            return;
        uwsk_peer_send(peer, BYTES);
        uwsk_peer_expect_echo(peer);
        uwsk_peer_shutdown(peer);
        uwsk_peer_expect_fin(peer);
        uwsk_peer_close(peer);
        ++*lives;
    }
}

static void director(struct uwsk_world *world, void *context)
{
    (void)context;
    if (uwsk_world_wait_peers(world) == 0)
        uwsk_world_unload(world);
}

static double cpu(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

int main(int argc, char **argv)
{
    struct uwsk_world_options options = UWSK_WORLD_OPTIONS_INITIALIZER;
    struct uwsk_world_result result;
    struct uwsk_problem problem;
    struct uwsk_world *world;
    uint64_t lives = 0, runs = 0, steps = 0;
    double limit = argc > 2 ? atof(argv[2]) : 5, began, spent;

    if (argc < 2) {
        fputs("usage: sim_lifecycle DRIVER.so [SECONDS]\n", stderr);
        return 2;
    }
    if (uwsk_world_create(&options, &world, &problem) < 0 ||
        uwsk_world_driver(world, argv[1], &problem) < 0) {
        fprintf(stderr, "sim_lifecycle: %s\n", problem.text);
        return 2;
    }
    for (int i = 0; i < CLIENTS; i++)
        if (uwsk_world_peer(world, "client", 0, client, &lives, &problem) < 0) {
            fprintf(stderr, "sim_lifecycle: %s\n", problem.text);
            return 2;
        }
    began = cpu();
    do {
        uwsk_world_reseed(world, ++runs);
        if (uwsk_world_run(world, director, NULL, &result, &problem) < 0 || result.kind) {
            fprintf(stderr, "sim_lifecycle: seed %llu: %s", (unsigned long long)runs,
                    result.kind ? result.text : problem.text);
            return 1;
        }
        steps += result.steps;
        spent = cpu() - began;
    } while (spent < limit);
    printf("%.0f lifecycles a second of one core (%llu in %llu runs, %.1f us and %.0f steps each)\n",
           (double)lives / spent, (unsigned long long)lives, (unsigned long long)runs,
           1e6 * spent / (double)lives, (double)steps / (double)lives);
    uwsk_world_destroy(world);
    return 0;
}
