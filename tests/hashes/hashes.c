/*
 * hashes.c - hashes SEEDS DRIVER.so...: the hash of each run of the first SEEDS seeds of each driver, one a line:
 * driver, seed, hash, steps and what was found.  The same from every compiler at every level of optimization.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <uwsk/sim.h>

static const char *name_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static int fail(const char *path, const struct uwsk_problem *problem)
{
    fprintf(stderr, "hashes: %s: %s\n", path, problem->text);
    return 1;
}

static int run(const char *path, uint64_t seeds)
{
    /* For the drivers that are clients; there is no server, and they have to live with it. */
    static const char *const settings[] = {"Host=sz:10.0.0.1", "Port=dword:7000", "Text=sz:hello",
                                           "Server=sz:10.0.0.1", "Name=sz:host.test"};
    struct uwsk_world_options options = UWSK_WORLD_OPTIONS_INITIALIZER;
    struct uwsk_world_result result;
    struct uwsk_problem problem;
    struct uwsk_world *world;

    if (uwsk_world_create(&options, &world, &problem) < 0 || uwsk_world_driver(world, path, &problem) < 0)
        return fail(path, &problem);
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        if (uwsk_world_registry(world, settings[i], &problem) < 0)
            return fail(path, &problem);
    }
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        uwsk_world_reseed(world, seed);
        if (uwsk_world_run(world, NULL, NULL, &result, &problem) < 0)
            return fail(path, &problem);
        printf("%s\t%llu\t%016llx\t%llu\t%s\n", name_of(path), (unsigned long long)seed,
               (unsigned long long)result.hash, (unsigned long long)result.steps,
               result.kind ? result.kind : "-");
    }
    uwsk_world_destroy(world);
    return 0;
}

int main(int argc, char **argv)
{
    uint64_t seeds = argc > 2 ? strtoull(argv[1], NULL, 10) : 0;

    if (seeds == 0) {
        fputs("usage: hashes SEEDS DRIVER.so ...\n", stderr);
        return 2;
    }
    for (int i = 2; i < argc; i++) { /* a process for each: a world's drivers stay loaded */
        int status = 0;
        pid_t child;

        fflush(stdout);
        child = fork();
        if (child == 0) {
            status = run(argv[i], seeds);
            fflush(stdout);
            _exit(status);
        }
        if (child < 0 || waitpid(child, &status, 0) != child || status != 0) {
            fprintf(stderr, "hashes: %s: its process ends with status %d\n", argv[i], status);
            return 1;
        }
    }
    return 0;
}
