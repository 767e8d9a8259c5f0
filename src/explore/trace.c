/*
 * trace.c - a schedule as a file, with what it belongs to: JSON, so that a reader can look into it.
 *
 * A schedule counts steps of this build of the runtime and these drivers; their build-ids stand in the file, and a
 * trace of another build is refused.
 */
#include "explore/campaign.h"
#include "explore/world.h"

#include <cjson/cJSON.h>
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what identifies a file --------------------------------------------------------------------------- */

/* The build-id in the notes of an ELF file; 0, or -1: there is none. */
static int build_id(const uint8_t *data, size_t bytes, char *id, size_t room)
{
    const Elf64_Ehdr *head = (const void *)data;
    size_t length = 0;

    if (bytes < sizeof *head || memcmp(data, ELFMAG, SELFMAG) != 0 ||
        head->e_phentsize != sizeof(Elf64_Phdr) || head->e_phoff > bytes ||
        (size_t)head->e_phnum * sizeof(Elf64_Phdr) > bytes - head->e_phoff)
        return -1;
    for (unsigned i = 0; i < head->e_phnum; i++) {
        const Elf64_Phdr *segment = (const void *)(data + head->e_phoff + i * sizeof *segment);
        size_t at = segment->p_offset, end;

        if (segment->p_type != PT_NOTE || at > bytes || segment->p_filesz > bytes - at)
            continue;
        for (end = at + segment->p_filesz; at + sizeof(Elf64_Nhdr) <= end;) {
            const Elf64_Nhdr *note = (const void *)(data + at);
            size_t name = at + sizeof *note, value = name + ((note->n_namesz + 3u) & ~3u);

            if (value > end || note->n_descsz > end - value)
                break;
            if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4 &&
                memcmp(data + name, "GNU", 4) == 0) {
                for (unsigned k = 0; k < note->n_descsz && length + 3 < room; k++)
                    length += (size_t)snprintf(id + length, room - length, "%02x", data[value + k]);
                return length ? 0 : -1;
            }
            at = value + ((note->n_descsz + 3u) & ~3u);
        }
    }
    return -1;
}

int explore_file_id(const char *path, char *id, size_t room)
{
    size_t bytes;
    char *data = explore_read_file(path, &bytes);
    uint64_t hash = 0xcbf29ce484222325ull;

    if (!data)
        return -1;
    if (build_id((const uint8_t *)data, bytes, id, room) != 0) {
        for (size_t i = 0; i < bytes; i++)
            hash = (hash ^ (uint8_t)data[i]) * 0x100000001b3ull;
        snprintf(id, room, "file-%016llx", (unsigned long long)hash);
    }
    free(data);
    return 0;
}

/* The file that this code was loaded from: libuwsk.so, or the program that it is linked into. */
static int runtime_id(char *id, size_t room)
{
    Dl_info info;

    if (dladdr((void *)(uintptr_t)explore_file_id, &info) == 0 || !info.dli_fname)
        return -1;
    return explore_file_id(info.dli_fname, id, room);
}

/* ---- saving ------------------------------------------------------------------------------------------- */

/* Numbers of 64 bits as text: a double would round them. */
static void add_number(cJSON *object, const char *name, uint64_t number)
{
    char text[24];

    snprintf(text, sizeof text, "%llu", (unsigned long long)number);
    cJSON_AddStringToObject(object, name, text);
}

static cJSON *switches_json(const struct uwsk_switch *schedule, size_t count)
{
    cJSON *all = cJSON_CreateArray();

    for (size_t i = 0; i < count; i++) {
        const double numbers[3] = {(double)schedule[i].step, schedule[i].fiber, schedule[i].preemption};

        cJSON_AddItemToArray(all, cJSON_CreateDoubleArray(numbers, 3));
    }
    return all;
}

static int write_file(const char *path, cJSON *json)
{
    char *text = cJSON_Print(json);
    FILE *file = text ? fopen(path, "w") : NULL;
    int bad = !file;

    if (file) {
        fputs(text, file);
        fputc('\n', file);
        bad = ferror(file) != 0;
        bad |= fclose(file) != 0;
    }
    if (bad)
        explore_say("%s: cannot be written: %s", path, strerror(errno));
    free(text);
    return bad ? -1 : 0;
}

