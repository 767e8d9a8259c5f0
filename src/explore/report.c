/*
 * report.c - what a campaign has found, told and written down: every violation is counted, the first of each kind is
 * looked at closely, and what a list has no room for is said.
 */
#include "explore/campaign.h"
#include "explore/shared.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LISTED_MAX = 1000 }; /* violations that are listed; the first of a kind always is */

int report_start(struct report *report, const struct uwsk_explore_options *options)
{
    memset(report, 0, sizeof *report);
    report->options = options;
    report->began = explore_clock();
    report->shared = shared_create();
    if (report->shared)
        return 0;
    explore_say("no memory for the campaign");
    return -1;
}

void report_end(struct report *report)
{
    shared_destroy(report->shared);
    text_free(&report->analyses);
    free(report->found);
}

/* ---- what was found ----------------------------------------------------------------------------------- */

static int by_seed(const void *a, const void *b)
{
    const struct found *x = a, *y = b;

    if (x->seed != y->seed)
        return x->seed < y->seed ? -1 : 1;
    if (x->fail_at != y->fail_at)
        return x->fail_at < y->fail_at ? -1 : 1;
    return x->fail_onwards - y->fail_onwards;
}

/* The earliest of this kind, or NULL. */
static struct found *first_of_kind(const struct report *report, const char *kind)
{
    struct found *first = NULL;

    for (size_t i = 0; i < report->founds; i++)
        if (strcmp(report->found[i].kind, kind) == 0 && (!first || by_seed(&report->found[i], first) < 0))
            first = &report->found[i];
    return first;
}

int report_keep(struct report *report, const struct found *found)
{
    struct found *first;

    report->violations++;
    if (report->founds >= LISTED_MAX && (first = first_of_kind(report, found->kind)) != NULL) {
        if (by_seed(found, first) < 0)
            *first = *found;
        return 0;
    }
    if (report->founds == report->room) {
        size_t room = report->room ? 2 * report->room : 64;
        struct found *bigger = realloc(report->found, room * sizeof *bigger);

        if (!bigger) {
            explore_say("no memory for what was found");
            return -1;
        }
        report->found = bigger;
        report->room = room;
    }
    report->found[report->founds++] = *found;
    return 0;
}

static int seen_before(const struct report *report, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (strcmp(report->found[i].kind, report->found[index].kind) == 0)
            return 1;
    return 0;
}

void report_tell(struct report *report)
{
    int analysed = 0;

    if (report->founds)
        qsort(report->found, report->founds, sizeof report->found[0], by_seed);
    if (!report->options->keep_going && report->founds > 1)
        report->violations = report->founds = 1;
    for (size_t i = 0; i < report->founds; i++) {
        const struct found *found = &report->found[i];
        size_t before = report->analyses.length;

        if (seen_before(report, i)) {
            printf("violation: %s seed %llu: %s\n", found->kind, (unsigned long long)found->seed,
                   found->text);
            continue;
        }
        if (before)
            text_add(&report->analyses, ",");
        explore_analyse_apart(report->options, found, analysed++ ? NULL : report->options->trace,
                              &report->analyses);
        if (before && report->analyses.length == before + 1) /* nothing came: take the comma back */
            report->analyses.data[--report->analyses.length] = 0;
    }
    if (report->violations > report->founds)
        printf("%llu more violations of these kinds are not listed\n",
               (unsigned long long)(report->violations - report->founds));
}

/* ---- the file ----------------------------------------------------------------------------------------- */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void closes_json(const struct shared *shared, cJSON *json)
{
    const char *text[SHARED_CLOSES];
    cJSON *all = cJSON_AddArrayToObject(json, "close-states");
    size_t count = 0;

    for (int i = 0; i < SHARED_CLOSES; i++)
        if (shared->close[i].ready)
            text[count++] = shared->close[i].text;
    qsort(text, count, sizeof *text, by_text);
    for (size_t i = 0; i < count; i++)
        cJSON_AddItemToArray(all, cJSON_CreateString(text[i]));
}

static void found_json(const struct report *report, cJSON *json)
{
    cJSON *all = cJSON_AddArrayToObject(json, "found");

    for (size_t i = 0; i < report->founds; i++) {
        const struct found *found = &report->found[i];
        cJSON *one = cJSON_CreateObject();
        struct text command = {0};
        char number[24];

        snprintf(number, sizeof number, "%llu", (unsigned long long)found->seed);
        explore_command(report->options, found, &command);
        cJSON_AddStringToObject(one, "kind", found->kind);
        cJSON_AddStringToObject(one, "seed", number);
        cJSON_AddStringToObject(one, "text", found->text);
        cJSON_AddStringToObject(one, "command", text_of(&command));
        cJSON_AddItemToArray(all, one);
        text_free(&command);
    }
}

static cJSON *report_json(const struct report *report)
{
    const struct uwsk_explore_options *options = report->options;
    const struct shared *shared = report->shared;
    cJSON *json = cJSON_CreateObject(), *drivers, *analyses;
    struct text all = {0};
    char number[32];

    cJSON_AddNumberToObject(json, "uwsk-explore", 1);
    drivers = cJSON_AddArrayToObject(json, "drivers");
    for (size_t i = 0; i < options->drivers; i++)
        cJSON_AddItemToArray(drivers, cJSON_CreateString(options->driver[i]));
    snprintf(number, sizeof number, "%llu", (unsigned long long)options->world.seed);
    cJSON_AddStringToObject(json, "first-seed", number);
    snprintf(number, sizeof number, "%u/%u", options->shard, options->shards);
    cJSON_AddStringToObject(json, "shard", number);
    cJSON_AddNumberToObject(json, "seeds", (double)shared->seeds);
    cJSON_AddNumberToObject(json, "runs", (double)shared->runs);
    cJSON_AddNumberToObject(json, "steps", (double)shared->steps);
    cJSON_AddNumberToObject(json, "schedules", (double)shared->schedules);
    cJSON_AddNumberToObject(json, "seconds", explore_clock() - report->began);
    cJSON_AddNumberToObject(json, "violations", (double)report->violations);
    closes_json(shared, json);
    found_json(report, json);
    text_add(&all, "[%s]", text_of(&report->analyses));
    analyses = cJSON_Parse(text_of(&all));
    cJSON_AddItemToObject(json, "analyses", analyses ? analyses : cJSON_CreateArray());
    text_free(&all);
    return json;
}

int report_save(const struct report *report)
{
    const char *path = report->options->json;
    cJSON *json = report_json(report);
    char *text = cJSON_Print(json);
    FILE *file = text ? fopen(path, "w") : NULL;
    int bad = 1;

    if (file) {
        fprintf(file, "%s\n", text);
        bad = ferror(file) != 0;
        bad |= fclose(file) != 0;
    }
    if (bad)
        explore_say("%s: cannot be written: %s", path, strerror(errno));
    free(text);
    cJSON_Delete(json);
    return bad ? -1 : 0;
}
