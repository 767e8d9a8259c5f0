/*
 * host.h - everything that uwsk asks of the operating system.
 *
 * Nothing above this line (nt, nmr, wsk, verifier) makes a system call, reads a clock, starts a thread or
 * keeps per-thread data of its own: it asks here.  linux/ answers with threads, futexes and pages, or
 * hands on to sim/ (sim/sim.h), which answers with fibers and virtual time.  Readable in both worlds: only
 * fixed-width C types.
 */
#ifndef UWSK_HOST_H
#define UWSK_HOST_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Data of the runtime that sim_restore (sim/sim.h) leaves alone between simulated runs: books of the process, not
 * of the run. */
#define HOST_KEPT __attribute__((section("uwsk_kept")))

/* ---- threads --------------------------------------------------------------------------------------------
 */

/* What the host knows of a thread.  All per-thread state of the rooms above hangs off `executive`. */
struct host_thread {
    void *executive; /* the executive's thread object (struct ke_thread), NULL until nt adopts the thread */
    uint64_t id;     /* small logical number, counted from 1, never reused: safe to print and to hash */
    char name[32];   /* for reports */
    void *stack_low; /* lowest and one past the highest address of the stack */
    void *stack_high;
};

/* The calling thread, NULL until the host knows it.  Read through host_self. */
extern __thread struct host_thread *host_known_self __attribute__((tls_model("initial-exec")));
/* host_self for a thread that the host does not know yet. */
struct host_thread *host_adopt_self(void);

/* The calling thread; a thread that the host did not start is adopted on its first call.  Never NULL.  Inline:
 * the rooms above ask at every lock. */
static inline struct host_thread *host_self(void)
{
    struct host_thread *self = host_known_self;

    return __builtin_expect(self != NULL, 1) ? self : host_adopt_self();
}

/* Starts a thread that runs main(argument) and ends when it returns (or calls host_thread_exit).
 * stack_bytes 0 = default.  Returns 0, or -1 when the system refuses. */
int host_thread_start(void (*main)(void *argument), void *argument, const char *name, size_t stack_bytes);
/* Ends the calling thread, running the exit hook. */
void host_thread_exit(void) __attribute__((noreturn));
/* hook(thread) runs on every thread that has an `executive`, as its very last act; set once at start. */
void host_set_thread_exit_hook(void (*hook)(struct host_thread *thread));
/* Asks every other thread for its stack (best effort, for reports): fn gets the thread and its frames (0 when
 * it does not answer in time).  No thread is born or ends meanwhile: fn must not wait for one. */
void host_each_thread(void (*fn)(void *context, struct host_thread *thread, void *const *frames,
                                 size_t count),
                      void *context);
void host_yield(void);
void host_cpu_relax(void);
unsigned host_processor_count(void);

/* ---- scheduling points -----------------------------------------------------------------------------------
 */

enum host_point_kind {
    HOST_POINT_ATOMIC = 1, /* Interlocked*, our own atomics */
    HOST_POINT_BARRIER,
    HOST_POINT_LOCK,
    HOST_POINT_UNLOCK,
    HOST_POINT_WAIT,
    HOST_POINT_WAKE,
    HOST_POINT_POOL,
    HOST_POINT_IRP,
    HOST_POINT_CALL, /* a dispatch call or a callback */
    HOST_POINT_YIELD,
    HOST_POINT_READ, /* a driver's ordered reads and writes: the kinds of uwsk/point.h are among these */
    HOST_POINT_WRITE
};

/* Zero in `run`.  Drivers test it (through the UWSK_POINT macro of the headers) before they call uwsk_point.
 */
extern int uwsk_points_enabled;
/* A scheduling point: nothing on Linux, a decision in the simulator. */
void uwsk_point(int kind, const volatile void *object);

/* What the library itself asks: one word, 0 as long as nobody watches what it does, so that one test that needs no
 * register serves a point and an observer that stand side by side. */
#define HOST_WATCH_POINTS 1 /* uwsk_points_enabled */
#define HOST_WATCH_STEPS  2 /* nt/observe.h: a hook is set that tells more than births and deaths */
#define HOST_WATCH_BLOCKS 4 /* nt/observe.h: births and deaths of the pool's blocks are told one by one */
#ifdef UWSK_INSIDE
extern int host_watched __attribute__((visibility("hidden")));
#else
#define host_watched (HOST_WATCH_STEPS | HOST_WATCH_BLOCKS | (uwsk_points_enabled ? HOST_WATCH_POINTS : 0))
#endif

static inline void host_point(int kind, const volatile void *object)
{
    if (__builtin_expect(host_watched & HOST_WATCH_POINTS, 0))
        uwsk_point(kind, object);
}

/* A driver reads or writes so much memory through a function of the runtime: memcpy and its like.  Nothing on Linux;
 * the simulator looks whether its threads are in order there (sim/memory.c). */
