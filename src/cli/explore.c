/* explore.c: `uwsk explore`: runs drivers in a simulated world, from one seed after the other. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "args.h"
#include "cli.h"
#include "explore/campaign.h"

static const char help[] =
    "usage: uwsk explore [option ...] DRIVER.so ...\n"
    "       uwsk explore --replay TRACE [DRIVER.so ...]\n"
    "       uwsk explore --merge FOLDER [--json FILE]\n"
    "\n"
    "Runs the drivers in a simulated world - virtual time, a network in memory - once for each seed: the "
    "seed\n"
    "decides which thread goes on at every step, what the network and the peers do, and in which modes WSK "
    "works.\n"
    "Every run is checked; the first violation is told with its seed, shrunk to the switches that it needs, "
    "and\n"
    "saved as a trace. The same seed gives the same run.\n"
    "\n"
    "  --seeds N              how many seeds (default 1000)\n"
    "  --first-seed S         the first one (default 1)\n"
    "  --seed S               only this one\n"
    "  --scheduler HOW        random (default); pct:D: priorities, for bugs of depth D (pct:D:K: for runs\n"
    "                         of K steps, which are not measured); dfs:B: every schedule of one seed\n"
    "                         with at most B preemptions\n"
    "  --faults WHICH         none (default), low-memory, network or all\n"
    "  --sweep                make each call of one seed's run that can fail do so, once and from there on\n"
    "  --scenario FILE        who takes part and what the peers do (docs/simulator.md); without it, the "
    "seed\n"
    "                         draws peers for listening and datagram sockets\n"
    "  --registry NAME=VALUE  as for uwsk run\n"
    "  --completion, --deliver, --send-complete, --processors\n"
    "                         as for uwsk run; not given: the seed draws them\n"
    "  --jobs J               worker processes, 1 to 256 (default: processors of the machine)\n"
    "  --shard I/N            this is part I of N: every N-th seed (not with --seed, --sweep, dfs)\n"
    "  --for SECONDS          end after so long; without --seeds, that alone decides\n"
    "  --keep-going           go on after a violation; the first one of each kind is looked at closely\n"
    "  --json FILE            write a report\n"
    "  --trace FILE           where the trace of the first violation goes (uwsk-explore-SEED.trace,\n"
    "                         uwsk-explore-SEED-once-K.trace or -from-K.trace of a sweep)\n"
    "  --replay TRACE         run a saved trace\n"
    "  --gdb                  with --seed (not with --sweep, dfs, --replay): run it in gdb and stop at the "
    "step before\n"
    "                         the violation\n"
    "  --merge FOLDER         add up the reports (*.json) of all shards\n"
    "  --fail once:K, --fail from:K\n"
    "                         make the K-th call that can fail do so (as --sweep does)\n"
    "  --help\n"
    "\n"
    "Exit status: 0 nothing was found; 1 a violation; 2 wrong usage, or it could not be run.\n";

static const char *const options_known[] = {
    "--seeds",      "--first-seed",    "--seed",     "--scheduler",  "--faults",
    "--sweep",      "--scenario",      "--registry", "--completion", "--deliver",
    "--processors", "--jobs",          "--shard",    "--for",        "--json",
    "--keep-going", "--send-complete", "--trace",    "--replay",     "--gdb",
    "--merge",      "--fail",          "--break-at", "--help",       NULL};

struct job {
    struct uwsk_explore_options options;
    const char **driver, **setting;
    const char *merge;
    int seeds_given, help;
};

/* ---- values ------------------------------------------------------------------------------------------- */

/* Decimal or 0x..., all of `text` up to `end`; 0, or -1. */
static int number(const char *text, const char *end, uint64_t low, uint64_t high, uint64_t *out)
{
    char *stop;

    errno = 0;
    if (!isdigit((unsigned char)*text))
        return -1;
    *out = strtoull(text, &stop, text[0] == '0' && (text[1] | 32) == 'x' ? 16 : 10);
    return errno == 0 && stop == end && *out >= low && *out <= high ? 0 : -1;
}

static int whole(struct cli_args *args, uint64_t low, uint64_t high, const char *what, uint64_t *out)
{
    const char *value = cli_args_value(args);

    if (!value)
        return CLI_USAGE;
    if (number(value, value + strlen(value), low, high, out) != 0)
        return cli_usage("explore", "%s %s: expected %s", args->option, value, what);
    return 0;
}

