/*
 * left.c - what is left: the account as data (uwsk_account) and as text (uwsk_account_report).
 */
#include "runner.h"
#include "nmr/report.h"
#include "wsk/report.h"

#include "nt/cm/cm.h"
#include "nt/dbg/dbg.h"
#include "nt/fs/fs.h"
#include "nt/io/io.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the observers call it, what we call it. */
static const struct {
    int observed;
    int left;
    const char *one, *many;
} kinds[] = {
    {OBSERVE_SOCKET, UWSK_LEFT_SOCKET, "socket", "sockets"},
    {OBSERVE_INDICATION, UWSK_LEFT_INDICATION, "retained data indication", "retained data indications"},
    {OBSERVE_REGISTRATION, UWSK_LEFT_REGISTRATION, "WSK registration", "WSK registrations"},
    {OBSERVE_CAPTURE, UWSK_LEFT_CAPTURE, "captured provider NPI", "captured provider NPIs"},
    {OBSERVE_IRP, UWSK_LEFT_IRP, "IRP", "IRPs"},
    {OBSERVE_MDL, UWSK_LEFT_MDL, "MDL", "MDLs"},
    {OBSERVE_POOL, UWSK_LEFT_POOL, "pool block", "pool blocks"},
    {OBSERVE_WORK_ITEM, UWSK_LEFT_WORK_ITEM, "work item", "work items"},
    {OBSERVE_THREAD, UWSK_LEFT_THREAD, "system thread", "system threads"},
    {OBSERVE_TIMER, UWSK_LEFT_TIMER, "queued timer", "queued timers"},
    {OBSERVE_DPC, UWSK_LEFT_DPC, "queued DPC", "queued DPCs"},
    {OBSERVE_LOOKASIDE, UWSK_LEFT_LOOKASIDE, "lookaside list", "lookaside lists"},
    {OBSERVE_DEVICE, UWSK_LEFT_DEVICE, "device object", "device objects"},
    {OBSERVE_REGISTRATION, UWSK_LEFT_MODULE, "NMR registration", "NMR registrations"},
    {OBSERVE_FILE, UWSK_LEFT_FILE, "open file", "open files"},
    {OBSERVE_KEY, UWSK_LEFT_KEY, "open registry key", "open registry keys"},
    {OBSERVE_PROVIDER, UWSK_LEFT_PROVIDER, "event provider", "event providers"},
    {OBSERVE_LINK, UWSK_LEFT_LINK, "symbolic link", "symbolic links"},
    {OBSERVE_EX_TIMER, UWSK_LEFT_EX_TIMER, "EX_TIMER", "EX_TIMERs"},
    {OBSERVE_FILE_OBJECT, UWSK_LEFT_FILE_OBJECT, "reference to a FILE_OBJECT", "references to FILE_OBJECTs"},
    {OBSERVE_RESOURCE, UWSK_LEFT_RESOURCE, "ERESOURCE", "ERESOURCEs"},
    {OBSERVE_THREAD_HANDLE, UWSK_LEFT_THREAD_HANDLE, "handle of a system thread",
     "handles of system threads"},
    {OBSERVE_THREAD_REFERENCE, UWSK_LEFT_THREAD_REFERENCE, "reference to a thread object",
     "references to thread objects"},
};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

const char *uwsk_left_name(int kind, int many)
{
    for (int i = 0; i < KINDS; i++)
        if (kinds[i].left == kind)
            return many ? kinds[i].many : kinds[i].one;
    return "?";
}

static int left_kind(const struct runner_object *object)
{
    /* A registration that WSK has made itself carries no tag; the NMR's carry theirs. */
    if (object->kind == OBSERVE_REGISTRATION && object->tag)
        return UWSK_LEFT_MODULE;
    for (int i = 0; i < KINDS; i++)
        if (kinds[i].observed == object->kind)
            return kinds[i].left;
    return 0;
}

/* ---- states ------------------------------------------------------------------------------------------- */

static void irp_state(const struct runner_sockets *sockets, const void *irp, char *text, size_t bytes)
{
    for (size_t i = 0; sockets && i < sockets->sockets; i++) {
        const struct wsk_report_socket *socket = &sockets->socket[i];

        for (size_t k = 0; k < socket->irp_count && k < WSK_REPORT_IRPS; k++)
            if (socket->irps[k].irp == irp)
                snprintf(text, bytes, "pending in %s on socket %llu", socket->irps[k].operation,
                         (unsigned long long)socket->number);
    }
}

