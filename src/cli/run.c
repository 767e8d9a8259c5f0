/* run.c: `uwsk run`: loads drivers, waits, unloads them, says what they left. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include <uwsk/device.h>
#include <uwsk/runtime.h>

#include "args.h"
#include "cli.h"

static const char help[] =
    "usage: uwsk run [option ...] DRIVER.so ...\n"
    "\n"
    "Loads the drivers in order and calls DriverEntry of each; prints what they print; on SIGINT or SIGTERM, "
    "or\n"
    "after --for SECONDS, unloads them in reverse order and lists what each left behind.\n"
    "\n"
    "  --for SECONDS          run this long (0.5 is fine); without it, until a signal comes\n"
    "  --processors N         processors that drivers see, 1 to 64 (default: those of the machine)\n"
    "  --completion HOW       natural (default), always-pend or inline-when-possible:\n"
    "                         which requests complete before the call returns\n"
    "  --deliver WHERE        dispatch (default), passive or mixed:\n"
    "                         the IRQL of event callbacks and completion routines\n"
    "  --send-complete WHEN   sent (default), acked or copied: when WskSend is complete\n"
    "  --transport NAME       uring, uring-all or epoll (default: uring where it works; UWSK_TRANSPORT)\n"
    "  --registry NAME=VALUE  a value of the drivers' Parameters key: dword:N, qword:N, sz:TEXT,\n"
    "                         multi:TEXT;TEXT or hex:0a1b; may be given several times\n"
    "  --files DIR            the directory that drivers see as \\??\\C: (and DIR/Windows as \\SystemRoot);\n"
    "                         without it they find no file\n"
    "  --unload-timeout SECS  how long DriverUnload may take (default 10), and a DriverEntry after a signal\n"
    "  --provider-delay MS    WSK's provider attaches so late: until then WskCaptureProviderNPI waits or\n"
    "                         answers STATUS_DEVICE_NOT_READY\n"
    "  --provider-leave MS    it detaches so long after it has attached, as the drivers release it\n"
    "                         (0: never)\n"
    "  --control PATH         a socket through which `uwsk ioctl` opens the drivers' devices\n"
    "  --core                 a bug check aborts (core file) instead of ending with status 3\n"
    "  --help\n"
    "\n"
    "Drivers print to standard output; everything else goes to standard error. A second signal ends at\n"
    "once.\n"
    "\n"
    "Exit status: 0 nothing is left (a driver without DriverUnload stays loaded); 1 a driver could not be\n"
    "loaded or its DriverEntry failed, or lines of drivers could not be written; 2 wrong usage;\n"
    "3 bug check; 4 something was left behind; 5 a DriverEntry or an unload did not end in time, or a\n"
    "device of the driver is open.\n";

enum { EXIT_CLEAN, EXIT_LOAD, EXIT_USAGE, EXIT_BUG_CHECK, EXIT_LEFT, EXIT_UNLOAD };

static const char *const options_known[] = {
    "--for",       "--processors",     "--completion",     "--deliver",        "--send-complete",
    "--transport", "--unload-timeout", "--provider-delay", "--provider-leave", "--registry",
    "--core",      "--control",        "--files",          "--help",           NULL};

struct job {
    struct uwsk_options options;
    double seconds; /* < 0: until a signal comes */
    double unload_timeout;
    const char *control; /* NULL: none */
    const char *files;   /* NULL: none */
    int help;
    const char **path;
    const char **registry; /* settings of --registry */
    size_t settings;
    struct uwsk_driver **driver;
    uint64_t asked_ns; /* into a DriverEntry a signal was seen */
    int gave_up;       /* it has not returned in time */
    size_t drivers;    /* paths */
    size_t loaded;
};

/* ---- output ------------------------------------------------------------------------------------------- */

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *format, ...)
{
    char text[2200];
    va_list arguments;
    int length = snprintf(text, sizeof text, "uwsk: ");

    va_start(arguments, format);
    length += vsnprintf(text + length, sizeof text - (size_t)length - 1, format, arguments);
    va_end(arguments);
    if ((size_t)length > sizeof text - 2)
        length = sizeof text - 2;
    text[length++] = '\n';
    if (write(STDERR_FILENO, text, (size_t)length) < 0)
        return; /* nobody listens */
}

static void say_line(void *context, const char *text)
{
    struct iovec line[2] = {{(void *)text, strlen(text)}, {"\n", 1}};

    (void)context;
    if (writev(STDERR_FILENO, line, 2) < 0)
        return;
}

static int unwritten; /* why a line of a driver could not be written, 0: each was */