static int scheduler(struct job *job, struct cli_args *args)
{
    struct uwsk_world_options *world = &job->options.world;
    const char *value = cli_args_value(args), *end, *colon;
    uint64_t first, steps = 0;

    if (!value)
        return CLI_USAGE;
    end = value + strlen(value);
    world->scheduler = UWSK_SCHEDULER_RANDOM;
    job->options.dfs = -1;
    if (strcmp(value, "random") == 0)
        return 0;
    if (strncmp(value, "pct:", 4) == 0) {
        colon = strchr(value + 4, ':');
        if (number(value + 4, colon ? colon : end, 1, SIM_DEPTH_MAX, &first) == 0 &&
            (!colon || number(colon + 1, end, 1, UINT64_MAX, &steps) == 0)) {
            world->scheduler = UWSK_SCHEDULER_PCT;
            world->depth = (unsigned)first;
            world->expected_steps = steps;
            return 0;
        }
    }
    if (strncmp(value, "dfs:", 4) == 0 && number(value + 4, end, 0, 16, &first) == 0) {
        job->options.dfs = (int)first;
        return 0;
    }
    return cli_usage("explore",
                     "--scheduler %s: expected random, pct:D (a depth from 1 to %d, such as pct:3) or dfs:B "
                     "(preemptions from 0 to 16, such as dfs:2)",
                     value, SIM_DEPTH_MAX);
}

static int shard(struct job *job, struct cli_args *args)
{
    const char *value = cli_args_value(args), *slash = value ? strchr(value, '/') : NULL;
    uint64_t which, many;

    if (!value)
        return CLI_USAGE;
    if (!slash || number(value, slash, 1, 1000000, &which) != 0 ||
        number(slash + 1, value + strlen(value), 1, 1000000, &many) != 0 || which > many)
        return cli_usage("explore", "--shard %s: expected I/N with I from 1 to N, such as 3/16", value);
    job->options.shard = (unsigned)which;
    job->options.shards = (unsigned)many;
    return 0;
}

static int fail(struct job *job, struct cli_args *args)
{
    const char *value = cli_args_value(args), *colon = value ? strchr(value, ':') : NULL;
    int onwards = value && strncmp(value, "from:", 5) == 0;

    if (!value)
        return CLI_USAGE;
    if (!colon || (!onwards && strncmp(value, "once:", 5) != 0) ||
        number(colon + 1, value + strlen(value), 1, UINT64_MAX, &job->options.world.fail_at) != 0)
        return cli_usage("explore", "--fail %s: expected once:K or from:K, such as once:12", value);
    job->options.world.fail_onwards = onwards;
    return 0;
}

/* ---- options ------------------------------------------------------------------------------------------ */

static int numbers(struct job *job, struct cli_args *args)
{
    static const char seed[] = "a seed: a whole number such as 17 or 0x11";
    struct uwsk_explore_options *options = &job->options;
    uint64_t value;
    double seconds;

    if (strcmp(args->option, "--seeds") == 0) {
        job->seeds_given = 1;
        return whole(args, 1, UINT64_MAX - 1, "how many seeds, such as 1000", &options->seeds);
    }
    if (strcmp(args->option, "--first-seed") == 0)
        return whole(args, 0, UINT64_MAX, seed, &options->world.seed);
    if (strcmp(args->option, "--seed") == 0) {
        options->one_seed = 1;
        return whole(args, 0, UINT64_MAX, seed, &options->world.seed);
    }
    if (strcmp(args->option, "--break-at") == 0)
        return whole(args, 1, UINT64_MAX, "a step", &options->break_at);
    if (strcmp(args->option, "--for") == 0) {
        if (cli_args_number(args, 0.001, 1e9, 0, &seconds))
            return CLI_USAGE;
        options->seconds = seconds;
        return 0;
    }
    if (strcmp(args->option, "--jobs") == 0 ? whole(args, 1, 256, "a number from 1 to 256", &value)
                                            : whole(args, 1, 64, "a number from 1 to 64", &value))
        return CLI_USAGE;
    if (strcmp(args->option, "--jobs") == 0)
        options->jobs = (unsigned)value;
    else
        options->world.processors = (unsigned)value;
    return 0;
}

static int choices(struct job *job, struct cli_args *args)
{
    static const struct {
        const char *option;
        const char *names[5];
    } all[] = {{"--faults", {"none", "low-memory", "network", "all", NULL}},
               {"--completion", {"natural", "always-pend", "inline-when-possible", NULL}},
               {"--deliver", {"dispatch", "passive", "mixed", NULL}},
               {"--send-complete", {"sent", "acked", "copied", NULL}}};
    struct uwsk_world_options *world = &job->options.world;
    int *const values[] = {&world->faults, &world->completion, &world->deliver, &world->send_complete};

    for (int i = 0; i < 4; i++)
        if (strcmp(args->option, all[i].option) == 0)
            return (*values[i] = cli_args_choice(args, all[i].names)) < 0 ? CLI_USAGE : 0;
    return -1;
}

