/*
 * cm.h - the registry: keys and values in memory.
 */
#ifndef UWSK_NT_CM_H
#define UWSK_NT_CM_H

#include <wdm.h>

struct cm_value {
    struct cm_value *next;
    UNICODE_STRING name; /* empty: the key's default value */
    ULONG type, length;
    UCHAR *data;
};

struct cm_key {
    struct cm_key *parent, *next, *children;
    struct cm_value *values;
    UNICODE_STRING name, class_name;
    LARGE_INTEGER written;
    long references; /* the tree's own, and one for each handle */
    int deleted;
};

/* Guards the tree.  Nothing is called under it, and nothing of a driver's is touched there that was not tried before. */
void cm_lock(void);
void cm_unlock(void);

/* The key with this path below `from`, or from the root for "\Registry\...".  create: its last part, too, or
 * (create > 1) every part.  With a reference; *fresh: it was made.  Not under the lock.
 * STATUS_SUCCESS, STATUS_OBJECT_NAME_NOT_FOUND, STATUS_OBJECT_PATH_NOT_FOUND (not in the registry),
 * STATUS_OBJECT_PATH_SYNTAX_BAD, STATUS_KEY_DELETED, STATUS_INSUFFICIENT_RESOURCES, STATUS_ACCESS_VIOLATION (as the
 * following, when memory of the driver's is not there). */
NTSTATUS cm_find_key(struct cm_key *from, PCUNICODE_STRING path, int create, struct cm_key **key, int *fresh);
void cm_release_key(struct cm_key *key);
NTSTATUS cm_delete_key(struct cm_key *key);

/* Under the lock: the value, or NULL; by number. */
struct cm_value *cm_find_value(struct cm_key *key, PCUNICODE_STRING name);
struct cm_value *cm_value_at(struct cm_key *key, ULONG index);

/* STATUS_SUCCESS, STATUS_KEY_DELETED, STATUS_INSUFFICIENT_RESOURCES. */
NTSTATUS cm_set_value(struct cm_key *key, PCUNICODE_STRING name, ULONG type, const void *data, ULONG length);
/* STATUS_SUCCESS, STATUS_KEY_DELETED, STATUS_OBJECT_NAME_NOT_FOUND. */
NTSTATUS cm_delete_value(struct cm_key *key, PCUNICODE_STRING name);
NTSTATUS cm_set_class(struct cm_key *key, PCUNICODE_STRING class_name);

/* The path of a key that a driver has open (an object of the account), UTF-8; FALSE when it is closed. */
BOOLEAN cm_key_name(const void *object, char *text, size_t bytes);

/* The entries of RtlQueryRegistryValues, one by one; top NULL: a key that is not there. */
NTSTATUS cm_query_table(struct cm_key *top, const RTL_QUERY_REGISTRY_TABLE *entry, PVOID context);

#endif
