/* ioctl.c: `uwsk ioctl`: sends an I/O control code to a driver's device in a running `uwsk run --control`. */
#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <uwsk/device.h>

#include "args.h"
#include "cli.h"
#include "util.h"

static const char help[] =
    "usage: uwsk ioctl --control PATH [option ...] DEVICE CODE [IN-FILE]\n"
    "\n"
    "Opens a device of a driver that `uwsk run --control PATH` has loaded, sends it the I/O control code "
    "with\n"
    "the contents of IN-FILE (\"-\": standard input) as input buffer, and prints what it returns.\n"
    "\n"
    "  --control PATH   the control socket (needed)\n"
    "  --out-size N     bytes of the output buffer (default 0)\n"
    "  --direct-file FILE\n"
    "                   METHOD_IN_DIRECT only: the second buffer, which the driver reads through\n"
    "                   its MDL, holds the contents of FILE (\"-\": standard input), and zeroes up\n"
    "                   to --out-size\n"
    "  --raw            write the output as it is, not as a hex dump\n"
    "  --timeout SECS   cancel the request after this time (default: wait for ever)\n"
    "  --help\n"
    "\n"
    "DEVICE is a name like UwskGate or \\\\.\\UwskGate, or \\Device\\UwskGate; CODE a number like 0x222000.\n"
    "With METHOD_IN_DIRECT the second buffer is input: nothing is printed, and the number of bytes in the\n"
    "last line is the driver's IoStatus.Information, as DeviceIoControl returns it.\n"
    "Ctrl-C cancels the request; a second one does not wait for its end.\n"
    "\n"
    "Exit status: 0 success; 1 the request failed, ended with a warning or could not be made; 2 wrong "
    "usage.\n"
    "The last line on standard error names the NTSTATUS.\n";

static const char *const options_known[] = {"--control", "--out-size", "--direct-file", "--raw", "--timeout",
                                            "--help",    NULL};

struct job {
    const char *control, *device, *file, *direct;
    const char *code_text;
    uint32_t code;
    double out_size, timeout;
    int raw, help;
};

/* ---- arguments ---------------------------------------------------------------------------------------- */

static int parse_option(struct job *job, struct cli_args *args)
{
    if (strcmp(args->option, "--control") == 0)
        return (job->control = cli_args_value(args)) ? 0 : CLI_USAGE;
    if (strcmp(args->option, "--out-size") == 0)
        return cli_args_number(args, 0, UWSK_DEVICE_BYTES, 1, &job->out_size);
    if (strcmp(args->option, "--direct-file") == 0)
        return (job->direct = cli_args_value(args)) ? 0 : CLI_USAGE;
    if (strcmp(args->option, "--timeout") == 0)
        return cli_args_number(args, 0.001, 4e6, 0, &job->timeout);
    if (strcmp(args->option, "--raw") == 0)
        job->raw = 1;
    else if (strcmp(args->option, "--help") == 0 || strcmp(args->option, "-h") == 0)
        job->help = 1;
    else
        return cli_unknown_option(args, options_known);
    return cli_args_no_value(args);
}

static int parse_code(struct job *job)
{
    char *end;
    unsigned long long value;

    errno = 0;
    value = strtoull(job->code_text, &end, 0);
    if (!isdigit((unsigned char)job->code_text[0]) || *end || errno || value > UINT32_MAX)
        return cli_usage("ioctl", "\"%s\" is no control code: a number like 0x222000", job->code_text);
    job->code = (uint32_t)value;
    return 0;
}

static int is_in_direct(uint32_t code)
{
    return (code & 3) == 1; /* METHOD_IN_DIRECT */
}

static int check_direct(const struct job *job)
{
    static const char *const methods[] = {"METHOD_BUFFERED", "METHOD_IN_DIRECT", "METHOD_OUT_DIRECT",
                                          "METHOD_NEITHER"};

    if (!job->direct)
        return 0;
    if (!is_in_direct(job->code))
        return cli_usage("ioctl",
                         "--direct-file: only a code of METHOD_IN_DIRECT has a second input, %s is %s",
                         job->code_text, methods[job->code & 3]);
    if (job->file && strcmp(job->file, "-") == 0 && strcmp(job->direct, "-") == 0)
        return cli_usage("ioctl", "--direct-file: standard input cannot be both buffers");
    return 0;
}

static int parse(struct job *job, int argc, char **argv)
{
    const char **const words[] = {&job->device, &job->code_text, &job->file};
    struct cli_args args;
    const char *word;
    size_t count = 0;
    int kind, status;

    cli_args_start(&args, argc, argv);
    while ((kind = cli_args_next(&args, &word)) != 0) {
        if (kind == 'w') {
            if (count == sizeof words / sizeof words[0])
                return cli_usage("ioctl", "\"%s\" is one argument too many", word);
            *words[count++] = word;
            continue;
        }
        status = parse_option(job, &args);
        if (status || job->help)
            return status;
    }
    if (!job->control)
        return cli_usage("ioctl", "--control PATH is missing: that of `uwsk run --control PATH`");
    if (count < 2)
        return cli_usage("ioctl", count ? "no control code is given" : "no device is named");
    status = parse_code(job);
    return status ? status : check_direct(job);
}