static int texts(struct job *job, struct cli_args *args)
{
    const struct {
        const char *option;
        const char **value;
    } all[] = {{"--scenario", &job->options.scenario},
               {"--json", &job->options.json},
               {"--trace", &job->options.trace},
               {"--replay", &job->options.replay},
               {"--merge", &job->merge},
               {"--registry", &job->setting[job->options.settings]}};

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (strcmp(args->option, all[i].option) == 0) {
            *all[i].value = cli_args_value(args);
            if (*all[i].value && strcmp(args->option, "--registry") == 0)
                job->options.settings++;
            return *all[i].value ? 0 : CLI_USAGE;
        }
    return -1;
}

static int parse_option(struct job *job, struct cli_args *args)
{
    static const char *const with_number[] = {"--seeds", "--first-seed", "--seed",      "--break-at",
                                              "--for",   "--jobs",       "--processors"};
    const char *option = args->option;
    int status;

    for (size_t i = 0; i < sizeof with_number / sizeof with_number[0]; i++)
        if (strcmp(option, with_number[i]) == 0)
            return numbers(job, args);
    if ((status = choices(job, args)) >= 0 || (status = texts(job, args)) >= 0)
        return status;
    if (strcmp(option, "--scheduler") == 0)
        return scheduler(job, args);
    if (strcmp(option, "--shard") == 0)
        return shard(job, args);
    if (strcmp(option, "--fail") == 0)
        return fail(job, args);
    if (strcmp(option, "--keep-going") == 0)
        job->options.keep_going = 1;
    else if (strcmp(option, "--sweep") == 0)
        job->options.sweep = 1;
    else if (strcmp(option, "--gdb") == 0)
        job->options.gdb = 1;
    else if (strcmp(option, "--help") == 0 || strcmp(option, "-h") == 0)
        job->help = 1;
    else
        return cli_unknown_option(args, options_known);
    return cli_args_no_value(args);
}

/* What cannot be had together. */
static int check(const struct uwsk_explore_options *options)
{
    if (options->gdb && options->replay)
        return cli_usage("explore", "--gdb runs a seed (--seed S): it cannot be given with --replay");
    if (options->replay)
        return 0;
    if (options->drivers == 0)
        return cli_usage("explore", "no driver is named");
    if (options->gdb && options->sweep)
        return cli_usage("explore", "--gdb makes one run, --sweep many: give --fail once:K or from:K");
    if (options->gdb && options->dfs >= 0)
        return cli_usage("explore", "--gdb makes one run, --scheduler dfs many: they cannot be combined");
    if (options->gdb && !options->one_seed)
        return cli_usage("explore", "--gdb needs --seed S");
    if (options->sweep && options->world.faults)
        return cli_usage("explore", "--sweep makes its own faults: --faults cannot be given with it");
    if (options->sweep && options->dfs >= 0)
        return cli_usage("explore", "--sweep and --scheduler dfs cannot be combined");
    if (options->shards > 1 && (options->one_seed || options->sweep || options->dfs >= 0))
        return cli_usage("explore", "--shard splits seeds: it cannot be given with --seed, --sweep or "
                                    "--scheduler dfs, which take one");
    return 0;
}

static int parse(struct job *job, int argc, char **argv)
{
    struct cli_args args;
    const char *word;
    int kind, status;

    cli_args_start(&args, argc, argv);
    while ((kind = cli_args_next(&args, &word)) != 0) {
        if (kind == 'w') {
            job->driver[job->options.drivers++] = word;
            continue;
        }
        status = parse_option(job, &args);
        if (status)
            return status;
        if (job->help)
            return 0;
    }
    if (job->merge)
        return job->options.drivers ? cli_usage("explore", "--merge takes no driver") : 0;
    return check(&job->options);
}

static unsigned processors(void)
{
    long count = sysconf(_SC_NPROCESSORS_ONLN);

    return count > 0 ? (unsigned)count : 1;
}

int cli_explore(int argc, char **argv)
{
    struct job job = {
        .options = {
            .world = UWSK_WORLD_OPTIONS_INITIALIZER, .seeds = 1000, .shard = 1, .shards = 1, .dfs = -1}};
    int status;

    job.driver = calloc((size_t)argc + 1, sizeof *job.driver);
    job.setting = calloc((size_t)argc + 1, sizeof *job.setting);
    if (!job.driver || !job.setting) {
        fputs("uwsk explore: out of memory\n", stderr);
        return CLI_USAGE;
    }
    job.options.jobs = processors();
    job.options.driver = job.driver;
    job.options.setting = job.setting;
    status = parse(&job, argc, argv);
    if (!job.seeds_given && (job.options.seconds > 0 || job.options.dfs >= 0))
        job.options.seeds = UINT64_MAX;
    job.options.progress = isatty(STDERR_FILENO);
    if (status == 0 && job.help)
        fputs(help, stdout);
    else if (status == 0 && job.merge)
        status = uwsk_explore_merge(job.merge, job.options.json);
    else if (status == 0)
        status = uwsk_explore(&job.options);
    free(job.driver);
    free(job.setting);
    return status;
}
