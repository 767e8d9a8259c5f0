/*
 * command.c - the exact command that runs something again.
 */
#include "explore/campaign.h"

#include <string.h>

static void option(struct text *out, const char *name, const char *value)
{
    text_add(out, " %s ", name);
    text_shell(out, value);
}

static void choice(struct text *out, const char *name, int value, const char *const *names)
{
    if (value != UWSK_FROM_SEED)
        option(out, name, names[value]);
}

void explore_command(const struct uwsk_explore_options *options, const struct found *found, struct text *out)
{
    static const char *const completions[] = {"natural", "always-pend", "inline-when-possible"};
    static const char *const deliveries[] = {"dispatch", "passive", "mixed"};
    static const char *const sends[] = {"sent", "acked", "copied"};
    static const char *const faults[] = {"none", "low-memory", "network", "all"};
    const struct uwsk_world_options *world = &options->world;

    text_add(out, "uwsk explore --seed %llu", (unsigned long long)found->seed);
    if (options->dfs >= 0)
        text_add(out, " --scheduler dfs:%d", options->dfs);
    else if (world->scheduler == UWSK_SCHEDULER_PCT)
        text_add(out, " --scheduler pct:%u:%llu", world->depth, (unsigned long long)world->expected_steps);
    if (world->faults)
        option(out, "--faults", faults[world->faults & 3]);
    if (found->fail_at)
        text_add(out, " --fail %s:%llu", found->fail_onwards ? "from" : "once",
                 (unsigned long long)found->fail_at);
    choice(out, "--completion", world->completion, completions);
    choice(out, "--deliver", world->deliver, deliveries);
    choice(out, "--send-complete", world->send_complete, sends);
    if (world->processors)
        text_add(out, " --processors %u", world->processors);
    if (options->scenario)
        option(out, "--scenario", options->scenario);
    for (size_t i = 0; i < options->settings; i++)
        option(out, "--registry", options->setting[i]);
    for (size_t i = 0; i < options->drivers; i++) {
        text_add(out, " ");
        text_shell(out, options->driver[i]);
    }
}
