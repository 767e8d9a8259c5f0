/*
 * runtime.h - starts the runtime, loads drivers into it and accounts for what they leave.
 *
 * This is what `uwsk run` is made of, for programs and tests of your own.  One runtime per process.  Readable
 * beside libc and beside the WDK headers: plain C types only.  All functions are called at PASSIVE_LEVEL,
 * from a thread that runs no driver code, one at a time; link with -luwsk.
 *
 *     struct uwsk_options options = UWSK_OPTIONS_INITIALIZER;
 *     struct uwsk_problem problem;
 *     struct uwsk_driver *driver;
 *
 *     if (uwsk_runtime_start(&options, &problem) < 0)
 *         ...
 *     if (uwsk_driver_load("./echo.so", NULL, &driver, &problem) < 0)
 *         fprintf(stderr, "%s\n", problem.text);
 *     ...
 *     if (uwsk_driver_unload(driver, 10000) != UWSK_UNLOADED)
 *         uwsk_waits_report(driver, print_line, NULL);
 *     left = uwsk_account_report(driver, print_line, NULL);
 *     uwsk_driver_forget(driver);
 *     uwsk_runtime_stop();
 */
#ifndef UWSK_RUNTIME_H
#define UWSK_RUNTIME_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- options ------------------------------------------------------------------------------------------ */

enum uwsk_completion { /* what completes before the call returns (docs/architecture.md) */
                       UWSK_COMPLETION_NATURAL,
                       UWSK_COMPLETION_ALWAYS_PEND,
                       UWSK_COMPLETION_INLINE_WHEN_POSSIBLE
};
enum uwsk_deliver { /* where callbacks and completion routines run */
                    UWSK_DELIVER_DISPATCH,
                    UWSK_DELIVER_PASSIVE,
                    UWSK_DELIVER_MIXED
};
enum uwsk_send_complete { /* when a send counts as done */
                          UWSK_SEND_COMPLETE_SENT,
                          UWSK_SEND_COMPLETE_ACKED,
                          UWSK_SEND_COMPLETE_COPIED
};

/* One line that the driver printed, without its newline. */
struct uwsk_line {
    uint64_t time_ns; /* since the runtime started */
    uint64_t thread;  /* small number of the thread */
    unsigned irql;
    const char *text; /* UTF-8 */
};

struct uwsk_options {
    size_t size;         /* sizeof(struct uwsk_options) */
    unsigned processors; /* 0 = as many as the machine has; at most 64 */
    int completion;      /* enum uwsk_completion */
    int deliver;         /* enum uwsk_deliver */
    int send_complete;   /* enum uwsk_send_complete */
    const char *
        transport; /* "uring", "epoll"; NULL = what UWSK_TRANSPORT says, or the best; "none": no network, WskRegister must not be called */
    int core;      /* a bug check aborts (core file) instead of exiting with status 3 */
    /* What drivers print (any thread, any IRQL: must neither block for long nor print); NULL = the log. */
    void (*print)(void *context, const struct uwsk_line *line);
    /* What the runtime has to say by itself: the lines of a bug check; NULL = standard error. */
    void (*report)(void *context, const char *line);
    void *context; /* handed to all */
    /* WSK's provider attaches so long after the start (0 = with it), and detaches so long after it has attached (0 =
     * with the end).  Nanoseconds, at most UWSK_PROVIDER_NS_MAX. */
    uint64_t provider_delay_ns, provider_leave_ns;
    /* Told of these two: "has attached", "leaves", "has left"; NULL = nobody is. */
    void (*provider)(void *context, const char *what);
    /* Asked ten times a second while a DriverEntry runs, since so many nanoseconds: non-zero = uwsk_driver_load is not
     * to wait for it any longer.  NULL = it waits for ever. */
    int (*loading)(void *context, const char *driver, uint64_t since_ns);
};
#define UWSK_OPTIONS_INITIALIZER                                                                             \
    {                                                                                                        \
        sizeof(struct uwsk_options), 0, 0, 0, 0, NULL, 0, NULL, NULL, NULL, 0, 0, NULL, NULL                 \
    }
