/*
 * one_cpu_host.c - binds the process to one CPU, for one_cpu.c.
 */
#include <sched.h>

int bind_to_one_cpu(void)
{
    cpu_set_t may, one;

    if (sched_getaffinity(0, sizeof may, &may) != 0)
        return -1;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, &may)) {
            CPU_ZERO(&one);
            CPU_SET(cpu, &one);
            return sched_setaffinity(0, sizeof one, &one);
        }
    }
    return -1;
}