void host_access_watched(const volatile void *address, size_t bytes, int write);

static inline void host_access(const volatile void *address, size_t bytes, int write)
{
    if (__builtin_expect(host_watched & HOST_WATCH_POINTS, 0))
        host_access_watched(address, bytes, write);
}

/* ---- parking ---------------------------------------------------------------------------------------------
 */

#define HOST_FOREVER UINT64_MAX

enum host_park_result { HOST_WOKEN = 0, HOST_TIMEOUT = 1, HOST_CHANGED = 2 };

/* Sleeps while *word == expected, until unparked or until host_now() reaches deadline_ns.  Spurious
 * HOST_WOKEN is possible: callers test again.  Private to the process; unpark never reads *word, so its
 * memory may be gone. */
int host_park(const volatile uint32_t *word, uint32_t expected, uint64_t deadline_ns);
void host_unpark(const volatile uint32_t *word, int count);
/* The same for many who park on one word: host_unpark_set lets go of all whose `set` has a bit in common with this one, in
 * one call.  Sets are not 0. */
int host_park_set(const volatile uint32_t *word, uint32_t expected, uint64_t deadline_ns, uint32_t set);
void host_unpark_set(const volatile uint32_t *word, uint32_t set);

/* ---- time ------------------------------------------------------------------------------------------------
 */

uint64_t host_now(void);  /* monotonic nanoseconds since the runtime started (never 0) */
uint64_t host_wall(void); /* 100 ns units since 1601-01-01 UTC: follows the system clock */

/* A stamp that costs next to nothing and grows with time (never 0 in practice); only host_ticks_time, which is
 * slow, says when that was: in the units of host_now(), to about a microsecond.  In the simulator it is
 * host_now(). */
static inline uint64_t host_ticks(void)
{
    return __builtin_expect(host_watched & HOST_WATCH_POINTS, 0) ? host_now() : __builtin_ia32_rdtsc();
}
uint64_t host_ticks_time(uint64_t ticks);

/* ---- memory ----------------------------------------------------------------------------------------------
 */

enum { HOST_PAGE_NONE = 0, HOST_PAGE_READ = 1, HOST_PAGE_WRITE = 2, HOST_PAGE_EXECUTE = 4 };

/* Whole zeroed pages, aligned to `alignment` (a power of two >= 4096); NULL when exhausted. */
void *host_pages_allocate(size_t bytes, size_t alignment, int protection);
void host_pages_free(void *pages, size_t bytes);
int host_pages_protect(void *pages, size_t bytes, int protection);
/* 0 when [address, address+bytes) can be read (and written, if write): touches it, guarded against faults. */
int host_memory_probe(const volatile void *address, size_t bytes, int write);
/* Tells a sanitizer what may be touched; nothing otherwise. */
void host_memory_poison(const volatile void *address, size_t bytes);
void host_memory_unpoison(const volatile void *address, size_t bytes);

void host_entropy(void *buffer, size_t bytes);

/* ---- faults ----------------------------------------------------------------------------------------------
 */

enum host_fault_kind {
    HOST_FAULT_POOL = 1,
    HOST_FAULT_IRP,
    HOST_FAULT_MDL,
    HOST_FAULT_WORK_ITEM,
    HOST_FAULT_THREAD,
    HOST_FAULT_TRANSPORT
};
/* Non-zero when this call is to fail.  Always 0 until a fault plan is installed (tests, simulator): what the library
 * itself asks is one test. */
int host_fault_planned(int kind);
#ifdef UWSK_INSIDE
extern int host_faults_planned __attribute__((visibility("hidden")));
#endif
static inline int host_any_fault(void)
{
#ifdef UWSK_INSIDE
    return __atomic_load_n(&host_faults_planned, __ATOMIC_ACQUIRE);
#else
    return 1;
#endif
}
static inline int host_fault(int kind)
{
    return __builtin_expect(host_any_fault(), 0) ? host_fault_planned(kind) : 0;
}
void host_set_fault_plan(int (*plan)(void *context, int kind), void *context);

/* A processor exception in driver or runtime code. */
struct host_exception {
    int signal; /* SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP */
    int write;  /* 1 write, 0 read, 8 execute */
    int stack_overflow;
    void *address; /* touched address; all ones when it was not canonical */
    void *ip;      /* instruction */
    void *sp;
    void *fp;
};
/* handler runs on the faulting thread (on an alternate stack, with the signal unblocked); it may leave by an
 * unwinding jump.  When it returns, the default action happens (core or sanitizer report). */
void host_set_exception_handler(void (*handler)(const struct host_exception *exception));
/* Non-zero when built with a sanitizer: a fault that no handler of the driver takes is then the sanitizer's to
 * report, so the exception handler returns. */