#define UWSK_PROVIDER_NS_MAX 1000000000000000ull

/* ---- start and stop ----------------------------------------------------------------------------------- */

/* Why something did not work, in one line for the user. */
struct uwsk_problem {
    int32_t status; /* NTSTATUS */
    char text[2000];
};

/* Non-zero when the io_uring transport can be used here, which uwsk_runtime_start finds out in the same way; else
 * `reason` (size bytes) says in one line what is missing.  Needs no runtime. */
int uwsk_uring_usable(char *reason, unsigned long size);

/* Starts processors, transport and WSK, installs the account and the handlers for bug checks and processor
 * exceptions.  problem may be NULL.  STATUS_SUCCESS, STATUS_INVALID_PARAMETER, STATUS_NOT_SUPPORTED (unknown
 * transport), STATUS_INSUFFICIENT_RESOURCES. */
int32_t uwsk_runtime_start(const struct uwsk_options *options, struct uwsk_problem *problem);

/* Ends what uwsk_runtime_start began.  Needs that nothing was left: 0; else it leaves everything as it is,
 * because code may still run in it, and returns 1: end the process soon. */
int uwsk_runtime_stop(void);

/* ---- drivers ------------------------------------------------------------------------------------------ */

struct uwsk_driver;

/* Loads a driver (a shared object made by `uwsk cc`) and runs its DriverEntry on a system thread, with a
 * driver object and the registry path \Registry\Machine\System\CurrentControlSet\Services\<name>.  name NULL
 * = the file's name without folder and extension.  Returns what DriverEntry returned, or, with the reason in
 * problem->text (problem may be NULL):
 *   STATUS_OBJECT_NAME_NOT_FOUND   there is no such file, or it cannot be read
 *   STATUS_INVALID_IMAGE_FORMAT    it is no driver
 *   STATUS_ENTRYPOINT_NOT_FOUND    it has no DriverEntry
 *   STATUS_PROCEDURE_NOT_FOUND     it needs functions that are not here
 *   STATUS_IMAGE_ALREADY_LOADED
 *   STATUS_OBJECT_NAME_COLLISION   another driver of that name is loaded
 *   STATUS_CANCELLED               options.loading gave it up: its DriverEntry runs on (uwsk_waits_report tells why),
 *                                  nothing can be unloaded any more: end the process soon
 * When the status is another error and *driver is not NULL, DriverEntry has run and failed: ask uwsk_account what
 * it left, then uwsk_driver_forget it. */
int32_t uwsk_driver_load(const char *path, const char *name, struct uwsk_driver **driver,
                         struct uwsk_problem *problem);

/* Puts a value under the Parameters key of a driver that is to be loaded: "Name=dword:7", qword:N, sz:TEXT,
 * multi:TEXT;TEXT, hex:0a1b or hex:0a,1b.  driver: its name, or its file.  Any time, also before the runtime
 * starts; the registry lasts as long as the process.  problem may be NULL.  STATUS_SUCCESS,
 * STATUS_INVALID_PARAMETER, STATUS_INSUFFICIENT_RESOURCES. */
int32_t uwsk_registry_set(const char *driver, const char *setting, struct uwsk_problem *problem);

/* The directory of the host that stands for the system's volume C: from now on (\SystemRoot is its folder Windows),
 * which drivers open with ZwCreateFile; NULL: there are no files.  Before a driver has one open.  No name and no
 * symbolic link leads out of it.  problem may be NULL.  STATUS_SUCCESS, STATUS_OBJECT_PATH_NOT_FOUND,
 * STATUS_NOT_SUPPORTED (Linux before 5.6). */
int32_t uwsk_files_set(const char *directory, struct uwsk_problem *problem);

enum uwsk_unload {
    UWSK_UNLOADED = 0,
    UWSK_CANNOT_UNLOAD,  /* its DriverUnload is NULL: it stays, and runs on */
    UWSK_UNLOAD_TIMEOUT, /* DriverUnload has not returned: it stays; uwsk_waits_report tells why */
    UWSK_UNLOAD_OPEN     /* somebody has a device of it open: it stays, and runs on */
};

