/*
 * ob.h - counted objects and handles.
 *
 * A counted object has a header in front of its body; drivers see the body.  Threads and events made by
 * handle are such objects; io may make device, driver and file objects with ob_create_object.  IRPs, MDLs and
 * all that drivers embed (KEVENT, KTIMER, ...) are not (D-10).
 */
#ifndef UWSK_NT_OB_H
#define UWSK_NT_OB_H

#include "nt/ke/ke.h"

struct ob_type {
    const char *name;
    int observe_kind;              /* enum observe_object, 0 = not accounted */
    int waitable;                  /* the body begins with a DISPATCHER_HEADER */
    void (*destroy)(void *object); /* last reference gone; NULL = nothing to do but free the memory */
    /* Asked first, if not NULL: non-zero when it will call ob_destroy_object itself, at a better time. */
    int (*defer)(void *object);
    /* enum observe_object, 0 = not accounted: references that drivers take, handles that are open, and the tag under which
     * both are told. */
    int observe_references, observe_handles;
    uint64_t (*observe_tag)(const void *object);
};

extern const struct ob_type ob_thread_type; /* *PsThreadType */
extern const struct ob_type ob_event_type;  /* *ExEventObjectType */
extern const struct ob_type ob_process_type;

/* A zeroed object with one reference, 16-byte aligned; NULL when memory is short.  IRQL <= DISPATCH_LEVEL. */
void *ob_create_object(const struct ob_type *type, size_t bytes);
LONG_PTR ob_reference_object(PVOID object);   /* the new count; not a counted object: bug check 0x18 */
LONG_PTR ob_dereference_object(PVOID object); /* the new count; destroys at 0.  IRQL <= DISPATCH_LEVEL */
/* The same, but the object ends on a worker thread. */
void ob_dereference_object_later(PVOID object, void *caller);
/* ob_reference_object, ob_dereference_object and ob_dereference_object_later for a driver, which returns to `caller` and
 * may have to account for what it took; the second tells of a reference that it has got in another way. */
LONG_PTR ob_reference_for(PVOID object, void *caller);
void ob_reference_given(PVOID object, void *caller);
LONG_PTR ob_dereference_for(PVOID object, void *caller);
void ob_dereference_later_for(PVOID object, void *caller);
/* What the last dereference does; for a type's `defer`. */
void ob_destroy_object(PVOID object);
const struct ob_type *ob_object_type(PVOID object);
LONG_PTR ob_reference_count(PVOID object);

/* Handles: the table holds one reference for each.  IRQL <= DISPATCH_LEVEL.
 * STATUS_SUCCESS, STATUS_INSUFFICIENT_RESOURCES, STATUS_ACCESS_VIOLATION (*handle cannot be written). */
NTSTATUS ob_open_handle(PVOID object, PHANDLE handle);
/* STATUS_SUCCESS, STATUS_INVALID_HANDLE, STATUS_OBJECT_TYPE_MISMATCH (type NULL = any, D-23). */
NTSTATUS ob_reference_object_by_handle(HANDLE handle, ACCESS_MASK access, const struct ob_type *type,
                                       KPROCESSOR_MODE mode, PVOID *object);
NTSTATUS ob_close_handle(HANDLE handle);
/* Open handles right now, for the account. */
unsigned ob_handle_count(void);

#endif
