/* util.h: memory, text and file helpers of `uwsk cc`. Out of memory ends the command. */
#ifndef UWSK_CLI_UTIL_H
#define UWSK_CLI_UTIL_H

#include <stdbool.h>
#include <stddef.h>

void *cc_realloc(void *old, size_t bytes);
char *cc_strndup(const char *text, size_t len);
char *cc_strdup(const char *text);
/* printf into fresh memory; the caller frees it. */
char *cc_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A growing text. */
struct cc_text {
    char *data; /* ends with a 0 once anything was added */
    size_t len, room;
};
void cc_text_add(struct cc_text *text, const char *data, size_t len);
void cc_text_puts(struct cc_text *text, const char *data);

/* A growing list of strings, always ended by NULL; owns its strings. */
struct cc_list {
    char **item;
    size_t count;
};
void cc_list_add(struct cc_list *list, const char *item);
/* Unless it is in the list already. */
void cc_list_add_once(struct cc_list *list, const char *item);
void cc_list_add_all(struct cc_list *list, const struct cc_list *more);
/* Takes the last `count` off. */
void cc_list_drop(struct cc_list *list, size_t count);
void cc_list_free(struct cc_list *list);

/* The whole file, 0-ended; NULL with errno set. The caller frees it. */
char *cc_read_file(const char *path, size_t *len);
/* False with errno set. */
bool cc_write_file(const char *path, const char *data, size_t len);
bool cc_exists(const char *path);

#endif
