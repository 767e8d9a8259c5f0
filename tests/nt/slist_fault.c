/*
 * slist_fault.c - the host side of slist_claim.c: a page whose next touch stops the thread that touches it.
 */
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

static char *page;
static void (*on_touch)(void);

static void touched(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)context;
    if ((uintptr_t)info->si_addr / 4096 != (uintptr_t)page / 4096)
        abort();
    if (mprotect(page, 4096, PROT_READ | PROT_WRITE) != 0)
        abort();
    on_touch(); /* the touch goes on when this returns */
}

/* A page of zeros, or NULL. */
void *fault_page(void)
{
    void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    page = memory == MAP_FAILED ? NULL : memory;
    return page;
}

/* The next touch of the page calls hook on the thread that touches, once.  0, or -1 when the system refuses.
 */
int fault_arm(void (*hook)(void))
{
    struct sigaction action = {.sa_sigaction = touched, .sa_flags = SA_SIGINFO | SA_NODEFER};

    on_touch = hook;
    return sigaction(SIGSEGV, &action, NULL) != 0 || mprotect(page, 4096, PROT_NONE) != 0 ? -1 : 0;
}
