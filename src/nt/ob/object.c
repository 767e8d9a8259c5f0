/*
 * object.c - counted objects: a header in front of the body.
 */
#include "nt/ob/ob.h"
#include "nt/ex/ex.h"
#include "nt/ke/internal.h"

#define OBJECT_MAGIC 0x7463656a626f7775ull /* "uwobject" */
#define OBJECT_DEAD  0x6465616465616421ull

struct ob_header {
    uint64_t magic;
    const struct ob_type *type;
    LONG_PTR references;
    size_t bytes; /* of header and body */
};

_Static_assert(sizeof(struct ob_header) % 16 == 0, "the body is aligned like the header");

static uint64_t thread_tag(const void *object)
{
    return (uint64_t)(ULONG_PTR)((const struct ke_thread *)object)->start_routine;
}

const struct ob_type ob_thread_type = {.name = "Thread",
                                       .waitable = 1,
                                       .destroy = ke_destroy_thread,
                                       .observe_references = OBSERVE_THREAD_REFERENCE,
                                       .observe_handles = OBSERVE_THREAD_HANDLE,
                                       .observe_tag = thread_tag};
const struct ob_type ob_event_type = {.name = "Event", .observe_kind = 0, .waitable = 1, .destroy = NULL};
const struct ob_type ob_process_type = {.name = "Process", .observe_kind = 0, .waitable = 1, .destroy = NULL};

/* The header, or a bug check: what has no header was never counted. */
static struct ob_header *header_of(PVOID object, void *caller)
{
    struct ob_header *header = (struct ob_header *)object - 1;

    if (!object || header->magic != OBJECT_MAGIC)
        ke_bug_check_from(REFERENCE_BY_POINTER, 0, (ULONG_PTR)object, 0, 0, caller);
    return header;
}

void *ob_create_object(const struct ob_type *type, size_t bytes)
{
    struct ob_header *header = ke_allocate(sizeof *header + bytes);

    if (!header)
        return NULL;
    header->magic = OBJECT_MAGIC;
    header->type = type;
    header->references = 1;
    header->bytes = sizeof *header + bytes;
    if (type->observe_kind)
        OBSERVE(born, type->observe_kind, header + 1, 0, bytes, __builtin_return_address(0));
    return header + 1;
}

static LONG_PTR reference(PVOID object, void *caller)
{
    struct ob_header *header = header_of(object, caller);
    LONG_PTR now = __atomic_add_fetch(&header->references, 1, __ATOMIC_RELAXED);

    if (now <= 1) /* it was being destroyed */
        ke_bug_check_from(REFERENCE_BY_POINTER, (ULONG_PTR)header->type, (ULONG_PTR)object, 1, (ULONG_PTR)now,
                          caller);
    return now;
}

void ob_destroy_object(PVOID object)
{
    struct ob_header *header = (struct ob_header *)object - 1;
    const struct ob_type *type = header->type;

    if (type->observe_kind)
        OBSERVE(dead, type->observe_kind, object);
    if (type->destroy)
        type->destroy(object);
    header->magic = OBJECT_DEAD;
    ke_free(header, header->bytes);
}

/* One reference less; 0 = the caller has to end the object. */
static LONG_PTR drop(PVOID object, void *caller)
{
    struct ob_header *header = header_of(object, caller);
    const struct ob_type *type = header->type;
    LONG_PTR now = __atomic_sub_fetch(&header->references, 1, __ATOMIC_ACQ_REL);

    if (now < 0)
        ke_bug_check_from(REFERENCE_BY_POINTER, (ULONG_PTR)type, (ULONG_PTR)object, 2, (ULONG_PTR)now,
                          caller);
    return now;
}

static void end(void *object)
{
    const struct ob_type *type = ((struct ob_header *)object - 1)->type;

    if (!type->defer || !type->defer(object))
        ob_destroy_object(object);
}

