/*
 * dfs.c - every schedule of a small harness with at most so many preemptions (Musuvathi and Qadeer, PLDI 2007:
 * iterative context bounding).
 *
 * A schedule is its list of switches that differ from the default rule.  A run records what else could have been
 * chosen; each alternative behind the last switch of the run's own list is a schedule that nobody has tried: so
 * each is run exactly once.  Those with fewer preemptions come first.  A schedule is kept as the difference to its
 * parent.
 */
#include "explore/campaign.h"
#include "explore/shared.h"
#include "explore/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BOUND_MAX = 16 };

struct node {
    struct node *parent, *next;
    struct uwsk_switch last; /* step 0: the empty schedule */
    uint32_t length;         /* switches */
    uint32_t users;          /* children, and the queue */
};

struct search {
    const struct uwsk_explore_options *options;
    struct shared *shared;
    int out; /* what was found is written there: struct found, then the analysis */
    struct uwsk_world *world;
    struct node *queue[BOUND_MAX + 1]; /* by preemptions */
    uint64_t runs, waiting, diverged, by_preemptions[BOUND_MAX + 1];
    struct uwsk_switch *schedule;
    size_t room;
    int bound;
    double began, shown;
};

static void drop(struct node *node)
{
    while (node && --node->users == 0) {
        struct node *parent = node->parent;

        free(node);
        node = parent;
    }
}

static int push(struct search *search, struct node *parent, const struct uwsk_switch *last,
                unsigned preemptions)
{
    struct node *node = calloc(1, sizeof *node);

    if (!node)
        return -1;
    node->users = 1;
    if (parent) {
        node->parent = parent;
        parent->users++;
        node->length = parent->length + 1;
        node->last = *last;
    }
    node->next = search->queue[preemptions];
    search->queue[preemptions] = node;
    search->waiting++;
    return 0;
}

static int make_schedule(struct search *search, const struct node *node)
{
    if (node->length > search->room) {
        size_t room = node->length * 2u;
        void *bigger = realloc(search->schedule, room * sizeof *search->schedule);

        if (!bigger)
            return -1;
        search->schedule = bigger;
        search->room = room;
    }
    for (; node->length; node = node->parent)
        search->schedule[node->length - 1] = node->last;
    return 0;
}

/* What else could have been chosen behind the node's last switch. */
static int add_alternatives(struct search *search, struct node *node, unsigned preemptions)
{
    const struct sim_result *result = &search->world->result;

    for (size_t i = 0; i < result->decision_count; i++) {
        const struct sim_decision *decision = &result->decisions[i];

        if (decision->step <= node->last.step)
            continue;
        for (uint64_t left = decision->runnable; left; left &= left - 1) {
            uint32_t fiber = decision->first + (uint32_t)__builtin_ctzll(left);
            unsigned cost = decision->current_runnable && fiber != decision->current;
            struct uwsk_switch last = {decision->step, fiber, cost};

            if (fiber == decision->chosen || preemptions + cost > (unsigned)search->bound)
                continue;
            if (push(search, node, &last, preemptions + cost) != 0)
                return -1;
        }
    }
    return 0;
}

static int run_node(struct search *search, const struct node *node, struct uwsk_world_result *result)
{
    struct uwsk_world_options options = search->options->world;
    struct uwsk_problem problem;

    if (make_schedule(search, node) != 0)
        return -1;
    options.scheduler = UWSK_SCHEDULER_SEARCH;
    options.schedule = search->schedule;
    options.schedule_count = node->length;
    if (uwsk_world_set(search->world, &options, &problem) != 0 ||
        uwsk_world_run(search->world, NULL, NULL, result, &problem) != 0) {
        explore_say("%s", problem.text);
        return -1;
    }
    return 0;
}

static void show(struct search *search, int last)
{
    double now = explore_clock();

    if (!search->options->progress || (!last && now - search->shown < 0.1))
        return;
    search->shown = now;
    fprintf(stderr, "\r%llu schedules, %.0f/s, %llu waiting   ", (unsigned long long)search->runs,
            (double)search->runs / (now - search->began + 1e-9), (unsigned long long)search->waiting);
    if (last)
        fputc('\n', stderr);
}

