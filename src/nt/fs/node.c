/*
 * node.c - which files of the host are open here, how they are shared, and which go with their last handle.
 *
 * A node is known by the file's own number and by its path, so that a name which somebody else gives to another file
 * meanwhile is not removed or renamed in its place.  Everything here is under the lock of names.
 */
#include "nt/fs/fs.h"
#include "nt/ke/ke.h"

#include <string.h>

static struct fs_node *nodes;

enum { READS = FILE_READ_DATA | FILE_EXECUTE, WRITES = FILE_WRITE_DATA | FILE_APPEND_DATA };

struct fs_node *fs_node_of(const struct host_file_about *about, const struct fs_path *path)
{
    struct fs_node *node = nodes;

    while (node &&
           (node->number != about->number || node->device != about->device ||
            node->path_bytes != path->length + 1 || memcmp(node->path, path->text, path->length) != 0))
        node = node->next;
    return node;
}

char *fs_copy_path(const struct fs_path *path)
{
    char *text = ke_allocate(path->length + 1);

    if (text)
        memcpy(text, path->text, path->length + 1);
    return text;
}

void fs_free_path(char *text)
{
    ke_free(text, strlen(text) + 1);
}

void fs_move_node(struct fs_node *node, char *text)
{
    if (node->path)
        fs_free_path(node->path);
    node->path = text;
    node->path_bytes = strlen(text) + 1;
}

struct fs_node *fs_open_node(const struct host_file_about *about, const struct fs_path *path)
{
    struct fs_node *node = fs_node_of(about, path);
    char *text;

    if (!node) {
        text = fs_copy_path(path);
        if (!text)
            return NULL;
        node = ke_allocate(sizeof *node);
        if (!node) {
            fs_free_path(text);
            return NULL;
        }
        fs_move_node(node, text);
        node->device = about->device;
        node->number = about->number;
        node->next = nodes;
        nodes = node;
    }
    node->handles++;
    return node;
}

void fs_close_node(struct fs_node *node)
{
    struct fs_node **link = &nodes;

    if (--node->handles > 0)
        return;
    if (node->delete_pending) /* what cannot be removed any more stays */
        host_file_remove(fs_root(), node->path, node->device, node->number);
    while (*link != node)
        link = &(*link)->next;
    *link = node->next;
    fs_free_path(node->path);
    ke_free(node, sizeof *node);
}

BOOLEAN fs_open_below(const char *path)
{
    size_t length = strlen(path);

    for (struct fs_node *node = nodes; node; node = node->next)
        if (node->path_bytes > length + 1 && memcmp(node->path, path, length) == 0 &&
            node->path[length] == '/')
            return TRUE;
    return FALSE;
}

BOOLEAN fs_may_share(const struct fs_node *node, ACCESS_MASK access, ULONG share)
{
    if (!(access & (READS | WRITES | DELETE)))
        return TRUE; /* whoever only looks disturbs nobody */
    if ((access & READS && node->shared_read < node->sharers) ||
        (access & WRITES && node->shared_write < node->sharers) ||
        (access & DELETE && node->shared_delete < node->sharers))
        return FALSE;
    return !((node->readers && !(share & FILE_SHARE_READ)) ||
             (node->writers && !(share & FILE_SHARE_WRITE)) ||
             (node->deleters && !(share & FILE_SHARE_DELETE)));
}

void fs_share(struct fs_node *node, ACCESS_MASK access, ULONG share, LONG one)
{
    if (!(access & (READS | WRITES | DELETE)))
        return;
    node->sharers += (ULONG)one;
    node->readers += access & READS ? (ULONG)one : 0;
    node->writers += access & WRITES ? (ULONG)one : 0;
    node->deleters += access & DELETE ? (ULONG)one : 0;
    node->shared_read += share & FILE_SHARE_READ ? (ULONG)one : 0;
    node->shared_write += share & FILE_SHARE_WRITE ? (ULONG)one : 0;
    node->shared_delete += share & FILE_SHARE_DELETE ? (ULONG)one : 0;
}