int trace_save(const char *path, const struct uwsk_explore_options *options, const struct uwsk_world *world,
               const struct found *found, const struct uwsk_switch *schedule, size_t count)
{
    cJSON *json = cJSON_CreateObject(), *drivers, *settings;
    char id[200] = "";
    int result;

    cJSON_AddNumberToObject(json, "uwsk-trace", 1);
    runtime_id(id, sizeof id);
    cJSON_AddStringToObject(json, "runtime", id);
    drivers = cJSON_AddArrayToObject(json, "drivers");
    for (size_t i = 0; i < world->drivers; i++) {
        cJSON *driver = cJSON_CreateObject();

        id[0] = 0;
        explore_file_id(world->driver[i].path, id, sizeof id);
        cJSON_AddStringToObject(driver, "file", world->driver[i].path);
        cJSON_AddStringToObject(driver, "id", id);
        cJSON_AddItemToArray(drivers, driver);
    }
    cJSON_AddStringToObject(json, "kind", found->kind);
    add_number(json, "seed", found->seed);
    cJSON_AddNumberToObject(json, "completion", world->drawn.completion);
    cJSON_AddNumberToObject(json, "deliver", world->drawn.deliver);
    cJSON_AddNumberToObject(json, "send-complete", world->drawn.send_complete);
    cJSON_AddNumberToObject(json, "processors", world->drawn.processors);
    cJSON_AddNumberToObject(json, "faults", world->options.faults);
    add_number(json, "fail-at", found->fail_at);
    cJSON_AddNumberToObject(json, "fail-onwards", found->fail_onwards);
    add_number(json, "hash", world->result.hash);
    if (world->scenario.source.length)
        cJSON_AddStringToObject(json, "scenario", text_of(&world->scenario.source));
    settings = cJSON_AddArrayToObject(json, "registry");
    for (size_t i = 0; i < options->settings; i++)
        cJSON_AddItemToArray(settings, cJSON_CreateString(options->setting[i]));
    cJSON_AddItemToObject(json, "switches", switches_json(schedule, count));
    result = write_file(path, json);
    cJSON_Delete(json);
    return result;
}

/* ---- loading ------------------------------------------------------------------------------------------ */

static char *copy_of(const cJSON *object, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));

    return text ? strdup(text) : NULL;
}

static int number_of(const cJSON *object, const char *name, uint64_t *out)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    const char *text = cJSON_GetStringValue(item);

    if (text)
        *out = strtoull(text, NULL, 10);
    else if (cJSON_IsNumber(item))
        *out = (uint64_t)item->valuedouble;
    else
        return -1;
    return 0;
}

static int small_of(const cJSON *object, const char *name, int low, int high, int *out)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);

    if (!cJSON_IsNumber(item) || item->valueint < low || item->valueint > high)
        return -1;
    *out = item->valueint;
    return 0;
}

static int load_switches(struct trace *trace, const cJSON *all)
{
    uint64_t last = 0;
    const cJSON *item;

    if (!cJSON_IsArray(all))
        return -1;
    trace->schedule = calloc((size_t)cJSON_GetArraySize(all) + 1, sizeof *trace->schedule);
    if (!trace->schedule)
        return -1;
    cJSON_ArrayForEach(item, all)
    {
        struct uwsk_switch *one = &trace->schedule[trace->count++];

        if (cJSON_GetArraySize(item) != 3)
            return -1;
        one->step = (uint64_t)cJSON_GetArrayItem(item, 0)->valuedouble;
        one->fiber = (uint32_t)cJSON_GetArrayItem(item, 1)->valuedouble;
        one->preemption = (uint32_t)cJSON_GetArrayItem(item, 2)->valuedouble;
        if (one->step <= last)
            return -1;
        last = one->step;
    }
    return 0;
}

static int load_lists(struct trace *trace, const cJSON *json)
{
    const cJSON *drivers = cJSON_GetObjectItemCaseSensitive(json, "drivers");
    const cJSON *settings = cJSON_GetObjectItemCaseSensitive(json, "registry"), *item;

    if (!cJSON_IsArray(drivers) || !cJSON_IsArray(settings))
        return -1;
    trace->driver = calloc((size_t)cJSON_GetArraySize(drivers) + 1, sizeof *trace->driver);
    trace->driver_id = calloc((size_t)cJSON_GetArraySize(drivers) + 1, sizeof *trace->driver_id);
    trace->setting = calloc((size_t)cJSON_GetArraySize(settings) + 1, sizeof *trace->setting);
    if (!trace->driver || !trace->driver_id || !trace->setting)
        return -1;
    cJSON_ArrayForEach(item, drivers)
    {
        trace->driver[trace->drivers] = copy_of(item, "file");
        trace->driver_id[trace->drivers] = copy_of(item, "id");
        if (!trace->driver[trace->drivers] || !trace->driver_id[trace->drivers])
            return -1;
        trace->drivers++;
    }
    cJSON_ArrayForEach(item, settings)
    {
        if (!cJSON_IsString(item))
            return -1;
        trace->setting[trace->settings++] = strdup(item->valuestring);
    }
    return 0;
}