/* TraceLogging's providers come with their name (tag), the others with a GUID. */
static void provider_state(const struct runner_object *object, char *text, size_t bytes)
{
    const char *name = (const char *)(uintptr_t)object->tag;
    char guid[40];
    GUID id;

    if (name && host_memory_probe(name, 1, 0) == 0) {
        snprintf(text, bytes, "%s", name);
    } else if (!name && dbg_provider_guid(object->object, &id)) {
        runner_guid_text((const uint8_t *)&id, guid);
        snprintf(text, bytes, "%s", guid);
    }
}

/* The tag is a function of the driver's. */
static void routine_state(const struct runner_object *object, const char *what, char *text, size_t bytes)
{
    char name[200];

    if (!object->tag)
        return;
    host_symbolize((void *)(uintptr_t)object->tag, name, sizeof name);
    snprintf(text, bytes, "%s %s", what, name);
}

struct wanted_device {
    const void *device;
    char *text;
    size_t bytes;
};

static void name_device(void *context, PDEVICE_OBJECT device, PCUNICODE_STRING name)
{
    const struct wanted_device *wanted = context;
    size_t used = 0;

    if (device != wanted->device)
        return;
    for (; used < name->Length / sizeof(WCHAR) && used + 1 < wanted->bytes; used++)
        wanted->text[used] = (char)(name->Buffer[used] < 0x7F ? name->Buffer[used] : '?');
    wanted->text[used] = 0;
}

/* The tag is the device; it may be gone. */
static void device_state(const struct runner_object *object, char *text, size_t bytes)
{
    struct wanted_device wanted = {(const void *)(uintptr_t)object->tag, text, bytes};

    io_device_walk(NULL, name_device, &wanted);
}

static void state_text(const struct runner_object *object, const struct runner_sockets *sockets, char *text,
                       size_t bytes)
{
    const struct wsk_report_socket *socket;
    const struct nmr_report_module *module;

    text[0] = 0;
    switch (object->kind) {
    case OBSERVE_SOCKET:
        socket = runner_socket_find(sockets, object->object);
        if (socket)
            runner_socket_text(socket, text, bytes);
        break;
    case OBSERVE_IRP:
        irp_state(sockets, object->object, text, bytes);
        break;
    case OBSERVE_THREAD:
        routine_state(object, "runs", text, bytes);
        break;
    case OBSERVE_TIMER:
    case OBSERVE_DPC:
    case OBSERVE_EX_TIMER:
        routine_state(object, "calls", text, bytes);
        break;
    case OBSERVE_THREAD_HANDLE:
    case OBSERVE_THREAD_REFERENCE:
        routine_state(object, "its routine is", text, bytes);
        break;
    case OBSERVE_FILE_OBJECT:
        device_state(object, text, bytes);
        break;
    case OBSERVE_REGISTRATION:
        module = object->tag ? runner_module_find(sockets, object->object) : NULL;
        if (module)
            runner_module_text(module, text, bytes);
        break;
    case OBSERVE_FILE:
        if (!fs_file_name(object->object, text, bytes))
            text[0] = 0;
        break;
    case OBSERVE_KEY:
        if (!cm_key_name(object->object, text, bytes))
            text[0] = 0;
        break;
    case OBSERVE_LINK:
        (void)io_symbolic_link_name(object->object, text, bytes);
        break;
    case OBSERVE_PROVIDER:
        provider_state(object, text, bytes);
        break;
    default:
        break;
    }
}

/* ---- data --------------------------------------------------------------------------------------------- */

/* fn for each; WSK and the NMR are asked only when there is something of theirs to tell about. */
static size_t each_left(const struct uwsk_driver *driver,
                        void (*fn)(void *context, const struct runner_object *object,
                                   const struct uwsk_left *left),
                        void *context)
{
    size_t count, found = 0;
    struct runner_object *objects = runner_account_copy(&count);
    struct runner_sockets *sockets = NULL;
    int asked = 0;

    for (size_t i = 0; i < count; i++) {
        const struct runner_object *object = &objects[i];
        struct uwsk_left left = {.kind = left_kind(object), .object = object->object};
        char state[320];

        if (!left.kind || !runner_object_is_of(object, driver, &left.made_by))
            continue;
        found++;
        if (!fn)
            continue;
        if (!asked && (object->kind == OBSERVE_SOCKET || object->kind == OBSERVE_IRP ||
                       left.kind == UWSK_LEFT_MODULE)) {
            sockets = runner_sockets_get();
            asked = 1;
        }
        state_text(object, sockets, state, sizeof state);
        left.tag = object->tag;
        left.bytes = object->bytes;
        left.driver = driver ? driver->name : NULL;
        left.frames = object->frames;
        memcpy(left.stack, object->stack, sizeof left.stack);
        if (!left.frames && left.made_by) {
            left.stack[0] = (void *)left.made_by;
            left.frames = 1;
        }
        left.state = state;
        fn(context, object, &left);
    }
    runner_sockets_free(sockets);
    free(objects);
    return found;
}

