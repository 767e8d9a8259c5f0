/*
 * security.c - security descriptors of sockets: WSK_CACHE_SD, WSK_RELEASE_SD, SO_WSK_SECURITY, and the access check that
 * a bind asks for (areas SHARE, OPT, CTLC).
 *
 * A cached copy is a self-relative descriptor in a block of ours.  It lives as long as the client has a pointer to it
 * (`handles`: one for each WSK_CACHE_SD and each reading of the option, WSK_RELEASE_SD gives one back) or a socket uses
 * it (`sockets`).  The pointers that clients may have are in one list, whoever the client is: what is not in it is
 * refused and never looked at.
 */
#include "wsk/wskp.h"
#include "nt/se/se.h"

struct wsk_descriptor {
    LIST_ENTRY link; /* in `cached`, also while only sockets have it */
    LONG handles;
    LONG sockets;
    struct se_parts parts; /* of what follows */
    DECLSPEC_ALIGN(16) UCHAR self_relative[];
};

static KSPIN_LOCK lock; /* innermost */
static LIST_ENTRY cached;

void wsk_security_start(void)
{
    ke_initialize_spin_lock(&lock);
    InitializeListHead(&cached);
    se_system_token(); /* made now: a bind asks for it under locks */
}

/* ---- the cache ---------------------------------------------------------------------------------------- */

/* lock held: the copy that a client's pointer means; NULL: none. */
static struct wsk_descriptor *find(PSECURITY_DESCRIPTOR pointer)
{
    PLIST_ENTRY link;

    for (link = cached.Flink; link != &cached; link = link->Flink) {
        struct wsk_descriptor *copy = CONTAINING_RECORD(link, struct wsk_descriptor, link);

        if (copy->self_relative == pointer)
            return copy->handles > 0 ? copy : NULL;
    }
    return NULL;
}

/* Takes one away and frees the copy when it was the last. */
static void drop(struct wsk_descriptor *copy, LONG handles, LONG sockets, KIRQL irql)
{
    BOOLEAN last;

    copy->handles -= handles;
    copy->sockets -= sockets;
    last = copy->handles == 0 && copy->sockets == 0;
    if (last)
        RemoveEntryList(&copy->link);
    ke_release_spin_lock(&lock, irql);
    if (last)
        ex_free_pool(copy);
}

