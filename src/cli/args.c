/* args.c: see args.h. */
#include "args.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int cli_usage(const char *command, const char *format, ...)
{
    va_list arguments;

    fprintf(stderr, command ? "uwsk %s: " : "uwsk: ", command);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, command ? " (see uwsk %s --help)\n" : " (see uwsk --help)\n", command);
    return CLI_USAGE;
}

void cli_args_start(struct cli_args *args, int argc, char **argv)
{
    memset(args, 0, sizeof *args);
    args->command = argv[0];
    args->argv = argv;
    args->argc = argc;
    args->next = 1;
}

int cli_args_next(struct cli_args *args, const char **word)
{
    char *argument, *equals;

    args->option = args->value = NULL;
    if (args->next >= args->argc)
        return 0;
    argument = args->argv[args->next++];
    if (!args->only_operands && strcmp(argument, "--") == 0) {
        args->only_operands = 1;
        return cli_args_next(args, word);
    }
    if (args->only_operands || argument[0] != '-' || argument[1] == 0) {
        *word = argument;
        return 'w';
    }
    args->option = argument;
    equals = strchr(argument, '=');
    if (equals && (size_t)(equals - argument) < sizeof args->buffer) {
        memcpy(args->buffer, argument, (size_t)(equals - argument));
        args->buffer[equals - argument] = 0;
        args->option = args->buffer;
        args->value = equals + 1;
    }
    return 'o';
}

const char *cli_args_value(struct cli_args *args)
{
    if (args->value)
        return args->value;
    if (args->next < args->argc)
        return args->value = args->argv[args->next++];
    cli_usage(args->command, "%s needs a value", args->option);
    return NULL;
}

int cli_args_no_value(struct cli_args *args)
{
    if (!args->value)
        return 0;
    return cli_usage(args->command, "%s takes no value, but got \"%s\"", args->option, args->value);
}

int cli_args_choice(struct cli_args *args, const char *const *names)
{
    const char *value = cli_args_value(args);
    char all[200];
    size_t length = 0;

    if (!value)
        return -1;
    all[0] = 0;
    for (int i = 0; names[i]; i++) {
        if (strcmp(value, names[i]) == 0)
            return i;
        length += (size_t)snprintf(all + length, sizeof all - length, "%s%s",
                                   i == 0         ? ""
                                   : names[i + 1] ? ", "
                                                  : " or ",
                                   names[i]);
    }
    cli_usage(args->command, "%s %s: not one of %s", args->option, value, all);
    return -1;
}

int cli_args_number(struct cli_args *args, double low, double high, int whole, double *number)
{
    const char *text = cli_args_value(args);
    char *end;

    if (!text)
        return CLI_USAGE;
    *number = strtod(text, &end);
    if (end == text || *end || !isfinite(*number) || (whole && *number != floor(*number)))
        return cli_usage(args->command, "%s %s: not a %snumber", args->option, text, whole ? "whole " : "");
    if (*number < low || *number > high)
        return cli_usage(args->command, "%s %s: has to be from %g to %g", args->option, text, low, high);
    return 0;
}

/* Edits that make one word of the other. */
static size_t distance(const char *a, const char *b)
{
    enum { LONGEST = 48 };
    size_t row[LONGEST + 1], bytes = strlen(b);

    if (bytes > LONGEST || strlen(a) > LONGEST)
        return LONGEST;
    for (size_t j = 0; j <= bytes; j++)
        row[j] = j;
    for (size_t i = 0; a[i]; i++) {
        size_t corner = row[0];

        row[0] = i + 1;
        for (size_t j = 0; j < bytes; j++) {
            size_t change = corner + (a[i] != b[j]);

            corner = row[j + 1];
            if (row[j] + 1 < change)
                change = row[j] + 1;
            if (corner + 1 < change)
                change = corner + 1;
            row[j + 1] = change;
        }
    }
    return row[bytes];
}

const char *cli_nearest(const char *word, const char *const *names)
{
    const char *best = NULL;
    size_t least = (strlen(word) + 1) / 2 + 1; /* at most half of it may be wrong */

    for (; *names; names++) {
        size_t now = distance(word, *names);

        if (now < least) {
            least = now;
            best = *names;
        }
    }
    return best;
}

int cli_unknown_option(const struct cli_args *args, const char *const *names)
{
    const char *near = cli_nearest(args->option, names);

    if (near)
        return cli_usage(args->command, "there is no option %s; did you mean %s?", args->option, near);
    return cli_usage(args->command, "there is no option %s", args->option);
}
