/*
 * text.c - text that grows, and reading files.
 */
#include "explore/explore.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int text_reserve(struct text *text, size_t bytes)
{
    size_t room = text->room ? text->room : 256;
    char *bigger;

    if (text->length + bytes + 1 <= text->room)
        return 0;
    while (room < text->length + bytes + 1)
        room *= 2;
    bigger = realloc(text->data, room);
    if (!bigger)
        return -1; /* what does not fit is left out */
    text->data = bigger;
    text->room = room;
    return 0;
}

void text_bytes(struct text *text, const void *data, size_t bytes)
{
    if (text_reserve(text, bytes) != 0)
        return;
    memcpy(text->data + text->length, data, bytes);
    text->length += bytes;
    text->data[text->length] = 0;
}

void text_add(struct text *text, const char *format, ...)
{
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (length < 0 || text_reserve(text, (size_t)length) != 0)
        return;
    va_start(arguments, format);
    vsnprintf(text->data + text->length, (size_t)length + 1, format, arguments);
    va_end(arguments);
    text->length += (size_t)length;
}

void text_line(void *text, const char *line)
{
    text_add(text, "%s\n", line);
}

void text_free(struct text *text)
{
    free(text->data);
    memset(text, 0, sizeof *text);
}

void text_shell(struct text *text, const char *argument)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./:,@%";

    if (*argument && argument[strspn(argument, plain)] == 0) {
        text_add(text, "%s", argument);
        return;
    }
    text_add(text, "'");
    for (; *argument; argument++) {
        if (*argument == '\'')
            text_add(text, "'\\''");
        else
            text_bytes(text, argument, 1);
    }
    text_add(text, "'");
}

void explore_problem(struct uwsk_problem *problem, int32_t status, const char *format, ...)
{
    va_list arguments;

    if (!problem)
        return;
    problem->status = status;
    va_start(arguments, format);
    vsnprintf(problem->text, sizeof problem->text, format, arguments);
    va_end(arguments);
}

char *explore_read_file(const char *path, size_t *bytes)
{
    FILE *file = fopen(path, "rb");
    struct text text = {0};
    char part[4096];
    size_t got;

    if (!file)
        return NULL;
    while ((got = fread(part, 1, sizeof part, file)) > 0)
        text_bytes(&text, part, got);
    if (ferror(file)) {
        int error = errno;

        fclose(file);
        text_free(&text);
        errno = error;
        return NULL;
    }
    fclose(file);
    if (!text.data)
        text_add(&text, "%s", "");
    *bytes = text.length;
    return text.data;
}
