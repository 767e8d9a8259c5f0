/*
 * slow_resolver.c - see slow_resolver.h.
 */
#include "slow_resolver.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

typedef int (*resolver)(const char *node, const char *service, const struct addrinfo *hints,
                        struct addrinfo **list);

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int inside, open_;

int slow_resolver_inside(void)
{
    pthread_mutex_lock(&lock);
    int count = inside;
    pthread_mutex_unlock(&lock);
    return count;
}

void slow_resolver_go(void)
{
    pthread_mutex_lock(&lock);
    open_ = 1;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static int wait_for_go(void)
{
    pthread_mutex_lock(&lock);
    inside++;
    while (!open_)
        pthread_cond_wait(&changed, &lock);
    inside--;
    pthread_mutex_unlock(&lock);
    return EAI_NONAME;
}

/* Numeric ones, one after the other: the system makes each list, so that it can free them all as one. */
static int numbers(resolver next, const char *const *texts, const struct addrinfo *hints,
                   struct addrinfo **list)
{
    struct addrinfo numeric = {.ai_flags = AI_NUMERICHOST, .ai_socktype = hints->ai_socktype};
    struct addrinfo **end = list;
    int error = 0;

    *list = NULL;
    for (; *texts && error == 0; texts++) {
        int family = strchr(*texts, ':') ? AF_INET6 : AF_INET;
        if (hints->ai_family != AF_UNSPEC && hints->ai_family != family)
            continue;
        error = next(*texts, NULL, &numeric, end);
        while (error == 0 && *end)
            end = &(*end)->ai_next;
    }
    return error ? error : *list ? 0 : EAI_NONAME;
}

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **list)
{
    static const char *const many[] = {"10.1.0.1", "10.1.0.1", "fd01::1", "10.1.0.2", "10.1.0.2", NULL};
    static const char *const book[] = {"10.1.0.3", NULL};
    static _Atomic(resolver) system;
    resolver next = atomic_load(&system);

    if (!next) {
        next = (resolver)dlsym(RTLD_NEXT, "getaddrinfo");
        atomic_store(&system, next);
    }
    if (!node || !hints)
        return next(node, service, hints, list);
    if (strcmp(node, "slow.test") == 0)
        return wait_for_go();
    if (strcmp(node, "unknown.test") == 0)
        return EAI_NONAME;
    if (strcmp(node, "silent.test") == 0)
        return EAI_AGAIN;
    if (strcmp(node, "many.test") == 0)
        return numbers(next, many, hints, list);
    if (strcmp(node, "b\xc3\xbc"
                     "cher.test") == 0)
        return hints->ai_flags & AI_IDN ? numbers(next, book, hints, list) : EAI_NONAME;
    return next(node, service, hints, list);
}