/* "[    1.234567] T3  DISPATCH text"; one write a line, so that lines of several threads do not mix. */
static void print_line(void *context, const struct uwsk_line *line)
{
    static const char *const levels[] = {"PASSIVE", "APC", "DISPATCH"};
    char head[80], level[16];
    struct iovec parts[3] = {{head, 0}, {(void *)line->text, strlen(line->text)}, {"\n", 1}};

    (void)context;
    snprintf(level, sizeof level, "IRQL %u", line->irql);
    parts[0].iov_len = (size_t)snprintf(
        head, sizeof head, "[%5llu.%06llu] T%-2llu %-8s ", (unsigned long long)(line->time_ns / 1000000000u),
        (unsigned long long)(line->time_ns / 1000u % 1000000u), (unsigned long long)line->thread,
        line->irql < 3 ? levels[line->irql] : level);
    if (writev(STDOUT_FILENO, parts, 3) < 0 && errno != EPIPE) /* who has gone wants no more */
        unwritten = errno;
}

static void say_provider(void *context, const char *what)
{
    (void)context;
    say("WSK's provider %s", what);
}

/* ---- arguments ---------------------------------------------------------------------------------------- */

static int parse_milliseconds(struct cli_args *args, uint64_t *ns)
{
    double number;

    if (cli_args_number(args, 0, 1e9, 0, &number))
        return EXIT_USAGE;
    *ns = (uint64_t)(number * 1e6);
    return 0;
}

static int parse_option(struct job *job, struct cli_args *args)
{
    static const char *const completions[] = {"natural", "always-pend", "inline-when-possible", NULL};
    static const char *const deliveries[] = {"dispatch", "passive", "mixed", NULL};
    static const char *const sends[] = {"sent", "acked", "copied", NULL};
    static const char *const transports[] = {"uring", "uring-all", "epoll", NULL};
    const char *option = args->option;
    double number;

    if (strcmp(option, "--for") == 0)
        return cli_args_number(args, 0, 1e9, 0, &job->seconds);
    if (strcmp(option, "--unload-timeout") == 0)
        return cli_args_number(args, 0.001, 1e6, 0, &job->unload_timeout);
    if (strcmp(option, "--processors") == 0) {
        if (cli_args_number(args, 1, 64, 1, &number))
            return EXIT_USAGE;
        job->options.processors = (unsigned)number;
        return 0;
    }
    if (strcmp(option, "--completion") == 0)
        return (job->options.completion = cli_args_choice(args, completions)) < 0 ? EXIT_USAGE : 0;
    if (strcmp(option, "--deliver") == 0)
        return (job->options.deliver = cli_args_choice(args, deliveries)) < 0 ? EXIT_USAGE : 0;
    if (strcmp(option, "--send-complete") == 0)
        return (job->options.send_complete = cli_args_choice(args, sends)) < 0 ? EXIT_USAGE : 0;
    if (strcmp(option, "--transport") == 0) {
        int index = cli_args_choice(args, transports);

        job->options.transport = index < 0 ? NULL : transports[index];
        return index < 0 ? EXIT_USAGE : 0;
    }
    if (strcmp(option, "--provider-delay") == 0)
        return parse_milliseconds(args, &job->options.provider_delay_ns);
    if (strcmp(option, "--provider-leave") == 0)
        return parse_milliseconds(args, &job->options.provider_leave_ns);
    if (strcmp(option, "--control") == 0)
        return (job->control = cli_args_value(args)) ? 0 : EXIT_USAGE;
    if (strcmp(option, "--files") == 0)
        return (job->files = cli_args_value(args)) ? 0 : EXIT_USAGE;
    if (strcmp(option, "--registry") == 0) {
        const char *setting = cli_args_value(args);

        job->registry[job->settings] = setting;
        job->settings += setting != NULL;
        return setting ? 0 : EXIT_USAGE;
    }
    if (strcmp(option, "--core") == 0)
        job->options.core = 1;
    else if (strcmp(option, "--help") == 0 || strcmp(option, "-h") == 0)
        job->help = 1;
    else
        return cli_unknown_option(args, options_known);
    return cli_args_no_value(args);
}

static int parse(struct job *job, int argc, char **argv)
{
    struct cli_args args;
    const char *word;
    int kind, status;

    cli_args_start(&args, argc, argv);
    while ((kind = cli_args_next(&args, &word)) != 0) {
        if (kind == 'w') {
            job->path[job->drivers++] = word;
            continue;
        }
        status = parse_option(job, &args);
        if (status)
            return status;
        if (job->help)
            return 0;
    }
    if (job->drivers == 0)
        return cli_usage("run", "no driver is named");
    return 0;
}

