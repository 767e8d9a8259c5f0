/* main.c: `uwsk`: finds the subcommand. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "args.h"
#include "cli.h"

static const char help[] =
    "usage: uwsk COMMAND [argument ...]\n"
    "\n"
    "Compiles and runs Winsock Kernel (WSK) drivers on Linux.\n"
    "\n"
    "  uwsk cc -o DRIVER.so FILE.c ...   compile and link a driver\n"
    "  uwsk run DRIVER.so ...            load drivers, run them, say what they leave behind\n"
    "  uwsk explore DRIVER.so ...        run drivers in a simulated world, from one seed after the other\n"
    "  uwsk ioctl --control PATH DEVICE CODE [IN-FILE]\n"
    "                                    send a control code to a device of a driver that runs\n"
    "  uwsk doctor                       say what this machine offers\n"
    "  uwsk help [COMMAND]               this text, or that of a command\n"
    "  uwsk --version\n"
    "\n"
    "Each command explains itself with --help; uwsk(1) is the manual.\n";

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"cc", cli_cc}, {"run", cli_run}, {"explore", cli_explore}, {"ioctl", cli_ioctl}, {"doctor", cli_doctor}};

enum { COMMANDS = sizeof commands / sizeof commands[0] };

static const char *const words[] = {"cc",   "run",    "explore",   "ioctl", "doctor",
                                    "help", "--help", "--version", NULL};

static const struct command *find(const char *name)
{
    for (int i = 0; i < COMMANDS; i++)
        if (strcmp(name, commands[i].name) == 0)
            return &commands[i];
    return NULL;
}

static int unknown(const char *word)
{
    const char *near = cli_nearest(word, words);

    if (near)
        return cli_usage(NULL, "there is no command \"%s\"; did you mean \"uwsk %s\"?", word, near);
    return cli_usage(NULL, "there is no command \"%s\"", word);
}

static int show_help(const char *about)
{
    const struct command *command = about ? find(about) : NULL;
    char option[] = "--help";

    if (command) {
        char *arguments[] = {(char *)command->name, option, NULL};

        return command->run(2, arguments);
    }
    if (about)
        return unknown(about);
    fputs(help, stdout);
    return 0;
}

/* Whoever has closed one of the three standard descriptors would have some pipe of ours under its number. */
static int open_standard_descriptors(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd < 0)
        return -1;
    close(fd);
    return 0;
}

int main(int argc, char **argv)
{
    const struct command *command;

    if (open_standard_descriptors() != 0) {
        perror("uwsk: /dev/null");
        return CLI_USAGE;
    }

    if (argc < 2) {
        fputs(help, stderr);
        return CLI_USAGE;
    }
    command = find(argv[1]);
    if (command)
        return command->run(argc - 1, argv + 1);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0)
        return show_help(argc > 2 ? argv[2] : NULL);
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
        puts("uwsk " UWSK_VERSION);
        return 0;
    }
    return unknown(argv[1]);
}