/* ---- what goes in ------------------------------------------------------------------------------------- */

struct input {
    char *data;
    size_t bytes;
};

/* 0, or -1 with a message. */
static int read_input(const char *file, struct input *input)
{
    if (!file)
        return 0;
    input->data = cc_read_file(strcmp(file, "-") == 0 ? "/dev/stdin" : file, &input->bytes);
    if (input->data)
        return 0;
    fprintf(stderr, "uwsk ioctl: %s: cannot be read: %s\n", file, strerror(errno));
    return -1;
}

/* ---- the request -------------------------------------------------------------------------------------- */

static struct uwsk_control *control;
static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal)
{
    if (interrupted)
        _exit(128 + signal);
    interrupted = 1;
    uwsk_control_cancel(control);
}

static void catch_interrupts(void)
{
    /* Without SA_RESTART: a sanitizer calls the handler only when the call that was interrupted returns. */
    struct sigaction action = {.sa_handler = on_interrupt};

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

/* "00000010  61 62 63 ...   abc" */
static void dump(const unsigned char *data, size_t bytes)
{
    for (size_t at = 0; at < bytes; at += 16) {
        size_t count = bytes - at < 16 ? bytes - at : 16;

        printf("%08zx ", at);
        for (size_t i = 0; i < 16; i++)
            i < count ? printf(" %02x", data[at + i]) : printf("   ");
        printf("  ");
        for (size_t i = 0; i < count; i++)
            putchar(data[at + i] >= 0x20 && data[at + i] < 0x7F ? data[at + i] : '.');
        putchar('\n');
    }
}

static int tell_output(const struct job *job, const unsigned char *out, size_t bytes)
{
    if (job->raw)
        fwrite(out, 1, bytes, stdout);
    else
        dump(out, bytes);
    if (fflush(stdout) == 0 && !ferror(stdout))
        return 0;
    fprintf(stderr, "uwsk ioctl: the output cannot be written: %s\n", strerror(errno));
    return 1;
}

static int tell_end(int32_t status, size_t returned, const struct uwsk_problem *problem)
{
    const char *name = uwsk_status_name(status);

    fprintf(stderr, "uwsk ioctl: ");
    if (problem->text[0])
        fprintf(stderr, "%s: ", problem->text);
    fprintf(stderr, "%s (0x%08X)", name ? name : "status", (unsigned)status);
    if (!problem->text[0])
        fprintf(stderr, ", %zu bytes", returned);
    fprintf(stderr, "\n");
    return status < 0;
}

static int perform(const struct job *job, const struct input *in, const struct input *direct)
{
    unsigned timeout = job->timeout > 0 ? (unsigned)(job->timeout * 1000 + 0.5) : UWSK_WAIT_FOREVER;
    size_t least = (size_t)job->out_size, room = least > direct->bytes ? least : direct->bytes, returned;
    unsigned char *out = calloc(1, room + 1);
    struct uwsk_problem problem;
    int32_t status;
    int result = 0;

    if (!out) {
        fprintf(stderr, "uwsk ioctl: out of memory\n");
        return 1;
    }
    if (direct->bytes)
        memcpy(out, direct->data, direct->bytes);
    if (uwsk_control_connect(job->control, &control, &problem) < 0) {
        fprintf(stderr, "uwsk ioctl: %s\n", problem.text);
        free(out);
        return 1;
    }
    catch_interrupts();
    status = uwsk_control_ioctl(control, job->device, job->code, in->data, in->bytes, out, room, &returned,
                                timeout, &problem);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    uwsk_control_close(control);
    /* a warning brings data, too; METHOD_IN_DIRECT never does */
    if (!problem.text[0] && (uint32_t)status < 0xC0000000u && !is_in_direct(job->code))
        result = tell_output(job, out, returned < room ? returned : room);
    free(out);
    return tell_end(status, returned, &problem) || result;
}

int cli_ioctl(int argc, char **argv)
{
    struct job job = {.timeout = -1};
    struct input in = {NULL, 0}, direct = {NULL, 0};
    int status = parse(&job, argc, argv);

    if (status)
        return status;
    if (job.help) {
        fputs(help, stdout);
        return 0;
    }
    signal(SIGPIPE, SIG_IGN);
    if (read_input(job.file, &in) == 0 && read_input(job.direct, &direct) == 0)
        status = perform(&job, &in, &direct);
    else
        status = 1;
    free(in.data);
    free(direct.data);
    return status;
}