static int load(struct trace *trace, const cJSON *json)
{
    int processors;

    trace->runtime_id = copy_of(json, "runtime");
    trace->kind = copy_of(json, "kind");
    trace->scenario = copy_of(json, "scenario");
    if (!trace->runtime_id || !trace->kind || number_of(json, "seed", &trace->seed) != 0 ||
        number_of(json, "fail-at", &trace->fail_at) != 0 ||
        small_of(json, "fail-onwards", 0, 1, &trace->fail_onwards) != 0 ||
        small_of(json, "faults", 0, UWSK_FAULTS_ALL, &trace->faults) != 0 ||
        small_of(json, "completion", 0, UWSK_COMPLETION_INLINE_WHEN_POSSIBLE, &trace->completion) != 0 ||
        small_of(json, "deliver", 0, UWSK_DELIVER_MIXED, &trace->deliver) != 0 ||
        small_of(json, "send-complete", 0, UWSK_SEND_COMPLETE_COPIED, &trace->send_complete) != 0 ||
        small_of(json, "processors", 1, 64, &processors) != 0 || load_lists(trace, json) != 0)
        return -1;
    trace->processors = (unsigned)processors;
    number_of(json, "hash", &trace->hash);
    return load_switches(trace, cJSON_GetObjectItemCaseSensitive(json, "switches"));
}

struct trace *trace_load(const char *path)
{
    size_t bytes;
    char *text = explore_read_file(path, &bytes);
    struct trace *trace = calloc(1, sizeof *trace);
    cJSON *json;

    if (!text || !trace) {
        explore_say("%s: cannot be read: %s", path, strerror(errno));
        free(text);
        free(trace);
        return NULL;
    }
    json = cJSON_Parse(text);
    if (!json || !cJSON_IsNumber(cJSON_GetObjectItemCaseSensitive(json, "uwsk-trace"))) {
        explore_say("%s: is no trace of uwsk explore (expected a JSON object with \"uwsk-trace\")", path);
    } else if (cJSON_GetObjectItemCaseSensitive(json, "uwsk-trace")->valueint != 1) {
        explore_say("%s: is a trace of another version of uwsk explore", path);
    } else if (load(trace, json) != 0) {
        explore_say("%s: is damaged: something of the trace is missing or out of range", path);
    } else {
        cJSON_Delete(json);
        free(text);
        return trace;
    }
    cJSON_Delete(json);
    free(text);
    trace_free(trace);
    return NULL;
}

int trace_check(const char *path, const struct trace *trace, const char *const *driver, size_t drivers)
{
    char id[200] = "";

    if (drivers != trace->drivers) {
        explore_say("%s: is the trace of %zu driver%s, %zu %s named", path, trace->drivers,
                    trace->drivers == 1 ? "" : "s", drivers, drivers == 1 ? "is" : "are");
        return -1;
    }
    if (runtime_id(id, sizeof id) != 0 || strcmp(id, trace->runtime_id) != 0) {
        explore_say(
            "%s: is the trace of another build of uwsk (build-id %.16s..., this is %.16s...): its steps "
            "mean nothing here; explore its seed %llu again",
            path, trace->runtime_id, id, (unsigned long long)trace->seed);
        return -1;
    }
    for (size_t i = 0; i < drivers; i++) {
        if (explore_file_id(driver[i], id, sizeof id) != 0) {
            explore_say("%s: cannot be read: %s", driver[i], strerror(errno));
            return -1;
        }
        if (strcmp(id, trace->driver_id[i]) != 0) {
            explore_say("%s: is the trace of another build of %s (build-id %.16s..., this is %.16s...): its "
                        "steps mean nothing here; explore its seed %llu again",
                        path, driver[i], trace->driver_id[i], id, (unsigned long long)trace->seed);
            return -1;
        }
    }
    return 0;
}

void trace_free(struct trace *trace)
{
    if (!trace)
        return;
    for (size_t i = 0; trace->driver && trace->driver[i]; i++)
        free(trace->driver[i]);
    for (size_t i = 0; trace->driver_id && trace->driver_id[i]; i++)
        free(trace->driver_id[i]);
    for (size_t i = 0; i < trace->settings; i++)
        free(trace->setting[i]);
    free(trace->driver);
    free(trace->driver_id);
    free(trace->setting);
    free(trace->kind);
    free(trace->scenario);
    free(trace->runtime_id);
    free(trace->schedule);
    free(trace);
}
