/*
 * setup.c - what a world is made of before its first run: options, drivers, registry values, hosts, peers, scripts.
 */
#include "explore/explore.h"
#include "explore/world.h"

#include "runner/runner.h"

#include <stdlib.h>
#include <string.h>

#include <ntstatus.h>

_Static_assert(SIM_DEPTH_MAX == 65, "check_options and uwsk/sim.h say so");

/* ---- making a world ----------------------------------------------------------------------------------- */

static int32_t check_options(const struct uwsk_world_options *options, struct uwsk_problem *problem)
{
    const char *wrong = NULL;

    if (options->size != sizeof *options)
        wrong = "struct uwsk_world_options is of another version of the runtime";
    else if (options->scheduler < UWSK_SCHEDULER_RANDOM || options->scheduler > UWSK_SCHEDULER_SEARCH)
        wrong = "there is no such scheduler";
    else if (options->scheduler == UWSK_SCHEDULER_PCT &&
             (options->depth < 1 || options->depth > SIM_DEPTH_MAX))
        wrong = "a depth that is not from 1 to 65";
    else if (options->processors > 64)
        wrong = "more than 64 processors";
    else if (options->faults & ~UWSK_FAULTS_ALL)
        wrong = "there are no such faults";
    else if (options->completion < UWSK_FROM_SEED ||
             options->completion > UWSK_COMPLETION_INLINE_WHEN_POSSIBLE ||
             options->deliver < UWSK_FROM_SEED || options->deliver > UWSK_DELIVER_MIXED ||
             options->send_complete < UWSK_FROM_SEED || options->send_complete > UWSK_SEND_COMPLETE_COPIED)
        wrong = "an option has a value that does not exist";
    else if (options->schedule_count && !options->schedule)
        wrong = "the schedule is missing";
    if (!wrong)
        return STATUS_SUCCESS;
    explore_problem(problem, STATUS_INVALID_PARAMETER, "%s", wrong);
    return STATUS_INVALID_PARAMETER;
}

int32_t uwsk_world_set(struct uwsk_world *world, const struct uwsk_world_options *options,
                       struct uwsk_problem *problem)
{
    struct uwsk_switch *copy = NULL;
    int32_t status = check_options(options, problem);

    if (status != STATUS_SUCCESS)
        return status;
    if (options->schedule_count) {
        copy = malloc(options->schedule_count * sizeof *copy);
        if (!copy) {
            explore_problem(problem, STATUS_INSUFFICIENT_RESOURCES, "out of memory");
            return STATUS_INSUFFICIENT_RESOURCES;
        }
        memcpy(copy, options->schedule, options->schedule_count * sizeof *copy);
    }
    free(world->schedule);
    world->schedule = copy;
    world->options = *options;
    world->options.schedule = copy;
    return STATUS_SUCCESS;
}

void uwsk_world_reseed(struct uwsk_world *world, uint64_t seed)
{
    world->options.seed = seed;
}

int32_t uwsk_world_create(const struct uwsk_world_options *options, struct uwsk_world **out,
                          struct uwsk_problem *problem)
{
    struct uwsk_world *world = calloc(1, sizeof *world);
    int32_t status = STATUS_INSUFFICIENT_RESOURCES;

    *out = NULL;
    explore_problem(problem, status, "out of memory");
    if (!world)
        return status;
    scenario_init(&world->scenario);
    world->invariants = invariants_create();
    world->races = races_create();
    if (world->invariants && world->races)
        status = uwsk_world_set(world, options, problem);
    if (status != STATUS_SUCCESS) {
        uwsk_world_destroy(world);
        return status;
    }
    *out = world;
    return STATUS_SUCCESS;
}

void uwsk_world_destroy(struct uwsk_world *world)
{
    if (!world)
        return;
    if (world->invariants && world->races)
        world_forget_run(world);
    for (size_t i = 0; i < world->drivers; i++)
        free(world->driver[i].path);
    free(world->driver);
    free(world->schedule);
    invariants_destroy(world->invariants);
    races_destroy(world->races);
    scenario_free(&world->scenario);
    free(world);
}

/* Whether the file calls the functions of host/sim/memory.c: their names stand in its symbols. */
int explore_is_watched(const char *path)
{
    static const char name[] = "__tsan_init";
    size_t bytes;
    char *data = explore_read_file(path, &bytes);
    int found = data && memmem(data, bytes, name, sizeof name) != NULL;

    free(data);
    return found;
}

int world_watched(const struct uwsk_world *world)
{
    for (size_t i = 0; i < world->drivers; i++)
        if (world->driver[i].watched)
            return 1;
    return 0;
}

