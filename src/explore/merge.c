/*
 * merge.c - the reports of many shards as one.
 */
#include "explore/campaign.h"

#include <cjson/cJSON.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct merge {
    const char *folder;
    double seeds, runs, steps, schedules, seconds, violations;
    size_t files;
    unsigned shards;      /* of how many these reports speak */
    unsigned char *shard; /* which of them are there: shards + 1 */
    cJSON *closes;        /* an object: each close state once */
    cJSON *found;         /* an array */
    cJSON *analyses;
};

static double number(const cJSON *json, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, name);

    return cJSON_IsNumber(item) ? item->valuedouble : 0;
}

static int take_shard(struct merge *merge, const char *path, const cJSON *json)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "shard"));
    unsigned which, many;

    if (!text || sscanf(text, "%u/%u", &which, &many) != 2 || which == 0 || which > many || many > 1000000) {
        explore_say("%s: expected \"shard\": \"I/N\" in the report", path);
        return -1;
    }
    if (!merge->shard) {
        merge->shards = many;
        merge->shard = calloc(many + 1, 1);
        if (!merge->shard)
            return -1;
    }
    if (many != merge->shards) {
        explore_say("%s: is one of %u shards, the reports before it are of %u", path, many, merge->shards);
        return -1;
    }
    if (merge->shard[which])
        explore_say("%s: shard %u is there twice; both are counted", path, which);
    merge->shard[which] = 1;
    return 0;
}

static void move_all(cJSON *from, const char *name, cJSON *to)
{
    cJSON *all = cJSON_GetObjectItemCaseSensitive(from, name);

    while (cJSON_IsArray(all) && cJSON_GetArraySize(all) > 0)
        cJSON_AddItemToArray(to, cJSON_DetachItemFromArray(all, 0));
}

static int take_report(struct merge *merge, const char *path)
{
    size_t bytes;
    char *text = explore_read_file(path, &bytes);
    cJSON *json = text ? cJSON_Parse(text) : NULL;
    const cJSON *item;
    int status = -1;

    if (!text) {
        explore_say("%s: cannot be read: %s", path, strerror(errno));
    } else if (!json || number(json, "uwsk-explore") != 1) {
        explore_say("%s: is no report of uwsk explore --json", path);
    } else if (take_shard(merge, path, json) == 0) {
        merge->files++;
        merge->seeds += number(json, "seeds");
        merge->runs += number(json, "runs");
        merge->steps += number(json, "steps");
        merge->schedules += number(json, "schedules");
        merge->seconds += number(json, "seconds");
        merge->violations += number(json, "violations");
        cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(json, "close-states"))
        {
            if (cJSON_IsString(item) && !cJSON_HasObjectItem(merge->closes, item->valuestring))
                cJSON_AddTrueToObject(merge->closes, item->valuestring);
        }
        move_all(json, "found", merge->found);
        move_all(json, "analyses", merge->analyses);
        status = 0;
    }
    cJSON_Delete(json);
    free(text);
    return status;
}

static int is_report(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);

    return length > 5 && strcmp(entry->d_name + length - 5, ".json") == 0;
}

static int read_folder(struct merge *merge)
{
    struct dirent **entry;
    int count = scandir(merge->folder, &entry, is_report, alphasort), status = 0;

    if (count < 0) {
        explore_say("%s: cannot be read: %s", merge->folder, strerror(errno));
        return -1;
    }
    for (int i = 0; i < count; i++) {
        struct text path = {0};

        text_add(&path, "%s/%s", merge->folder, entry[i]->d_name);
        if (status == 0)
            status = take_report(merge, text_of(&path));
        text_free(&path);
        free(entry[i]);
    }
    free(entry);
    if (status == 0 && merge->files == 0) {
        explore_say("%s: has no reports (files *.json of uwsk explore --json)", merge->folder);
        return -1;
    }
    return status;
}

static const char *string(const cJSON *json, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, name));

    return text ? text : "?";
}

static void tell(const struct merge *merge)
{
    const cJSON *item;
    unsigned missing = 0;

    cJSON_ArrayForEach(item, merge->found)
    {
        printf("violation: %s seed %s: %s\n", string(item, "kind"), string(item, "seed"),
               string(item, "text"));
        printf("  run it again: %s\n", string(item, "command"));
    }
    if (merge->violations > cJSON_GetArraySize(merge->found))
        printf("%.0f more violations of these kinds are not listed\n",
               merge->violations - cJSON_GetArraySize(merge->found));
    for (unsigned i = 1; i <= merge->shards; i++)
        missing += !merge->shard[i];
    printf("merged %zu reports: %.0f seeds, %.0f runs, %.0f schedules, %d close states, %.0f violation%s, "
           "%.1f s of "
           "work\n",
           merge->files, merge->seeds, merge->runs, merge->schedules, cJSON_GetArraySize(merge->closes),
           merge->violations, merge->violations == 1 ? "" : "s", merge->seconds);
    if (missing) {
        printf("missing: %u of %u shards:", missing, merge->shards);
        for (unsigned i = 1, told = 0; i <= merge->shards && told < 20; i++)
            if (!merge->shard[i]) {
                printf(" %u", i);
                told++;
            }
        printf("\n");
    }
}

static int save(const struct merge *merge, const char *path)
{
    cJSON *json = cJSON_CreateObject(), *closes;
    const cJSON *item;
    char *text;
    FILE *file;
    int bad = 1;

    cJSON_AddNumberToObject(json, "uwsk-explore", 1);
    cJSON_AddStringToObject(json, "shard", "1/1");
    cJSON_AddNumberToObject(json, "seeds", merge->seeds);
    cJSON_AddNumberToObject(json, "runs", merge->runs);
    cJSON_AddNumberToObject(json, "steps", merge->steps);
    cJSON_AddNumberToObject(json, "schedules", merge->schedules);
    cJSON_AddNumberToObject(json, "seconds", merge->seconds);
    cJSON_AddNumberToObject(json, "violations", merge->violations);
    closes = cJSON_AddArrayToObject(json, "close-states");
    cJSON_ArrayForEach(item, merge->closes)
    {
        cJSON_AddItemToArray(closes, cJSON_CreateString(item->string));
    }
    cJSON_AddItemReferenceToObject(json, "found", merge->found);
    cJSON_AddItemReferenceToObject(json, "analyses", merge->analyses);
    text = cJSON_Print(json);
    file = text ? fopen(path, "w") : NULL;
    if (file) {
        fprintf(file, "%s\n", text);
        bad = fclose(file) != 0;
    }
    if (bad)
        explore_say("%s: cannot be written: %s", path, strerror(errno));
    free(text);
    cJSON_Delete(json);
    return bad ? -1 : 0;
}

int uwsk_explore_merge(const char *folder, const char *json)
{
    struct merge merge = {.folder = folder,
                          .closes = cJSON_CreateObject(),
                          .found = cJSON_CreateArray(),
                          .analyses = cJSON_CreateArray()};
    int status = 2;

    if (read_folder(&merge) == 0) {
        tell(&merge);
        status = merge.violations > 0 ? 1 : 0;
        if (json && save(&merge, json) != 0)
            status = 2;
    }
    cJSON_Delete(merge.closes);
    cJSON_Delete(merge.found);
    cJSON_Delete(merge.analyses);
    free(merge.shard);
    return status;
}