enum { HOST_SANITIZER_NONE, HOST_SANITIZER_ADDRESS, HOST_SANITIZER_THREAD };
int host_sanitizer(void);

/* ---- modules, reports, end -------------------------------------------------------------------------------
 */

void *host_module_load(const char *path, char *error, size_t error_bytes); /* RTLD_NOW | RTLD_LOCAL */
void *host_module_symbol(void *module, const char *name);
void host_module_unload(void *module);

/* ---- channels: streams between processes of one user, found by a path -------------------------------- */

enum { HOST_CHANNEL_READ = 1, HOST_CHANNEL_WRITE = 2 };

/* A channel, or minus an errno.  The file at `path` is a socket that only its owner may open (mode 0600); one
 * on which nobody listens any more is replaced. */
int host_channel_listen(const char *path);
/* Waits for the next connection; -EINVAL once the listener has been shut. */
int host_channel_accept(int listener);
int host_channel_connect(const char *path);
/* All of it: 0, or -1 when the channel has ended. */
int host_channel_read(int channel, void *data, size_t bytes);
int host_channel_write(int channel, const void *data, size_t bytes);
/* Ends one or both directions; who waits in them is let go.  May be called by a signal handler. */
void host_channel_shut(int channel, int directions);
void host_channel_close(int channel);

/* ---- the network of the host: interfaces, addresses, routes ------------------------------------------- */

/* What is answered instead of 0. */
enum host_net_error {
    HOST_NET_MISSING = -1, /* no such interface */
    HOST_NET_UNREACHABLE = -2,
    HOST_NET_BAD_SOURCE = -3, /* not an address of this host */
    HOST_NET_NO_MEMORY = -4,
    HOST_NET_AGAIN = -5, /* it changed while it was read: throw away what was told, ask again */
    HOST_NET_ABSENT = -6 /* nobody to ask: in the simulator */
};

enum host_net_medium {
    HOST_NET_OTHER,
    HOST_NET_LOOPBACK,
    HOST_NET_ETHERNET,
    HOST_NET_WIRELESS,
    HOST_NET_PPP,
    HOST_NET_TUNNEL
};

enum host_net_state { /* as RFC 2863 counts them */
                      HOST_NET_UP = 1,
                      HOST_NET_DOWN,
                      HOST_NET_TESTING,
                      HOST_NET_UNKNOWN,
                      HOST_NET_DORMANT,
                      HOST_NET_NOT_PRESENT,
                      HOST_NET_LOWER_DOWN
};

/* An interface as one family has it. */
struct host_net_family {
    int present, forwarding;
    uint32_t mtu, reachable_ms, retransmit_ms;
    uint32_t probes; /* for another owner of a new address */
    int routers;     /* takes routers' advertisements */
};

struct host_net_interface {
    uint32_t index;
    int medium, state;
    int enabled, carrier, point_to_point, virtual_one;
    char name[64], alias[257]; /* UTF-8 */
    uint8_t address[32], permanent[32];
    uint32_t address_bytes, mtu;
    uint64_t in_bytes, in_packets, in_multicast, in_dropped, in_errors, in_unknown;
    uint64_t out_bytes, out_packets, out_dropped, out_errors;
    struct host_net_family four, six;
};

/* `family` of what follows is 4 or 6; an address has 4 or 16 bytes in network order, the rest is 0. */
struct host_net_address {
    int family;
    uint32_t index; /* of the interface */
    uint8_t address[16];
    uint32_t prefix;               /* bits */
    uint32_t valid_s, preferred_s; /* UINT32_MAX = for ever */
    int tentative, duplicate, deprecated, permanent, temporary;
    uint64_t created; /* as host_wall(), 0 = not known */
};

enum host_net_maker {
    HOST_NET_BY_OTHER,
    HOST_NET_BY_SYSTEM,
    HOST_NET_BY_HAND,
    HOST_NET_BY_REDIRECT,
    HOST_NET_BY_RA,
    HOST_NET_BY_DHCP
};

struct host_net_route {
    int family;
    uint32_t index;
    uint8_t destination[16], next_hop[16];
    uint32_t prefix, metric;
    uint32_t expires_s; /* UINT32_MAX = never */
    int local;          /* to this host itself */
    int maker;          /* enum host_net_maker */
};

/* fn for each; non-zero ends the list and is returned (it must be positive).  0 or enum host_net_error. */
int host_net_interfaces(int (*fn)(void *context, const struct host_net_interface *interface), void *context);
int host_net_addresses(int (*fn)(void *context, const struct host_net_address *address), void *context);
int host_net_routes(int (*fn)(void *context, const struct host_net_route *route), void *context);
/* How `destination` is reached, from `source` (NULL = any) over the interface (0 = any); *from: the address that is
 * sent from. */
int host_net_route_to(int family, const uint8_t *destination, const uint8_t *source, uint32_t index,
                      struct host_net_route *route, uint8_t from[16]);