struct plain {
    void (*fn)(void *context, const struct uwsk_left *left);
    void *context;
};

static void hand_on(void *context, const struct runner_object *object, const struct uwsk_left *left)
{
    const struct plain *plain = context;

    (void)object;
    plain->fn(plain->context, left);
}

size_t uwsk_account(const struct uwsk_driver *driver, void (*fn)(void *context, const struct uwsk_left *left),
                    void *context)
{
    struct plain plain = {fn, context};

    return each_left(driver, fn ? hand_on : NULL, &plain);
}

/* ---- text --------------------------------------------------------------------------------------------- */

/* Alike: same kind, tag and stack, and the same state but for what is told one by one. */
struct group {
    struct uwsk_left left;
    char state[320];
    uint64_t count;
    uint64_t bytes;
};

struct groups {
    struct group *group;
    size_t count, room;
    int lost;
};

/* The driver's part of the stack: what called the driver is ours and always the same. */
static size_t driver_frames(const struct uwsk_left *left)
{
    size_t count = left->frames;

    while (count > 0 && !runner_driver_at(left->stack[count - 1]))
        count--;
    return count ? count : left->frames;
}

static int is_alike(const struct group *group, const struct uwsk_left *left)
{
    size_t frames = driver_frames(left);

    return group->left.kind == left->kind && group->left.tag == left->tag &&
           driver_frames(&group->left) == frames &&
           memcmp(group->left.stack, left->stack, frames * sizeof left->stack[0]) == 0 &&
           left->kind != UWSK_LEFT_SOCKET && strcmp(group->state, left->state) == 0;
}

static void add_to_group(void *context, const struct runner_object *object, const struct uwsk_left *left)
{
    struct groups *all = context;
    struct group *group = NULL;

    (void)object;
    for (size_t i = 0; i < all->count && !group; i++)
        if (is_alike(&all->group[i], left))
            group = &all->group[i];
    if (!group && all->count == all->room) {
        size_t room = all->room ? 2 * all->room : 16;
        void *bigger = realloc(all->group, room * sizeof *all->group);

        if (!bigger) {
            all->lost = 1;
            return;
        }
        all->group = bigger;
        all->room = room;
    }
    if (!group) {
        group = &all->group[all->count++];
        memset(group, 0, sizeof *group);
        group->left = *left;
        snprintf(group->state, sizeof group->state, "%s", left->state);
    }
    group->count++;
    group->bytes += left->bytes;
}

static void print_group(const struct runner_out *out, const struct group *group)
{
    const struct uwsk_left *left = &group->left;
    char tag[16], what[128], text[700];

    snprintf(what, sizeof what, "%llu %s", (unsigned long long)group->count,
             uwsk_left_name(left->kind, group->count > 1));
    if (left->kind == UWSK_LEFT_POOL)
        snprintf(text, sizeof text, "%s, tag %s, %llu bytes", what, runner_tag_text(left->tag, tag),
                 (unsigned long long)group->bytes);
    else if (left->kind == UWSK_LEFT_SOCKET && group->state[0])
        snprintf(text, sizeof text, "1 socket: %s", group->state);
    else if (left->kind == UWSK_LEFT_INDICATION)
        snprintf(text, sizeof text, "%s, %llu bytes", what, (unsigned long long)group->bytes);
    else
        snprintf(text, sizeof text, "%s%s%s", what, group->state[0] ? ", " : "", group->state);
    if (group->count == 1)
        runner_line(out, "  %s (%p), made at", text, left->object);
    else
        runner_line(out, "  %s (%p ...), made at", text, left->object);
    runner_stack(out, "      ", left->stack, driver_frames(left));
}

size_t uwsk_account_report(const struct uwsk_driver *driver, void (*line)(void *context, const char *text),
                           void *context)
{
    struct runner_out out = {line, context};
    struct groups all = {0};
    size_t found = each_left(driver, add_to_group, &all);
    uint64_t lost = runner_account_lost();

    for (int i = 0; i < KINDS; i++) /* sockets first: the rest hangs on them */
        for (size_t k = 0; k < all.count; k++)
            if (all.group[k].left.kind == kinds[i].left)
                print_group(&out, &all.group[k]);
    if (all.lost)
        runner_line(&out, "  ... and more: there is not enough memory to list it");
    if (lost)
        runner_line(&out,
                    "  ... and %llu object%s that could not be recorded, for want of memory: some of them "
                    "may be left",
                    (unsigned long long)lost, lost == 1 ? "" : "s");
    free(all.group);
    return found;
}
