/*
 * runner.h - the private header of the runner.
 */
#ifndef UWSK_RUNNER_H
#define UWSK_RUNNER_H

#include <stddef.h>
#include <stdint.h>

#include <uwsk/runtime.h>

#include "nt/io/io.h"
#include "nt/ke/ke.h"
#include "nt/observe.h"

/* ---- images: whose code is at an address (image.c) ---------------------------------------------------- */

struct runner_image {
    uintptr_t low, high; /* one past the last byte; 0, 0 = none */
};

static inline int runner_image_holds(const struct runner_image *image, const void *address)
{
    return (uintptr_t)address - image->low < image->high - image->low;
}

/* The loaded file that holds the address. */
struct runner_image runner_image_of(const void *address);
/* The runtime itself; empty when it is linked into the program. */
struct runner_image runner_own_image(void);

/* ---- drivers (driver.c) ------------------------------------------------------------------------------- */

/* Those of uwsk_runtime_start (runtime.c). */
const struct uwsk_options *runner_options(void);

struct uwsk_driver {
    struct uwsk_driver *next; /* all of them, newest first: a record stays once it was named in a report */
    char name[64];
    void *module;
    struct runner_image image;
    PDRIVER_OBJECT object;
    PDRIVER_INITIALIZE entry;
    int32_t entered;          /* what DriverEntry has returned */
    int started;              /* that was no error */
    int unloaded;             /* DriverUnload has returned */
    const char *calling;      /* "DriverUnload", while it runs */
    struct ke_thread *thread; /* which runs it */
    uint64_t called;          /* host_now() */
};

/* The driver whose code this is, or NULL. */
struct uwsk_driver *runner_driver_at(const void *address);
struct uwsk_driver *runner_drivers(void);

/* ---- loading (load.c) --------------------------------------------------------------------------------- */

/* The module and its DriverEntry; NULL with the reason in *problem. */
void *runner_load(const char *path, PDRIVER_INITIALIZE *entry, struct uwsk_problem *problem);
void runner_problem(struct uwsk_problem *problem, int32_t status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- live objects (account.c) ------------------------------------------------------------------------- */

#define RUNNER_ROUTINE OBSERVE_OBJECT_MAX /* a driver routine that runs: object is its struct ke_routine */

struct runner_object {
    struct runner_object *next;
    const void *object;
    uint64_t born;  /* host_ticks() */
    uint64_t since; /* routine: running since; host_now() */
    uint64_t tag;   /* pool: tag; thread, timer, DPC: the routine; routine: enum observe_call */
    uint64_t bytes;
    void *caller; /* routine: the function */
    uint8_t kind; /* enum observe_object or RUNNER_ROUTINE */
    uint8_t frames;
    union {
        void *stack[UWSK_LEFT_FRAMES];
        struct {
            const void *subject;
            const char *name;
            uint64_t thread;
        } routine;
    };
};

/* Installs the hooks; nothing that was born before is known.  0, or -1: no memory. */
int runner_account_start(void);
void runner_account_stop(void);
/* Copies of all that live, in order of birth; free() the array.  NULL with *count 0 when there is nothing. */
struct runner_object *runner_account_copy(size_t *count);
/* How many are in none of the copies, since there was no memory to record them. */
uint64_t runner_account_lost(void);
/* Waits until no routine of the driver runs on any thread, at most `milliseconds`: it may be on its last
 * lines. */
void runner_account_settle(const struct uwsk_driver *driver, unsigned milliseconds);
/* Is this object made by the driver (NULL: by nobody's code but not the runtime's)?  *made_by gets the
 * address that says so. */
int runner_object_is_of(const struct runner_object *object, const struct uwsk_driver *driver,
                        const void **made_by);

/* ---- sockets (sockets.c): a copy of what WSK and the NMR tell ----------------------------------------- */

struct wsk_report_socket;
struct wsk_report_client;
struct nmr_report_module;

struct runner_sockets {
    struct wsk_report_socket *socket;
    size_t sockets;
    struct wsk_report_client *client;
    size_t clients;
    struct nmr_report_module *module; /* of the Network Module Registrar */
    size_t modules;
    int complete; /* 0: WSK could not be asked, because all processors hang */
};

/* Asks on a thread of its own, for two seconds at most. */
struct runner_sockets *runner_sockets_get(void);
void runner_sockets_free(struct runner_sockets *sockets);
const struct wsk_report_socket *runner_socket_find(const struct runner_sockets *sockets, const void *object);
const struct nmr_report_module *runner_module_find(const struct runner_sockets *sockets, const void *handle);
/* "client of NPI {...}": WSK's by its name. */
void runner_module_text(const struct nmr_report_module *module, char *text, size_t bytes);
/* "{2227E803-8D8B-11D4-ABAD-009027719E09}" */
void runner_guid_text(const uint8_t *guid, char text[40]);
/* "listening 127.0.0.1:7", "connected 127.0.0.1:7 - 127.0.0.1:40000, closing" */
void runner_socket_text(const struct wsk_report_socket *socket, char *text, size_t bytes);
/* A SOCKADDR in Windows layout as "127.0.0.1:7" or "[::1]:7"; "" when it is none (address.c). */
void runner_address_text(const uint8_t *address, char *text, size_t bytes);

/* ---- lines of text (text.c) --------------------------------------------------------------------------- */

struct runner_out {
    void (*line)(void *context, const char *text);
    void *context;
};

void runner_line(const struct runner_out *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Each frame as a line "    function+0x12 (file.c:34)". */
void runner_stack(const struct runner_out *out, const char *indent, void *const *frames, size_t count);
/* "3.2 s", "150 ms" */
const char *runner_duration(uint64_t nanoseconds, char text[24]);
const char *runner_irql_name(unsigned irql, char text[16]);
/* "'abcd'" or 0x... */
const char *runner_tag_text(uint64_t tag, char text[16]);

/* ---- the end of the world (bugcheck.c, exception.c) --------------------------------------------------- */

void runner_bugcheck_start(int core, void (*report)(void *context, const char *line), void *context);
void runner_bugcheck_stop(void);
/* The first lines of a bug check, without names of addresses, and its stack: how many frames. */
size_t runner_bugcheck_brief(uint32_t code, const uint64_t parameters[4], const void *caller, void **frames,
                             size_t room);
/* The processor exception that a bug check on this thread is about to report. */
void runner_bugcheck_exception(const struct host_exception *exception);
void runner_exception_start(void);
void runner_exception_stop(void);
/* The name of a bug check and the meaning of its parameters; NULL when not known (bugcheck_codes.c). */
const char *runner_bugcheck_name(uint32_t code);
const char *runner_bugcheck_meaning(uint32_t code, uint64_t first);
const char *runner_bugcheck_parameter(uint32_t code, uint64_t first, int number);

/* A driver's name: its file's, without folder and extension. */
void runner_driver_name(const char *path, char *name, size_t bytes);

/* ---- registry.c --------------------------------------------------------------------------------------- */

/* The key that a driver's RegistryPath names.  0, or -1 without memory. */
int runner_make_service_key(const char *path);

#endif