/* ---- signals ------------------------------------------------------------------------------------------ */

enum { ONE_WISH_MS = 100 };

static volatile sig_atomic_t signalled;
static volatile sig_atomic_t heard; /* a further signal is a wish of its own */
static int wake[2] = {-1, -1};
static sigset_t both; /* SIGINT, SIGTERM: a thread that handles one blocks the other */

/* timeout(1) signals its child, and then the group that it is in: one that comes within ONE_WISH_MS of the first
 * signal is no second wish.  So long the thread stands still that got the first: the one in main, while that takes signals. */
static void on_signal(int signal)
{
    static const char text[] = "uwsk: a second signal: ended at once, nothing was unloaded\n";
    const struct timespec one_wish = {0, ONE_WISH_MS * 1000000};
    int saved = errno;

    if (signalled && !heard)
        return;
    if (signalled) {
        if (write(STDERR_FILENO, text, sizeof text - 1) < 0)
            _exit(128 + signal);
        _exit(128 + signal);
    }
    signalled = signal;
    if (write(wake[1], "", 1) < 0)
        _exit(128 + signal); /* cannot be: the pipe is empty and ours */
    /* Takes the one that comes, unless another thread does, which finds nothing to do. */
    sigtimedwait(&both, NULL, &one_wish);
    heard = 1;
    errno = saved;
}

static int catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};

    if (pipe(wake) != 0)
        return -1;
    sigemptyset(&both);
    sigaddset(&both, SIGINT);
    sigaddset(&both, SIGTERM);
    action.sa_mask = both;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    return 0;
}

/* Until a signal has come or the time is over: in slices, because a poll that was interrupted does not say
 * how much of its time is left. */
static void wait_for_end(double seconds)
{
    double left = seconds * 1000;

    while (!signalled && (seconds < 0 || left > 0)) {
        struct pollfd end = {.fd = wake[0], .events = POLLIN};
        int slice = seconds < 0 ? -1 : left < 1000 ? (int)left + 1 : 1000;
        int ready = poll(&end, 1, slice);

        if (ready > 0 || (ready < 0 && errno != EINTR))
            return;
        if (ready == 0)
            left -= slice;
    }
}

/* A DriverEntry runs: once a signal has come, no longer than an unload may. */
static int is_too_long(void *context, const char *driver, uint64_t since_ns)
{
    struct job *job = context;

    if (!signalled)
        return 0;
    if (!job->asked_ns) {
        job->asked_ns = since_ns;
        say("%s: waits for DriverEntry to return, %g s at most", driver, job->unload_timeout);
    }
    job->gave_up = (double)(since_ns - job->asked_ns) > job->unload_timeout * 1e9;
    return job->gave_up;
}

/* ---- the run ------------------------------------------------------------------------------------------ */

/* Every driver gets every value. */
static int fill_registry(const struct job *job)
{
    struct uwsk_problem problem;

    for (size_t i = 0; i < job->drivers; i++)
        for (size_t k = 0; k < job->settings; k++)
            if (uwsk_registry_set(job->path[i], job->registry[k], &problem) != 0)
                return cli_usage("run", "--registry %s", problem.text);
    return 0;
}

static int set_files(const struct job *job)
{
    struct uwsk_problem problem;

    if (!job->files || uwsk_files_set(job->files, &problem) == 0)
        return 0;
    return cli_usage("run", "--files %s", problem.text);
}

static void tell_not_unloaded(const struct job *job, const char *because, size_t loaded)
{
    while (loaded-- > 0)
        say("%s was not unloaded: it was loaded before %s", uwsk_driver_name(job->driver[loaded]), because);
}

static int load_all(struct job *job)
{
    for (size_t i = 0; i < job->drivers && !signalled; i++) {
        struct uwsk_driver *driver;
        struct uwsk_problem problem;
        int32_t status = uwsk_driver_load(job->path[i], NULL, &driver, &problem);

        if (job->gave_up) {
            say("%s: DriverEntry did not finish: it has not returned within %g s of the signal; "
                "who waits for what:",
                uwsk_driver_name(driver), job->unload_timeout);
            uwsk_waits_report(driver, say_line, NULL);
            tell_not_unloaded(job, uwsk_driver_name(driver), i);
            return EXIT_UNLOAD;
        }
        if (status < 0) {
            say("%s", problem.text);
            if (driver && uwsk_account(driver, NULL, NULL) > 0) {
                say("%s left behind:", uwsk_driver_name(driver));
                uwsk_account_report(driver, say_line, NULL);
            }
            if (driver)
                uwsk_driver_forget(driver);
            return EXIT_LOAD;
        }
        job->driver[job->loaded++] = driver;
        say("%s is loaded", uwsk_driver_name(driver));
    }
    return EXIT_CLEAN;
}