/* A copy of a descriptor's parts with one handle, the driver's until it has released it. */
static NTSTATUS cache(const struct se_parts *parts, void *caller, PSECURITY_DESCRIPTOR *out)
{
    ULONG length = se_flat_length(parts);
    struct wsk_descriptor *copy =
        ex_allocate_pool_for(POOL_FLAG_NON_PAGED, FIELD_OFFSET(struct wsk_descriptor, self_relative) + length,
                             WSK_TAG_SECURITY, EX_POOL_PLAIN, caller);
    KIRQL irql;

    if (copy == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    copy->handles = 1;
    copy->sockets = 0;
    se_flatten(parts, copy->self_relative, length);
    if (!se_read(copy->self_relative, length, &copy->parts)) { /* the driver writes to it meanwhile */
        ex_free_pool(copy);
        return STATUS_INVALID_SECURITY_DESCR;
    }
    *out = copy->self_relative;
    irql = ke_acquire_spin_lock(&lock);
    InsertTailList(&cached, &copy->link);
    ke_release_spin_lock(&lock, irql);
    return STATUS_SUCCESS;
}

NTSTATUS wsk_security_cache(SIZE_T in_size, const VOID *in, SIZE_T out_size, PVOID out, void *caller)
{
    PSECURITY_DESCRIPTOR given, copy;
    struct se_parts parts;
    NTSTATUS status;

    if (in == NULL || in_size != sizeof given || out == NULL || out_size < sizeof copy)
        return STATUS_INVALID_PARAMETER;
    RtlCopyMemory(&given, in, sizeof given);
    if (!se_read(given, 0, &parts))
        return STATUS_INVALID_SECURITY_DESCR;
    status = cache(&parts, caller, &copy);
    if (status == STATUS_SUCCESS)
        RtlCopyMemory(out, &copy, sizeof copy);
    return status;
}

NTSTATUS wsk_security_release(SIZE_T in_size, const VOID *in)
{
    struct wsk_descriptor *copy;
    PSECURITY_DESCRIPTOR given;
    KIRQL irql;

    if (in == NULL || in_size != sizeof given)
        return STATUS_INVALID_PARAMETER;
    RtlCopyMemory(&given, in, sizeof given);
    irql = ke_acquire_spin_lock(&lock);
    copy = find(given);
    if (copy == NULL) { /* C-CTLC-11: released already, or never one of ours */
        ke_release_spin_lock(&lock, irql);
        return STATUS_INVALID_PARAMETER;
    }
    drop(copy, 1, 0, irql);
    return STATUS_SUCCESS;
}

/* ---- sockets ------------------------------------------------------------------------------------------ */

NTSTATUS wsk_security_use(PSECURITY_DESCRIPTOR pointer, struct wsk_descriptor **out)
{
    KIRQL irql;

    *out = NULL;
    if (pointer == NULL)
        return STATUS_SUCCESS;
    irql = ke_acquire_spin_lock(&lock);
    *out = find(pointer);
    if (*out != NULL)
        (*out)->sockets++;
    ke_release_spin_lock(&lock, irql);
    return *out != NULL ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER;
}

void wsk_security_unuse(struct wsk_descriptor *copy)
{
    if (copy != NULL)
        drop(copy, 0, 1, ke_acquire_spin_lock(&lock));
}

NTSTATUS wsk_security_set(struct wsk_socket *socket, const VOID *in)
{
    PSECURITY_DESCRIPTOR given;
    struct wsk_descriptor *copy;
    NTSTATUS status;

    RtlCopyMemory(&given, in, sizeof given);
    if (given == NULL)
        return STATUS_INVALID_PARAMETER;
    if (socket->claim
            .held) /* C-OPT-29: bound, though its listen has failed; others may look at what it has */
        return STATUS_INVALID_DEVICE_STATE;
    status = wsk_security_use(given, &copy);
    if (status != STATUS_SUCCESS)
        return status; /* C-OPT-28 */
    wsk_security_unuse(socket->descriptor);
    socket->descriptor = copy; /* C-OPT-32 */
    return STATUS_SUCCESS;
}

/* The default: a list that lets nobody in (C-SHARE-41). */
static const ACL nobody = {.AclRevision = ACL_REVISION, .AclSize = sizeof(ACL)};

NTSTATUS wsk_security_get(struct wsk_socket *socket, PVOID out)
{
    struct wsk_descriptor *copy = socket->descriptor;
    PSECURITY_DESCRIPTOR pointer = NULL;
    NTSTATUS status = STATUS_SUCCESS;
    KIRQL irql;

    if (copy == NULL) { /* A36 */
        const struct se_token *token = se_system_token();
        struct se_parts parts = {
            .control = SE_DACL_PRESENT, .owner = token->owner, .group = token->group, .dacl = &nobody};

        status = cache(&parts, socket->client->caller, &pointer);
    } else {
        irql = ke_acquire_spin_lock(&lock);
        copy->handles++; /* C-OPT-34 */
        ke_release_spin_lock(&lock, irql);
        pointer = copy->self_relative;
    }
    if (status == STATUS_SUCCESS)
        RtlCopyMemory(out, &pointer, sizeof pointer);
    return status;
}

/* ---- the check ---------------------------------------------------------------------------------------- */

/* The table's lock is held, the lock of `first` is not, nor needed: it is in the table, so its descriptor neither changes
 * (wsk_security_set) nor goes (a close leaves the table first). */
NTSTATUS wsk_security_check(const struct wsk_socket *first)
{
    ACCESS_MASK granted;
    NTSTATUS status;

    if (first->descriptor == NULL)
        return STATUS_ACCESS_DENIED; /* C-SHARE-41, R-SOCK-16 */
    /* C-SHARE-40: whoever owns the second socket, there is one process, and its threads impersonate nobody. */
    se_access_check(&first->descriptor->parts, se_system_token(), FILE_READ_DATA | FILE_WRITE_DATA, 0,
                    &se_file_mapping, UserMode, &granted, &status);
    return status == STATUS_SUCCESS ? STATUS_SUCCESS : STATUS_ACCESS_DENIED; /* C-SHARE-39 */
}
