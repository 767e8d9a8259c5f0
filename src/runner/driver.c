/*
 * driver.c - the life of a driver: loaded, entered, unloaded, forgotten.
 *
 * DriverEntry and DriverUnload run on system threads of their own at PASSIVE_LEVEL, so that one that hangs
 * can be reported instead of hanging us.  What such a thread works on is the driver's record, which stays
 * while it runs.
 */
#include "runner.h"

#include "nt/io/file.h"
#include "nt/ob/ob.h"
#include "nt/ps/ps.h"
#include "nt/rtl/call.h"
#include "nt/rtl/rtl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <ntstatus.h>

#define ASKED_EVERY_MS 100
#define SETTLE_MS      1000 /* a routine that has told DriverUnload it is done has this long to return */

static struct uwsk_driver *drivers;

struct uwsk_driver *runner_drivers(void)
{
    return drivers;
}

struct uwsk_driver *runner_driver_at(const void *address)
{
    for (struct uwsk_driver *driver = drivers; driver; driver = driver->next)
        if (runner_image_holds(&driver->image, address))
            return driver;
    return NULL;
}

const char *uwsk_driver_name(const struct uwsk_driver *driver)
{
    return driver->name;
}

/* ---- calls into the driver ---------------------------------------------------------------------------- */

static void enter_driver(PVOID context)
{
    struct uwsk_driver *driver = context;
    PUNICODE_STRING path = io_driver_registry_path(driver->object);

    RTL_CALL(OBSERVE_DRIVER_ENTRY, driver->object, "DriverEntry", driver->entry,
             rtl_call_frame.status = driver->entered = driver->entry(driver->object, path));
}

static void unload_driver(PVOID context)
{
    struct uwsk_driver *driver = context;
    PDRIVER_UNLOAD unload = driver->object->DriverUnload;

    RTL_CALL(OBSERVE_DRIVER_UNLOAD, driver->object, "DriverUnload", unload, unload(driver->object));
}

/* Whoever waits for a DriverEntry has had enough. */
static int gives_up(const struct uwsk_driver *driver)
{
    const struct uwsk_options *options = runner_options();

    return options->loading(options->context, driver->name, host_now() - driver->called);
}

/* Runs routine(driver) on a thread of its own; timeout in ms, 0 = until options.loading gives it up.  0, 1: it still
 * runs, -1: no thread. */
static int run_on_thread(struct uwsk_driver *driver, const char *what, PKSTART_ROUTINE routine,
                         unsigned timeout_ms)
{
    LARGE_INTEGER due = {.QuadPart = -(LONGLONG)(timeout_ms ? timeout_ms : ASKED_EVERY_MS) * 10000};
    int for_ever = !timeout_ms && !runner_options()->loading;
    char name[32];
    NTSTATUS status;

    snprintf(name, sizeof name, "%.12s %.16s", what, driver->name);
    driver->calling = what;
    driver->called = host_now();
    if (!NT_SUCCESS(ps_create_runtime_thread(name, routine, driver, &driver->thread))) {
        driver->calling = NULL;
        return -1;
    }
    do
        status =
            ke_wait_for_single_object(driver->thread, Executive, KernelMode, FALSE, for_ever ? NULL : &due);
    while (status == STATUS_TIMEOUT && !timeout_ms && !gives_up(driver));
    if (status == STATUS_TIMEOUT)
        return 1;
    ob_dereference_object(driver->thread);
    driver->thread = NULL;
    driver->calling = NULL;
    return 0;
}

/* ---- load --------------------------------------------------------------------------------------------- */

void runner_driver_name(const char *path, char *name, size_t bytes)
{
    const char *slash = strrchr(path, '/');
    char *dot;

    snprintf(name, bytes, "%s", slash ? slash + 1 : path);
    dot = strrchr(name, '.');
    if (dot && dot != name)
        *dot = 0;
}

static int make_object(struct uwsk_driver *driver)
{
    char path[160];

    snprintf(path, sizeof path, "\\Registry\\Machine\\System\\CurrentControlSet\\Services\\%s", driver->name);
    if (runner_make_service_key(path) != 0)
        return -1;
    driver->object = io_driver_create(driver->name, path);
    if (!driver->object)
        return -1;
    driver->object->DriverInit = driver->entry;
    driver->object->DriverStart = (PVOID)driver->image.low;
    driver->object->DriverSize = (ULONG)(driver->image.high - driver->image.low);
    return 0;
}

