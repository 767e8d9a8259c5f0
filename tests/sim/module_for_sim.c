/* A driver's stand-in: data, zeroed data, a table that relocation fills, and read-only data. */
#include "module_for_sim.h"

static int one = 1;
static const char *names[] = {"alpha", "beta"};
static const char *const fixed[] = {"gamma"};
static int many[100000];
static int *pointer = &one;

__attribute__((visibility("default"))) void change(int step)
{
    one += step;
    names[step % 2] = fixed[0];
    for (int i = 0; i < 100000; i += 5000)
        many[i] += step;
    pointer = &many[step];
}

__attribute__((visibility("default"))) int is_as_new(void)
{
    for (int i = 0; i < 100000; i++)
        if (many[i])
            return 0;
    return one == 1 && names[0][0] == 'a' && names[1][0] == 'b' && pointer == &one && fixed[0][0] == 'g';
}

__attribute__((visibility("default"))) int sum(void)
{
    return one;
}