/* What happens in the network meanwhile. */
struct host_net_watch;
/* NULL: HOST_NET_ABSENT, or no memory (*error). What happens from here on is told. */
struct host_net_watch *host_net_watch_open(int *error);
/* Waits until an interface, address or route may have changed (0) or the watch was shut (1, then and ever after);
 * what has happened until the return is taken as told. */
int host_net_watch_wait(struct host_net_watch *watch);
void host_net_watch_shut(struct host_net_watch *watch);  /* by any thread */
void host_net_watch_close(struct host_net_watch *watch); /* when nobody waits */

/* ---- files below one directory ----------------------------------------------------------------------- */

/* What is answered instead of 0, a file or a count. */
enum host_file_error {
    HOST_FILE_MISSING = -1,   /* no such name */
    HOST_FILE_NO_FOLDER = -2, /* a name on the way is no folder */
    HOST_FILE_EXISTS = -3,
    HOST_FILE_DENIED = -4,  /* not ours, in use, or neither file nor folder */
    HOST_FILE_OUTSIDE = -5, /* the path leads out of the root */
    HOST_FILE_IS_FOLDER = -6,
    HOST_FILE_NOT_EMPTY = -7,
    HOST_FILE_FULL = -8,
    HOST_FILE_PROTECTED = -9, /* nothing can be written there */
    HOST_FILE_BAD_NAME = -10,
    HOST_FILE_NO_MEMORY = -11,
    HOST_FILE_BAD_BUFFER = -12,
    HOST_FILE_TOO_LARGE = -13,
    HOST_FILE_BROKEN = -14 /* the disk, or anything else */
};

enum {
    HOST_FILE_READ = 1,
    HOST_FILE_WRITE = 2,
    HOST_FILE_CREATE = 4,  /* it must not be there */
    HOST_FILE_LOCKED = 8,  /* a new one is read-only */
    HOST_FILE_THROUGH = 16 /* a write is on the disk when it has returned */
};

struct host_file_about {
    uint64_t device, number;                      /* which one: both together */
    uint64_t size, allocated;                     /* bytes */
    uint64_t created, accessed, written, changed; /* as host_wall() */
    uint32_t links;
    int folder, read_only;
    int link; /* its last name is a symbolic link (host_file_about_path) */
};

/* The directory at this path (of the host).  Paths below are UTF-8 with '/' between names; "" is the root, and
 * none leads out of it.  *problem: why not, in words. */
int host_file_root(const char *folder, const char **problem);
int host_file_about_path(int root, const char *path, struct host_file_about *about);
/* A file or a folder; with neither READ nor WRITE only to be asked about. */
int host_file_open(int root, const char *path, int how);
int host_file_make_folder(int root, const char *path);
/* The file or empty folder at the path, if it still is this one. */
int host_file_remove(int root, const char *path, uint64_t device, uint64_t number);
int host_file_rename(int root, const char *from, const char *to, int replace);
/* fn for each name but "." and "..", in no order; non-zero ends the list and is returned. */
int host_file_list(int root, const char *path, int (*fn)(void *context, const char *name), void *context);
int host_file_about(int file, struct host_file_about *about);
/* How many bytes: less than asked for at the end of the file, or when the disk is full. */
int64_t host_file_read(int file, void *data, size_t bytes, uint64_t offset);
int64_t host_file_write(int file, const void *data, size_t bytes, uint64_t offset);
int host_file_resize(int file, uint64_t bytes);
int host_file_flush(int file);
int host_file_set_times(int file, uint64_t accessed, uint64_t written); /* as host_wall(); 0 = as it is */
int host_file_set_read_only(int file, int read_only);
void host_file_close(int file); /* a root, too */

/* Return addresses of the calling thread, innermost first, `skip` frames left out: cheap frame-pointer walk.
 * Each is the return address minus one: it lies inside the call, so that host_symbolize names the call's
 * line. */
size_t host_backtrace(void **frames, size_t count, size_t skip);
/* "function+0x12 (file.c:34)" or "module+0x1234"; always terminates buffer.  Slow (libdw). */
void host_symbolize(void *address, char *buffer, size_t bytes);

enum host_log_level { HOST_LOG_TRACE, HOST_LOG_INFO, HOST_LOG_DRIVER, HOST_LOG_WARNING, HOST_LOG_ERROR };
/* One finished line without newline.  The sink (the command's printer, a test's buffer) decides where it
 * goes. */
void host_log(int level, const char *text);
void host_set_log_sink(void (*sink)(void *context, int level, const char *text), void *context);

void host_exit(int status)
    __attribute__((noreturn)); /* at once, no handlers: other threads may be anywhere */
void host_abort(void) __attribute__((noreturn));

#ifdef __cplusplus
}
#endif
#endif
