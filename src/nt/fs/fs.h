/*
 * fs.h - files: names below one directory of the host, open files, and who shares them with whom.
 *
 * One lock guards all names: it is held while a file is opened, renamed or removed, over the host's calls.  So a
 * name means one thing from the moment it is found until its file is open.  Data is not moved under it.
 */
#ifndef UWSK_NT_FS_H
#define UWSK_NT_FS_H

#include <wdm.h>

#include "host/host.h"
#include "nt/ex/ex.h"

enum { FS_PATH_BYTES = 4096, FS_NAME_UNITS = 255 };

/* ---- the room as others see it ------------------------------------------------------------------------ */

/* The root of all files (host_file_root), -1 = none; the former one is closed.  Nothing may be open. */
void fs_set_root(int root);
/* The name of an open file as the account shows it, UTF-8; FALSE when there is no such file any more. */
BOOLEAN fs_file_name(const void *object, char *text, size_t bytes);

/* ---- names (path.c) ----------------------------------------------------------------------------------- */

struct fs_file;

/* Below the root, UTF-8 with '/' between names; "" = the root. */
struct fs_path {
    char text[FS_PATH_BYTES];
    size_t length;
};

struct fs_found {
    struct fs_path path; /* in the spelling of the host; the last name in the caller's when it is not there */
    BOOLEAN exists;
    BOOLEAN as_folder;            /* the name ended with a backslash */
    struct host_file_about about; /* if it exists */
};

void fs_lock(void);
void fs_unlock(void);
int fs_root(void);

/* What a name leads to, without regard to case; `folder` NULL, or the open folder it is relative to.  Under the
 * lock.  STATUS_SUCCESS, also when only the last name is not there; STATUS_OBJECT_PATH_NOT_FOUND,
 * STATUS_OBJECT_NAME_INVALID, STATUS_OBJECT_PATH_SYNTAX_BAD, STATUS_ACCESS_DENIED (it leads out of the root),
 * STATUS_INSUFFICIENT_RESOURCES. */
NTSTATUS fs_find(const struct fs_file *folder, PCUNICODE_STRING name, struct fs_found *found);
/* Appends a name; FALSE when it does not fit. */
BOOLEAN fs_append(struct fs_path *path, const char *name, size_t bytes);
/* The same for a name in UTF-16. */
BOOLEAN fs_append_wide(struct fs_path *path, const WCHAR *name, size_t units);
NTSTATUS fs_status(int64_t result); /* of the host: a count is STATUS_SUCCESS */

/* ---- open files (open.c, node.c) ---------------------------------------------------------------------- */

/* One for each file of the host that is open here. */
struct fs_node {
    struct fs_node *next;
    uint64_t device, number;
    ULONG handles; /* open files */
    /* Of those that read, write or delete (IoCheckShareAccess). */
    ULONG sharers, readers, writers, deleters, shared_read, shared_write, shared_delete;
    BOOLEAN delete_pending; /* goes with the last handle */
    uint32_t append;        /* a lock (ke/shared.h): finding the end and writing there is one step */
    size_t path_bytes;
    char *path;
};

struct fs_entry { /* of a folder that is being listed */
    struct fs_entry *next;
    USHORT units;
    WCHAR name[];
};

struct fs_file {
    struct fs_file *next; /* all of them */
    struct fs_node *node;
    struct ex_work work; /* its end, when that is asked for at raised IRQL */
    int host;
    ACCESS_MASK access;
    ULONG share, options;
    BOOLEAN folder, link, synchronous;
    uint32_t lock; /* (ke/shared.h) guards what follows; held over each request of a synchronous file */
    LONGLONG position;
    struct fs_entry *entries; /* sorted */
    struct fs_entry *at;      /* the next one */
    BOOLEAN listed;           /* the entries have been read */
    BOOLEAN matched;          /* one of them was told */
    USHORT pattern_units;
    WCHAR pattern[FS_NAME_UNITS];
};

/* All under the lock of names.  The node of an open file of the host with its path; one reference (`handles`). */
struct fs_node *fs_open_node(const struct host_file_about *about, const struct fs_path *path);
/* Gives it back; removes the file with the last one, if that is pending. */
void fs_close_node(struct fs_node *node);
BOOLEAN fs_may_share(const struct fs_node *node, ACCESS_MASK access, ULONG share);
void fs_share(struct fs_node *node, ACCESS_MASK access, ULONG share, LONG one); /* one: 1 or -1 */
/* Is this one open, or anything below it?  And its node, or NULL. */
struct fs_node *fs_node_of(const struct host_file_about *about, const struct fs_path *path);
BOOLEAN fs_open_below(const char *path);
/* A path of its own, NULL = no memory; the node takes it over. */
char *fs_copy_path(const struct fs_path *path);
void fs_free_path(char *text);
void fs_move_node(struct fs_node *node, char *text);

/* The file with a reference.  STATUS_INVALID_HANDLE, STATUS_OBJECT_TYPE_MISMATCH. */
NTSTATUS fs_reference(HANDLE handle, struct fs_file **file);

/* What is done by handle begins and ends so.  A synchronous file (`alone`: any) does one thing at a time.  The end
 * fills the status block and sets the event.  Also STATUS_INVALID_PARAMETER: there are no APCs. */
struct fs_request {
    struct fs_file *file; /* with a reference */
    PRKEVENT event;       /* with a reference, or NULL */
    BOOLEAN locked;
};
NTSTATUS fs_begin(struct fs_request *request, HANDLE handle, HANDLE event, PIO_APC_ROUTINE apc,
                  BOOLEAN alone);
NTSTATUS fs_end(struct fs_request *request, PIO_STATUS_BLOCK out, NTSTATUS status, ULONG_PTR information);

void fs_free_entries(struct fs_file *file);
int fs_has_entries(const char *path); /* 1, 0 or an enum host_file_error (directory.c) */

/* Bug check 0x0A unless at PASSIVE_LEVEL: `function` is what the driver has called. */
void fs_check_level(const void *function, void *caller);
#define FS_PASSIVE(function) fs_check_level((const void *)(function), __builtin_return_address(0))

/* ---- what is told (information.c) --------------------------------------------------------------------- */

/* The attributes that Windows would show. */
ULONG fs_attributes(const struct host_file_about *about);
void fs_tell_network(const struct host_file_about *about, PFILE_NETWORK_OPEN_INFORMATION out);
/* Whether the file goes with its last handle.  STATUS_SUCCESS, STATUS_ACCESS_DENIED (not opened for it, or by a
 * symbolic link), STATUS_CANNOT_DELETE (read-only, or the root), STATUS_DIRECTORY_NOT_EMPTY. */
NTSTATUS fs_set_disposition(struct fs_file *file, BOOLEAN remove);

/* ---- patterns (match.c) ------------------------------------------------------------------------------- */

/* '*' and '?', and what they become in programs of DOS ('<' '>' '"'), without regard to case. */
BOOLEAN fs_matches(const WCHAR *pattern, size_t pattern_units, const WCHAR *name, size_t units);

#endif