/* Calls DriverUnload on a system thread and waits for its return, at most timeout_ms milliseconds. */
int uwsk_driver_unload(struct uwsk_driver *driver, unsigned timeout_ms);

const char *uwsk_driver_name(const struct uwsk_driver *driver);

/* Removes the driver's code from memory if it has left nothing, and frees its record.  A driver that is still
 * running or has left something keeps its code and its record. */
void uwsk_driver_forget(struct uwsk_driver *driver);

/* ---- the account -------------------------------------------------------------------------------------- */

enum uwsk_left_kind {
    UWSK_LEFT_SOCKET = 1,
    UWSK_LEFT_INDICATION, /* retained by the driver, never released */
    UWSK_LEFT_REGISTRATION,
    UWSK_LEFT_CAPTURE,
    UWSK_LEFT_IRP,
    UWSK_LEFT_MDL,
    UWSK_LEFT_POOL,
    UWSK_LEFT_WORK_ITEM,
    UWSK_LEFT_THREAD,
    UWSK_LEFT_TIMER, /* queued */
    UWSK_LEFT_DPC,   /* queued */
    UWSK_LEFT_LOOKASIDE,
    UWSK_LEFT_DEVICE,
    UWSK_LEFT_MODULE,   /* a registration with the Network Module Registrar */
    UWSK_LEFT_FILE,     /* open */
    UWSK_LEFT_KEY,      /* of the registry, open */
    UWSK_LEFT_PROVIDER, /* of events: EtwRegister, TraceLoggingRegister */
    UWSK_LEFT_LINK,     /* a symbolic link */
    UWSK_LEFT_EX_TIMER, /* of ExAllocateTimer, set or not */
    UWSK_LEFT_FILE_OBJECT, /* a reference to a device's file object: IoGetDeviceObjectPointer, ObReferenceObject */
    UWSK_LEFT_RESOURCE,         /* an ERESOURCE without ExDeleteResourceLite */
    UWSK_LEFT_THREAD_HANDLE,    /* of PsCreateSystemThread, not closed; the object is the thread */
    UWSK_LEFT_THREAD_REFERENCE, /* to a thread object */
    UWSK_LEFT_KINDS
};

#define UWSK_LEFT_FRAMES 8

struct uwsk_left {
    int kind;           /* enum uwsk_left_kind */
    const void *object; /* as the driver knows it */
    uint64_t tag;       /* pool: the tag, first character lowest */
    uint64_t bytes;
    const char *driver;            /* NULL: made by code that is no driver's */
    const void *made_by;           /* innermost address of the driver's in the stack, or NULL */
    void *stack[UWSK_LEFT_FRAMES]; /* who made it, innermost first: addresses inside the calls */
    size_t frames;
    const char *state; /* "listening 0.0.0.0:7", "pending in WskReceive on socket 3", or "" */
};

const char *uwsk_left_name(int kind, int many);

/* Everything alive that code of this driver has made (driver NULL: everything that is not the runtime's own).
 * Returns how many there are; fn may be NULL, and may not call the runtime. */
size_t uwsk_account(const struct uwsk_driver *driver, void (*fn)(void *context, const struct uwsk_left *left),
                    void *context);

/* The same as lines of text: alike ones together, with the stack that made them.  A last line counts what could not be
 * recorded because memory was short, whichever driver made it.  Returns how many there are. */
size_t uwsk_account_report(const struct uwsk_driver *driver, void (*line)(void *context, const char *text),
                           void *context);

/* Who waits for what (driver NULL: everybody): open sockets with what is pending on each and since when, the
 * routines of drivers that run, the threads with what they wait for and where they stand.  Takes up to a few
 * seconds when all processors hang. */
void uwsk_waits_report(const struct uwsk_driver *driver, void (*line)(void *context, const char *text),
                       void *context);

#ifdef __cplusplus
}
#endif
#endif
