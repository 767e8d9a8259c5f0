/* args.h: the arguments of a subcommand, and complaints about them that say what, where and what to do. */
#ifndef UWSK_CLI_ARGS_H
#define UWSK_CLI_ARGS_H

#define CLI_USAGE 2 /* exit status for wrong usage */

struct cli_args {
    const char *command; /* "run" */
    char **argv;
    int argc, next;     /* next: the index of the argument to look at */
    const char *option; /* the one just taken, with its dashes: points into argv or buffer */
    const char *value;  /* what followed its '=', or NULL */
    int only_operands;  /* "--" was seen */
    char buffer[64];
};

/* argv[0] is the subcommand's name. */
void cli_args_start(struct cli_args *args, int argc, char **argv);

/* The next argument. 'o': an option (args->option: "--for"), 'w': a word (*word), 0: there is none. */
int cli_args_next(struct cli_args *args, const char **word);

/* The value of the option just taken, from "--for=3" or "--for 3"; NULL after a complaint. */
const char *cli_args_value(struct cli_args *args);
/* Complains about a value that an option without one got; 0, or CLI_USAGE. */
int cli_args_no_value(struct cli_args *args);
/* Its value as one of these names: the index, or -1 after a complaint. */
int cli_args_choice(struct cli_args *args, const char *const *names);
/* Its value as a number from low to high; 0, or CLI_USAGE after a complaint. */
int cli_args_number(struct cli_args *args, double low, double high, int whole, double *number);

/* "uwsk run: <text>", then where to read on. Returns CLI_USAGE. */
int cli_usage(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Complains about an option that does not exist, suggesting the nearest of names (ended by NULL). */
int cli_unknown_option(const struct cli_args *args, const char *const *names);
/* The nearest of names (ended by NULL), or NULL when none is near. */
const char *cli_nearest(const char *word, const char *const *names);

#endif