/* What a driver left; its status. */
static int account(struct uwsk_driver *driver)
{
    if (uwsk_account(driver, NULL, NULL) == 0) {
        say("%s left nothing behind", uwsk_driver_name(driver));
        uwsk_account_report(driver, say_line, NULL); /* but what could not be recorded */
        return EXIT_CLEAN;
    }
    say("%s left behind:", uwsk_driver_name(driver));
    uwsk_account_report(driver, say_line, NULL);
    return EXIT_LEFT;
}

static void tell_hang(const struct job *job, struct uwsk_driver *driver, size_t loaded)
{
    say("%s: unload did not finish: DriverUnload has not returned within %g s; who waits for what:",
        uwsk_driver_name(driver), job->unload_timeout);
    uwsk_waits_report(driver, say_line, NULL);
    tell_not_unloaded(job, uwsk_driver_name(driver), loaded);
}

static int unload_all(struct job *job)
{
    unsigned timeout = (unsigned)(job->unload_timeout * 1000 + 0.5);
    int status = EXIT_CLEAN;

    for (size_t i = job->loaded; i-- > 0;) {
        struct uwsk_driver *driver = job->driver[i];
        int result = uwsk_driver_unload(driver, timeout);

        if (result == UWSK_UNLOAD_TIMEOUT) {
            tell_hang(job, driver, i);
            return EXIT_UNLOAD;
        }
        if (result == UWSK_UNLOAD_OPEN) {
            say("%s cannot be unloaded: a device of it is open", uwsk_driver_name(driver));
            return EXIT_UNLOAD;
        }
        if (result == UWSK_CANNOT_UNLOAD)
            say("%s cannot be unloaded: its DriverUnload is NULL", uwsk_driver_name(driver));
        else
            say("%s is unloaded", uwsk_driver_name(driver));
        if (account(driver) != EXIT_CLEAN)
            status = EXIT_LEFT;
        uwsk_driver_forget(driver);
    }
    return status;
}

static int run(struct job *job)
{
    struct uwsk_problem problem;
    int status, unloaded;

    if (catch_signals() != 0) {
        say("no pipe for signals: %s", strerror(errno));
        return EXIT_LOAD;
    }
    if (uwsk_runtime_start(&job->options, &problem) != 0) {
        say("the runtime does not start: %s", problem.text);
        return EXIT_LOAD;
    }
    status = load_all(job);
    if (status == EXIT_UNLOAD)
        _exit(status); /* a DriverEntry still runs */
    if (status == EXIT_CLEAN && job->control && uwsk_control_start(job->control, &problem) < 0) {
        say("%s", problem.text);
        status = EXIT_LOAD;
    }
    if (status == EXIT_CLEAN)
        wait_for_end(job->seconds);
    uwsk_control_stop();
    unloaded = unload_all(job);
    if (unloaded == EXIT_UNLOAD || status == EXIT_CLEAN)
        status = unloaded;
    if (uwsk_runtime_stop() != 0)
        _exit(status); /* drivers' code may still run */
    return status;
}

int cli_run(int argc, char **argv)
{
    struct job job = {.options = UWSK_OPTIONS_INITIALIZER, .seconds = -1, .unload_timeout = 10};
    int status;

    job.options.print = print_line;
    job.options.report = say_line;
    job.options.provider = say_provider;
    job.options.loading = is_too_long;
    job.options.context = &job;
    job.path = calloc((size_t)argc, sizeof *job.path);
    job.registry = calloc((size_t)argc, sizeof *job.registry);
    job.driver = calloc((size_t)argc, sizeof *job.driver);
    if (!job.path || !job.registry || !job.driver) {
        say("out of memory");
        return EXIT_LOAD;
    }
    status = parse(&job, argc, argv);
    if (status == 0 && job.help)
        fputs(help, stdout);
    else if (status == 0 && (status = fill_registry(&job)) == 0 && (status = set_files(&job)) == 0)
        status = run(&job);
    if (unwritten) {
        say("standard output: %s: lines of drivers are missing", strerror(unwritten));
        status = status == EXIT_CLEAN || status == EXIT_LEFT ? EXIT_LOAD : status;
    }
    free(job.path);
    free(job.registry);
    free(job.driver);
    return status;
}