static int32_t start(struct uwsk_driver *driver, struct uwsk_problem *problem)
{
    const char *name;

    switch (run_on_thread(driver, "DriverEntry", enter_driver, 0)) {
    case -1:
        runner_problem(problem, STATUS_INSUFFICIENT_RESOURCES, "%s: no thread for DriverEntry", driver->name);
        return STATUS_INSUFFICIENT_RESOURCES;
    case 1:
        runner_problem(problem, STATUS_CANCELLED, "%s: DriverEntry has not returned", driver->name);
        return STATUS_CANCELLED;
    }
    if (NT_SUCCESS(driver->entered)) {
        driver->started = 1;
        io_driver_started(driver->object);
        return driver->entered;
    }
    name = rtl_status_name(driver->entered);
    runner_problem(problem, driver->entered, "%s: DriverEntry failed with 0x%08X%s%s: %s", driver->name,
                   (unsigned)driver->entered, name ? " " : "", name ? name : "",
                   rtl_status_text(driver->entered));
    return driver->entered;
}

/* A service has one driver: its name is that of the driver object and of its key in the registry. */
static int is_taken(const char *name)
{
    for (const struct uwsk_driver *driver = drivers; driver; driver = driver->next)
        if (!driver->unloaded && (driver->started || driver->calling) && strcasecmp(driver->name, name) == 0)
            return 1;
    return 0;
}

int32_t uwsk_driver_load(const char *path, const char *name, struct uwsk_driver **out,
                         struct uwsk_problem *problem)
{
    struct uwsk_problem own;
    struct uwsk_driver *driver = calloc(1, sizeof *driver);
    int32_t status = STATUS_INSUFFICIENT_RESOURCES;

    *out = NULL;
    if (!problem)
        problem = &own;
    runner_problem(problem, status, "%s: out of memory", path);
    if (!driver)
        return status;
    driver->module = runner_load(path, &driver->entry, problem);
    if (!driver->module) {
        status = problem->status;
        goto out;
    }
    if (name)
        snprintf(driver->name, sizeof driver->name, "%s", name);
    else
        runner_driver_name(path, driver->name, sizeof driver->name);
    if (is_taken(driver->name)) {
        status = STATUS_OBJECT_NAME_COLLISION;
        runner_problem(problem, status, "%s: another driver named %s is loaded already", path, driver->name);
        goto out;
    }
    driver->image = runner_image_of((const void *)driver->entry);
    if (make_object(driver) != 0)
        goto out;
    driver->next = drivers;
    drivers = driver;
    *out = driver;
    problem->text[0] = 0;
    problem->status = STATUS_SUCCESS;
    status = start(driver, problem);
    if (!NT_SUCCESS(status) && !driver->calling)
        runner_account_settle(driver, SETTLE_MS);
    return status;
out:
    if (driver->module)
        host_module_unload(driver->module);
    free(driver);
    return status;
}

/* ---- unload ------------------------------------------------------------------------------------------- */

/* What runs or holds a device although DriverUnload has returned, and needs no help of the driver to end. */
static int is_on_its_way(struct uwsk_driver *driver)
{
    return io_completions_outstanding(driver->object) > 0 || /* K-COMPL-26 */
           io_devices_leave(driver->object); /* K-WORK-02: the item lets go after its routine */
}

static void wait_for_the_rest(struct uwsk_driver *driver, unsigned milliseconds)
{
    uint64_t until = host_now() + milliseconds * 1000000ull;
    uint32_t never = 0;

    while (is_on_its_way(driver) && host_now() < until)
        host_park(&never, 0, host_now() + 2000000u);
}

int uwsk_driver_unload(struct uwsk_driver *driver, unsigned timeout_ms)
{
    if (!driver->object->DriverUnload)
        return UWSK_CANNOT_UNLOAD;
    if (!driver->calling && !io_driver_begin_unload(driver->object))
        return UWSK_UNLOAD_OPEN;
    if (driver->calling ||
        run_on_thread(driver, "DriverUnload", unload_driver, timeout_ms ? timeout_ms : 1) != 0)
        return UWSK_UNLOAD_TIMEOUT;
    driver->unloaded = 1;
    wait_for_the_rest(driver, SETTLE_MS);
    runner_account_settle(driver, SETTLE_MS);
    return UWSK_UNLOADED;
}

void uwsk_driver_forget(struct uwsk_driver *driver)
{
    struct uwsk_driver **link = &drivers;

    if (driver->calling || (driver->started && !driver->unloaded) ||
        io_completions_outstanding(driver->object) > 0 || uwsk_account(driver, NULL, NULL) > 0)
        return;
    while (*link != driver)
        link = &(*link)->next;
    *link = driver->next;
    io_driver_delete(driver->object);
    host_module_unload(driver->module);
    free(driver);
}