static LONG_PTR dereference(PVOID object, void *caller)
{
    LONG_PTR now = drop(object, caller);

    if (now == 0)
        end(object);
    return now;
}

LONG_PTR ob_reference_object(PVOID object)
{
    return reference(object, __builtin_return_address(0));
}

LONG_PTR ob_dereference_object(PVOID object)
{
    return dereference(object, __builtin_return_address(0));
}

const struct ob_type *ob_object_type(PVOID object)
{
    return header_of(object, __builtin_return_address(0))->type;
}

LONG_PTR ob_reference_count(PVOID object)
{
    return __atomic_load_n(&header_of(object, __builtin_return_address(0))->references, __ATOMIC_RELAXED);
}

/* ---- references of drivers ---------------------------------------------------------------------------- */

void ob_reference_given(PVOID object, void *caller)
{
    const struct ob_type *type = header_of(object, caller)->type;

    if (type->observe_references)
        OBSERVE(born, type->observe_references, object, type->observe_tag(object), 0, caller);
}

LONG_PTR ob_reference_for(PVOID object, void *caller)
{
    LONG_PTR now = reference(object, caller);

    ob_reference_given(object, caller);
    return now;
}

/* Before the reference goes: the object may go with it. */
static void let_go(PVOID object, void *caller)
{
    const struct ob_type *type = header_of(object, caller)->type;

    if (type->observe_references)
        OBSERVE(let_go, type->observe_references, object, caller);
}

LONG_PTR ob_dereference_for(PVOID object, void *caller)
{
    let_go(object, caller);
    return dereference(object, caller);
}

/* ---- WDK ---------------------------------------------------------------------------------------------- */

/* One reference more, for the caller; returns the new count.  Any IRQL.  (wdm ObReferenceObject) */
LONG_PTR ObfReferenceObject(PVOID Object)
{
    return ob_reference_for(Object, __builtin_return_address(0));
}

/* Gives a reference back; the last one destroys the object.  IRQL <= DISPATCH_LEVEL.  (wdm
 * ObDereferenceObject) */
LONG_PTR ObfDereferenceObject(PVOID Object)
{
    return ob_dereference_for(Object, __builtin_return_address(0));
}

/* One reference more if the object has the type (NULL = any).  STATUS_SUCCESS, STATUS_OBJECT_TYPE_MISMATCH.
 * (wdm ObReferenceObjectByPointer) */
NTSTATUS ObReferenceObjectByPointer(PVOID Object, ACCESS_MASK DesiredAccess, POBJECT_TYPE ObjectType,
                                    KPROCESSOR_MODE AccessMode)
{
    (void)DesiredAccess, (void)AccessMode;
    if (ObjectType && (const struct ob_type *)ObjectType != ob_object_type(Object))
        return STATUS_OBJECT_TYPE_MISMATCH;
    (void)ob_reference_for(Object, __builtin_return_address(0));
    return STATUS_SUCCESS;
}

/* The end of an object on a worker thread. */
struct late_end {
    struct ex_work work;
    PVOID object;
};

static void end_late(void *context)
{
    struct late_end *late = context;

    end(late->object);
    ke_free(late, sizeof *late);
}

void ob_dereference_object_later(PVOID object, void *caller)
{
    struct late_end *late;

    if (drop(object, caller) > 0)
        return;
    late = ke_allocate(sizeof *late);
    if (!late) { /* then here and now, as if it were called so */
        end(object);
        return;
    }
    late->object = object;
    ex_queue_worker(&late->work, end_late, late);
}

void ob_dereference_later_for(PVOID object, void *caller)
{
    let_go(object, caller);
    ob_dereference_object_later(object, caller);
}

/* ObDereferenceObject whose object, if it was the last reference, ends on a worker thread.  IRQL <= DISPATCH_LEVEL.
 * (wdm ObDereferenceObjectDeferDelete) */
VOID NTAPI ObDereferenceObjectDeferDelete(PVOID Object)
{
    ob_dereference_later_for(Object, __builtin_return_address(0));
}