int32_t uwsk_world_driver(struct uwsk_world *world, const char *path, struct uwsk_problem *problem)
{
    struct uwsk_problem own;
    struct world_driver *bigger;
    PDRIVER_INITIALIZE entry;
    char reason[400];

    if (!problem)
        problem = &own;
    for (size_t i = 0; i < world->drivers; i++)
        if (strcmp(world->driver[i].path, path) == 0) {
            explore_problem(problem, STATUS_IMAGE_ALREADY_LOADED, "%s: is loaded already", path);
            return STATUS_IMAGE_ALREADY_LOADED;
        }
    if (!runner_load(path, &entry, problem))
        return problem->status;
    if (!sim_module_load(path, reason, sizeof reason)) {
        explore_problem(problem, STATUS_INVALID_IMAGE_FORMAT, "%s: %s", path, reason);
        return STATUS_INVALID_IMAGE_FORMAT;
    }
    bigger = realloc(world->driver, (world->drivers + 1) * sizeof *bigger);
    if (bigger)
        world->driver = bigger;
    if (!bigger || !(bigger[world->drivers].path = strdup(path))) {
        explore_problem(problem, STATUS_INSUFFICIENT_RESOURCES, "out of memory");
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    bigger[world->drivers].driver = NULL;
    bigger[world->drivers++].watched = explore_is_watched(path);
    world->prepared = 0;
    return STATUS_SUCCESS;
}

int32_t world_prepare(struct uwsk_world *world, struct uwsk_problem *problem)
{
    if (world->prepared)
        return STATUS_SUCCESS;
    if (sim_snapshot() != 0) {
        explore_problem(problem, STATUS_INSUFFICIENT_RESOURCES,
                        "no memory for a snapshot of the drivers' data");
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    world->prepared = 1;
    return STATUS_SUCCESS;
}

int32_t uwsk_world_registry(struct uwsk_world *world, const char *setting, struct uwsk_problem *problem)
{
    const char *equals = strchr(setting, '=');

    if (!equals || equals == setting || !strchr(equals, ':')) { /* the rest is said by the first run */
        explore_problem(problem, STATUS_INVALID_PARAMETER, "\"%s\" is no value such as Port=dword:5007",
                        setting);
        return STATUS_INVALID_PARAMETER;
    }
    if (scenario_add_setting(&world->scenario, setting) != 0) {
        explore_problem(problem, STATUS_INSUFFICIENT_RESOURCES, "out of memory");
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    return STATUS_SUCCESS;
}

int32_t uwsk_world_host(struct uwsk_world *world, const char *address, int *host,
                        struct uwsk_problem *problem)
{
    struct transport_address parsed;

    if (net_address(address, 0, &parsed) != 0) {
        explore_problem(problem, STATUS_INVALID_PARAMETER, "%s is no address such as 10.0.0.7 or fd00::7",
                        address);
        return STATUS_INVALID_PARAMETER;
    }
    *host = scenario_add_host(&world->scenario, address);
    if (*host < 0) {
        explore_problem(problem, STATUS_INSUFFICIENT_RESOURCES, "out of memory");
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    return STATUS_SUCCESS;
}

int32_t uwsk_world_script(struct uwsk_world *world, const char *name, const char *text,
                          struct uwsk_problem *problem)
{
    struct scenario *scenario = &world->scenario;

    free(scenario->name);
    scenario->name = strdup(name);
    return scenario_parse(scenario, scenario->name ? scenario->name : "scenario", text, problem);
}

int32_t uwsk_world_scenario(struct uwsk_world *world, const char *path, struct uwsk_problem *problem)
{
    size_t bytes;
    char *text = explore_read_file(path, &bytes);
    int32_t status;

    if (!text) {
        explore_problem(problem, STATUS_OBJECT_NAME_NOT_FOUND, "%s: cannot be read: %m", path);
        return STATUS_OBJECT_NAME_NOT_FOUND;
    }
    status = uwsk_world_script(world, path, text, problem);
    free(text);
    return status;
}

int32_t uwsk_world_peer(struct uwsk_world *world, const char *name, uint64_t at_ns,
                        void (*main)(struct uwsk_peer *peer, void *context), void *context,
                        struct uwsk_problem *problem)
{
    struct peer_plan *plan = scenario_add_peer(&world->scenario, name);

    if (!plan) {
        explore_problem(problem, STATUS_INSUFFICIENT_RESOURCES, "out of memory");
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    plan->at_ns = at_ns;
    plan->main = main;
    plan->context = context;
    return STATUS_SUCCESS;
}