static int found(struct search *search, const struct node *node, const struct uwsk_world_result *result)
{
    struct found found = {.seed = search->options->world.seed};
    struct uwsk_switch *schedule = malloc((node->length + 1u) * sizeof *schedule);
    size_t count = node->length;
    struct text json = {0};
    int status = 1;

    if (!schedule)
        return 2;
    memcpy(schedule, search->schedule, count * sizeof *schedule);
    snprintf(found.kind, sizeof found.kind, "%s", result->kind);
    snprintf(found.text, sizeof found.text, "%.*s", (int)strcspn(result->text, "\n"), result->text);
    if (write(search->out, &found, sizeof found) != (ssize_t)sizeof found)
        status = 2;
    explore_analyse(search->options, search->world, &found, schedule, count, search->options->trace, &json);
    if (json.length && write(search->out, json.data, json.length) != (ssize_t)json.length)
        status = 2;
    text_free(&json);
    free(schedule);
    return status;
}

static void summary(const struct search *search, int complete)
{
    printf("dfs:%d: %llu schedules", search->bound, (unsigned long long)search->runs);
    for (int i = 0; i <= search->bound; i++)
        printf("%s %llu with %d preemption%s", i ? "," : ":", (unsigned long long)search->by_preemptions[i],
               i, i == 1 ? "" : "s");
    printf("; %s, %.1f s\n", complete ? "complete" : "not complete", explore_clock() - search->began);
}

static int dfs(struct search *search)
{
    const struct uwsk_explore_options *options = search->options;
    struct uwsk_world_result result;
    int status = 0, preemptions = 0;

    if (push(search, NULL, NULL, 0) != 0)
        return 2;
    while (preemptions <= search->bound && status == 0) {
        struct node *node = search->queue[preemptions];

        if (!node) {
            preemptions++;
            continue;
        }
        if (search->runs >= options->seeds ||
            (options->seconds > 0 && explore_clock() - search->began >= options->seconds))
            break;
        search->queue[preemptions] = node->next;
        search->waiting--;
        if (run_node(search, node, &result) != 0) {
            status = 2;
        } else {
            search->runs++;
            explore_count(search->shared, search->world, &result);
            search->by_preemptions[preemptions]++;
            if (result.kind)
                status = found(search, node, &result);
            else if (result.diverged)
                search->diverged++; /* and what lies behind it is not tried */
            else if (add_alternatives(search, node, (unsigned)preemptions) != 0)
                status = 2;
        }
        drop(node);
        show(search, 0);
    }
    show(search, 1);
    if (status != 2)
        summary(search, status == 0 && search->waiting == 0 && search->diverged == 0);
    return status;
}

static int dfs_main(void *context, int out)
{
    const struct report *report = context;
    struct search search = {.options = report->options,
                            .shared = report->shared,
                            .out = out,
                            .world = explore_world(report->options),
                            .bound = report->options->dfs};

    if (!search.world)
        return 2;
    if (search.bound > BOUND_MAX)
        search.bound = BOUND_MAX;
    search.began = explore_clock();
    return dfs(&search);
}

int explore_dfs(struct report *report)
{
    struct found found = {.seed = report->options->world.seed};
    struct text out = {0};
    int status = explore_child(dfs_main, report, &out);

    if (out.length >= sizeof found) {
        memcpy(&found, out.data, sizeof found);
        text_bytes(&report->analyses, out.data + sizeof found, out.length - sizeof found);
    } else if (status > 2) {
        struct text command = {0};

        explore_crashed(&found, status);
        explore_command(report->options, &found, &command);
        report->shared->runs++;
        printf("violation: %s seed %llu: %s\nrun it again:  %s\n", found.kind, (unsigned long long)found.seed,
               found.text, text_of(&command));
        text_free(&command);
    }
    text_free(&out);
    if (found.kind[0] && report_keep(report, &found) != 0)
        return 2;
    return status > 2 ? 1 : status;
}
