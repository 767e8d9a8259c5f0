/* util.c: memory, text and file helpers of `uwsk cc`. */
#include "util.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void *cc_realloc(void *old, size_t bytes)
{
    void *fresh = realloc(old, bytes ? bytes : 1);
    if (!fresh) {
        fputs("uwsk cc: out of memory\n", stderr);
        exit(1);
    }
    return fresh;
}

char *cc_strndup(const char *text, size_t len)
{
    char *copy = cc_realloc(NULL, len + 1);
    memcpy(copy, text, len);
    copy[len] = 0;
    return copy;
}

char *cc_strdup(const char *text)
{
    return cc_strndup(text, strlen(text));
}

char *cc_printf(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *out = NULL;
    int n = vasprintf(&out, format, args);
    va_end(args);
    if (n < 0) {
        fputs("uwsk cc: out of memory\n", stderr);
        exit(1);
    }
    return out;
}

void cc_text_add(struct cc_text *text, const char *data, size_t len)
{
    if (text->len + len + 1 > text->room) {
        text->room = (text->len + len + 1) * 2;
        text->data = cc_realloc(text->data, text->room);
    }
    memcpy(text->data + text->len, data, len);
    text->len += len;
    text->data[text->len] = 0;
}

void cc_text_puts(struct cc_text *text, const char *data)
{
    cc_text_add(text, data, strlen(data));
}

void cc_list_add(struct cc_list *list, const char *item)
{
    list->item = cc_realloc(list->item, (list->count + 2) * sizeof *list->item);
    list->item[list->count++] = cc_strdup(item);
    list->item[list->count] = NULL;
}

void cc_list_add_once(struct cc_list *list, const char *item)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->item[i], item) == 0)
            return;
    cc_list_add(list, item);
}

void cc_list_add_all(struct cc_list *list, const struct cc_list *more)
{
    for (size_t i = 0; i < more->count; i++)
        cc_list_add(list, more->item[i]);
}

void cc_list_drop(struct cc_list *list, size_t count)
{
    while (count-- > 0 && list->count > 0) {
        free(list->item[--list->count]);
        list->item[list->count] = NULL;
    }
}

void cc_list_free(struct cc_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->item[i]);
    free(list->item);
    *list = (struct cc_list){0};
}

char *cc_read_file(const char *path, size_t *len)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        return NULL;
    struct cc_text text = {0};
    char chunk[65536];
    size_t n;
    while ((n = fread(chunk, 1, sizeof chunk, f)) > 0)
        cc_text_add(&text, chunk, n);
    int error = ferror(f) ? EIO : 0;
    fclose(f);
    if (error) {
        free(text.data);
        errno = error;
        return NULL;
    }
    cc_text_add(&text, "", 0);
    *len = text.len;
    return text.data;
}

bool cc_write_file(const char *path, const char *data, size_t len)
{
    FILE *f = fopen(path, "wb");
    if (!f)
        return false;
    bool good = fwrite(data, 1, len, f) == len;
    return fclose(f) == 0 && good;
}

bool cc_exists(const char *path)
{
    return access(path, F_OK) == 0;
}
