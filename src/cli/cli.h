/* cli.h: the subcommands. Each gets its own name as argv[0] and returns the exit status. */
#ifndef UWSK_CLI_H
#define UWSK_CLI_H

int cli_cc(int argc, char **argv);
int cli_run(int argc, char **argv);
int cli_explore(int argc, char **argv);
int cli_ioctl(int argc, char **argv);
int cli_doctor(int argc, char **argv);

#endif
