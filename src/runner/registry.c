/*
 * registry.c - values of a driver's Parameters key, from text: "Name=dword:7".
 */
#include "runner.h"

#include "nt/cm/cm.h"
#include "nt/rtl/rtl.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ntstatus.h>

enum { LONGEST = 16384 };

static const struct kind {
    const char *name;
    ULONG type;
} kinds[] = {
    {"dword", REG_DWORD}, {"qword", REG_QWORD}, {"sz", REG_SZ}, {"multi", REG_MULTI_SZ}, {"hex", REG_BINARY}};

struct value {
    const struct kind *kind;
    uint8_t data[2 * LONGEST + 8];
    ULONG length;
};

/* UTF-16 with an end; `;` parts the strings of a REG_MULTI_SZ. */
static void text_value(struct value *value, const char *text)
{
    uint16_t *units = (uint16_t *)(void *)value->data;
    size_t count = rtl_utf8_to_utf16((WCHAR *)units, LONGEST, text, strlen(text)).written;

    if (value->kind->type == REG_MULTI_SZ) {
        for (size_t i = 0; i < count; i++)
            if (units[i] == ';')
                units[i] = 0;
        if (count)
            units[count++] = 0;
    }
    units[count++] = 0;
    value->length = (ULONG)(count * sizeof *units);
}

static int number_value(struct value *value, const char *text)
{
    uint64_t number;
    char *end;

    errno = 0;
    number = strtoull(text, &end, 0);
    if (!isdigit((unsigned char)*text) || *end || errno ||
        (value->kind->type == REG_DWORD && number > 0xFFFFFFFFu))
        return 0;
    value->length = value->kind->type == REG_DWORD ? 4 : 8;
    memcpy(value->data, &number, value->length);
    return 1;
}

static int hex_value(struct value *value, const char *text)
{
    while (*text) {
        char two[3] = {text[0], text[1], 0};

        if (!isxdigit((unsigned char)two[0]) || !isxdigit((unsigned char)two[1]))
            return 0;
        value->data[value->length++] = (uint8_t)strtoul(two, NULL, 16);
        text += 2;
        if (*text == ',' && text[1])
            text++;
    }
    return 1;
}

/* `text` behind the '='. */
static int parse_value(struct value *value, const char *text)
{
    const char *colon = strchr(text, ':');

    if (!colon || strlen(colon + 1) >= LONGEST)
        return 0;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strlen(kinds[i].name) == (size_t)(colon - text) &&
            strncmp(kinds[i].name, text, (size_t)(colon - text)) == 0)
            value->kind = &kinds[i];
    if (!value->kind)
        return 0;
    if (value->kind->type == REG_DWORD || value->kind->type == REG_QWORD)
        return number_value(value, colon + 1);
    if (value->kind->type == REG_BINARY)
        return hex_value(value, colon + 1);
    text_value(value, colon + 1);
    return 1;
}

static void widen(PUNICODE_STRING target, uint16_t *buffer, size_t units, const char *text, size_t bytes)
{
    size_t written = rtl_utf8_to_utf16((WCHAR *)buffer, units, text, bytes).written;

    target->Buffer = (PWSTR)buffer;
    target->Length = target->MaximumLength = (USHORT)(written * sizeof *buffer);
}

int32_t uwsk_registry_set(const char *driver, const char *setting, struct uwsk_problem *problem)
{
    struct uwsk_problem own;
    const char *equals = strchr(setting, '=');
    struct value *value = calloc(1, sizeof *value);
    uint16_t path_units[512], name_units[256];
    UNICODE_STRING path, name;
    struct cm_key *key;
    char stem[64], text[256];
    int32_t status = STATUS_INSUFFICIENT_RESOURCES;
    int fresh;

    if (!problem)
        problem = &own;
    problem->text[0] = 0;
    if (!value) {
        runner_problem(problem, status, "out of memory");
        return status;
    }
    if (!equals || equals - setting > 255 || !parse_value(value, equals + 1)) {
        status = STATUS_INVALID_PARAMETER;
        runner_problem(problem, status,
                       "%.200s: not NAME=dword:N, qword:N, sz:TEXT, multi:TEXT;TEXT or hex:0a1b", setting);
        goto out;
    }
    runner_driver_name(driver, stem, sizeof stem);
    snprintf(text, sizeof text, "\\Registry\\Machine\\System\\CurrentControlSet\\Services\\%s\\Parameters",
             stem);
    widen(&path, path_units, sizeof path_units / sizeof *path_units, text, strlen(text));
    widen(&name, name_units, sizeof name_units / sizeof *name_units, setting, (size_t)(equals - setting));
    status = cm_find_key(NULL, &path, 2, &key, &fresh);
    if (status == STATUS_SUCCESS) {
        status = cm_set_value(key, &name, value->kind->type, value->data, value->length);
        cm_release_key(key);
    }
    if (status != STATUS_SUCCESS)
        runner_problem(problem, status, "%.200s: cannot be set", setting);
out:
    free(value);
    return status;
}

int runner_make_service_key(const char *path)
{
    uint16_t units[256];
    UNICODE_STRING wide;
    struct cm_key *key;
    int fresh;

    widen(&wide, units, sizeof units / sizeof *units, path, strlen(path));
    if (cm_find_key(NULL, &wide, 2, &key, &fresh) != STATUS_SUCCESS)
        return -1;
    cm_release_key(key);
    return 0;
}
