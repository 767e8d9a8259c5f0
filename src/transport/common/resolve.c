/*
 * resolve.c - names and addresses through the system's resolver (NSS: /etc/hosts, DNS, whatever is configured).
 *
 * getaddrinfo() blocks, for many seconds where a name server is silent, and cannot be ended.  So it runs on a few
 * threads of our own, on a copy of what is asked: a job.  A request that is cancelled lets go of its job at once,
 * and the thread throws the result away when it comes.  A job that is over waits in the list until dispatch() of
 * its request's loop takes it.
 */
#include "transport/common/internal.h"
#include "host/host.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <locale.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <ntstatus.h>

enum {
    RESOLVER_THREADS = 8, /* so many silent name servers hold up nobody else */
    RESOLVER_STEPS = 16,  /* jobs that one dispatch() ends */
    RESOLVER_STACK = 256 << 10
};

enum job_state { JOB_WAITS, JOB_RUNS, JOB_OVER };

struct job {
    struct link link; /* resolver->jobs, in the order in which they came */
    enum job_state state;
    struct transport_resolve *request; /* NULL: it was cancelled while the job ran */
    struct transport_resolve ask;      /* the copy: what is asked, then the results */
    struct loop *loop;
    int32_t status;
    char *host, *service;
    struct transport_address *found;
    char host_name[NI_MAXHOST], service_name[NI_MAXSERV];
};

struct resolver {
    pthread_mutex_t lock;
    pthread_cond_t work;  /* a job waits, or it is time to end */
    pthread_cond_t ended; /* a thread has ended, or came back from the system's resolver */
    struct link jobs;
    unsigned waiting;             /* jobs in JOB_WAITS */
    unsigned threads, idle, busy; /* all of them, those that wait for work, those in the system's resolver */
    bool closing;
    bool abandoned; /* resolver_close() has left: the last thread frees it */
};

/* ---- what the system's resolver says ------------------------------------------------------------------ */

static int32_t status_of(int error)
{
    switch (error) {
    case 0:
        return STATUS_SUCCESS;
    case EAI_MEMORY:
        return STATUS_INSUFFICIENT_RESOURCES;
    default: /* no such name, no address of that kind, or nobody who could tell */
        return STATUS_NO_MATCH;
    }
}

static int linux_family(int family)
{
    return family == TRANSPORT_AF_INET ? AF_INET : family == TRANSPORT_AF_INET6 ? AF_INET6 : AF_UNSPEC;
}

/* Adds an address, each once, with port 0; false without memory. */
static bool add_address(struct job *job, struct transport_address one)
{
    struct transport_resolve *ask = &job->ask;
    if (one.length == 0)
        return true;
    memset(one.bytes + 2, 0, 2);
    for (size_t i = 0; i < ask->count; i++) {
        if (job->found[i].length == one.length && memcmp(job->found[i].bytes, one.bytes, one.length) == 0)
            return true;
    }
    struct transport_address *more = realloc(job->found, (ask->count + 1) * sizeof(*more));
    if (!more)
        return false;
    more[ask->count++] = one;
    ask->addresses = job->found = more;
    return true;
}

static bool add_from_linux(struct job *job, const struct sockaddr *address, socklen_t length)
{
    struct sockaddr_storage storage = {0};
    struct transport_address one;

    memcpy(&storage, address, length);
    address_from_linux(&storage, length, &one);
    return add_address(job, one);
}

/* The addresses of this host's interfaces; those of loopback when there is no other. */
static int32_t own_addresses(struct job *job)
{
    struct transport_address address;
    struct ifaddrs *list;
    bool memory = true;

    if (getifaddrs(&list) != 0)
        return STATUS_INSUFFICIENT_RESOURCES;
    for (unsigned loopback = 0; loopback <= IFF_LOOPBACK && job->ask.count == 0; loopback += IFF_LOOPBACK) {
        for (struct ifaddrs *one = list; one && memory; one = one->ifa_next) {
            if ((one->ifa_flags & IFF_LOOPBACK) == loopback && local_is_ours(one, job->ask.family, &address))
                memory = add_address(job, address);
        }
    }
    freeifaddrs(list);
    if (!memory)
        return STATUS_INSUFFICIENT_RESOURCES;
    return job->ask.count ? STATUS_SUCCESS : STATUS_NO_MATCH;
}

static void set_host_name(struct job *job, const char *name)
{
    snprintf(job->host_name, sizeof(job->host_name), "%.*s", NI_MAXHOST - 1, name);
    job->ask.host_name = job->host_name;
}

static int32_t host_addresses(struct job *job)
{
    /* One kind of socket: else each address would come once for each kind. */
    struct addrinfo hints = {.ai_family = linux_family(job->ask.family), .ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    bool memory = true;

    if (job->ask.flags & TRANSPORT_RESOLVE_CANONICAL)
        hints.ai_flags |= AI_CANONNAME;
    if (job->ask.flags & TRANSPORT_RESOLVE_CONFIGURED)
        hints.ai_flags |= AI_ADDRCONFIG;
#ifdef AI_IDN
    bool ascii = true;
    for (const char *at = job->host; *at; at++)
        ascii = ascii && (unsigned char)*at < 0x80;
    if (!ascii && !(job->ask.flags & TRANSPORT_RESOLVE_AS_IS))
        hints.ai_flags |= AI_IDN;
#endif
    int32_t status = status_of(getaddrinfo(job->host, NULL, &hints, &list));
    if (status != STATUS_SUCCESS)
        return status;
    for (struct addrinfo *one = list; one && memory; one = one->ai_next)
        memory = add_from_linux(job, one->ai_addr, one->ai_addrlen);
    if (list->ai_canonname)
        set_host_name(job, list->ai_canonname);
    freeaddrinfo(list);
    if (!memory)
        return STATUS_INSUFFICIENT_RESOURCES;
    return job->ask.count ? STATUS_SUCCESS : STATUS_NO_MATCH;
}

static int service_port(const char *service, int type)
{
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = type, .ai_flags = AI_PASSIVE};
    struct addrinfo *list;
    struct sockaddr_in address;

    if (getaddrinfo(NULL, service, &hints, &list) != 0)
        return -1;
    memcpy(&address, list->ai_addr, sizeof(address));
    freeaddrinfo(list);
    return ntohs(address.sin_port);
}

static int32_t find_addresses(struct job *job)
{
    int32_t status = STATUS_SUCCESS;

    if (job->service) {
        job->ask.port_stream = service_port(job->service, SOCK_STREAM);
        job->ask.port_datagram = service_port(job->service, SOCK_DGRAM);
    }
    if (job->host && !*job->host) {
        char name[NI_MAXHOST] = "";
        status = own_addresses(job);
        if (gethostname(name, sizeof(name) - 1) == 0 && *name)
            set_host_name(job, name);
    } else if (job->host) {
        status = host_addresses(job);
    }
    return status;
}

static int32_t find_names(struct job *job)
{
    struct sockaddr_storage address;
    socklen_t length;
    unsigned flags = job->ask.flags;
    int32_t status = address_to_linux(&job->ask.address, &address, &length);
    int error = 0;

    if (status != STATUS_SUCCESS)
        return status;
    if (flags & TRANSPORT_RESOLVE_HOST) {
        int how = NI_NAMEREQD | (flags & TRANSPORT_RESOLVE_SHORT ? NI_NOFQDN : 0);
        error = getnameinfo((struct sockaddr *)&address, length, job->host_name, sizeof(job->host_name), NULL,
                            0, how);
        if (error == 0)
            job->ask.host_name = job->host_name;
    }
    if (error == EAI_MEMORY)
        return STATUS_INSUFFICIENT_RESOURCES;
    if (flags & TRANSPORT_RESOLVE_SERVICE) {
        char number[NI_MAXSERV];
        int how = flags & TRANSPORT_RESOLVE_DATAGRAM ? NI_DGRAM : 0;
        error = getnameinfo((struct sockaddr *)&address, length, NULL, 0, job->service_name,
                            sizeof(job->service_name), how);
        if (error == 0)
            error = getnameinfo((struct sockaddr *)&address, length, NULL, 0, number, sizeof(number),
                                NI_NUMERICSERV);
        if (error == 0 && strcmp(number, job->service_name) != 0) /* a number: the port has no name */
            job->ask.service_name = job->service_name;
    }
    return error == EAI_MEMORY ? STATUS_INSUFFICIENT_RESOURCES : STATUS_SUCCESS;
}

/* ---- jobs --------------------------------------------------------------------------------------------- */

static void job_free(struct job *job)
{
    free(job->host);
    free(job->service);
    free(job->found);
    free(job);
}

static struct job *job_create(struct transport *transport, struct transport_resolve *request)
{
    struct job *job = calloc(1, sizeof(*job));

    if (!job)
        return NULL;
    link_init(&job->link);
    job->request = request;
    job->ask = *request;
    job->ask.addresses = NULL;
    job->ask.count = 0;
    job->ask.port_stream = job->ask.port_datagram = -1;
    job->ask.host_name = job->ask.service_name = NULL;
    job->loop = &transport->loops[request->loop];
    if (request->host)
        job->host = strdup(request->host);
    if (request->service)
        job->service = strdup(request->service);
    if ((request->host && !job->host) || (request->service && !job->service)) {
        job_free(job);
        return NULL;
    }
    return job;
}

/* ---- the threads -------------------------------------------------------------------------------------- */

static void resolver_free(struct resolver *resolver)
{
    pthread_mutex_destroy(&resolver->lock);
    pthread_cond_destroy(&resolver->work);
    pthread_cond_destroy(&resolver->ended);
    free(resolver);
}

static struct job *next_job(struct resolver *resolver)
{
    for (struct link *link = resolver->jobs.next; link != &resolver->jobs; link = link->next) {
        struct job *job = LINK_OWNER(link, struct job, link);
        if (job->state == JOB_WAITS)
            return job;
    }
    return NULL;
}

/* The lock is held, before and after. */
static void run_job(struct resolver *resolver, struct job *job)
{
    job->state = JOB_RUNS;
    resolver->waiting--;
    resolver->busy++;
    pthread_mutex_unlock(&resolver->lock);
    int32_t status = job->ask.kind == TRANSPORT_RESOLVE_ADDRESSES ? find_addresses(job) : find_names(job);
    pthread_mutex_lock(&resolver->lock);
    resolver->busy--;
    pthread_cond_broadcast(&resolver->ended);
    job->status = status;
    if (!job->request) {
        link_remove(&job->link);
        job_free(job);
        return;
    }
    job->state = JOB_OVER;
    /* Under the lock: once it is free the request may be cancelled and the transport detached. */
    struct loop *loop = job->loop;
    atomic_store(&loop->resolved, true);
    loop_wake(loop->transport, (unsigned)(loop - loop->transport->loops));
}

static void resolver_main(void *argument)
{
    struct resolver *resolver = argument;
    /* AI_IDN takes text in the locale's encoding; ours is UTF-8, whatever the program's is. */
    locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);

    if (utf8)
        uselocale(utf8);
    pthread_mutex_lock(&resolver->lock);
    for (;;) {
        struct job *job = next_job(resolver);
        if (job) {
            run_job(resolver, job);
            continue;
        }
        if (resolver->closing)
            break;
        resolver->idle++;
        pthread_cond_wait(&resolver->work, &resolver->lock);
        resolver->idle--;
    }
    if (utf8) {
        uselocale(LC_GLOBAL_LOCALE);
        freelocale(utf8);
    }
    bool last = --resolver->threads == 0 && resolver->abandoned;
    pthread_cond_broadcast(&resolver->ended);
    pthread_mutex_unlock(&resolver->lock);
    if (last)
        resolver_free(resolver);
}

struct resolver *resolver_create(void)
{
    struct resolver *resolver = calloc(1, sizeof(*resolver));

    if (!resolver)
        return NULL;
    pthread_mutex_init(&resolver->lock, NULL);
    pthread_cond_init(&resolver->work, NULL);
    pthread_cond_init(&resolver->ended, NULL);
    link_init(&resolver->jobs);
    return resolver;
}

void resolver_close(struct resolver *resolver)
{
    pthread_mutex_lock(&resolver->lock);
    for (struct link *link = resolver->jobs.next; link != &resolver->jobs; link = link->next)
        assert(!LINK_OWNER(link, struct job, link)->request && "detach: every request is over");
    resolver->closing = true;
    pthread_cond_broadcast(&resolver->work);
    while (resolver->threads > resolver->busy)
        pthread_cond_wait(&resolver->ended, &resolver->lock);
    bool last = resolver->threads == 0;
    resolver->abandoned = !last;
    pthread_mutex_unlock(&resolver->lock);
    if (last)
        resolver_free(resolver);
}

/* ---- the table's functions ---------------------------------------------------------------------------- */

int32_t common_resolve(struct transport *transport, struct transport_resolve *request)
{
    struct resolver *resolver = transport->resolver;

    assert(request->loop < transport->loop_count);
    struct job *job = host_fault(HOST_FAULT_TRANSPORT) ? NULL : job_create(transport, request);
    if (!job)
        return STATUS_INSUFFICIENT_RESOURCES;
    pthread_mutex_lock(&resolver->lock);
    link_append(&resolver->jobs, &job->link);
    resolver->waiting++;
    if (resolver->waiting > resolver->idle && resolver->threads < RESOLVER_THREADS &&
        host_thread_start(resolver_main, resolver, "resolver", RESOLVER_STACK) == 0)
        resolver->threads++;
    bool served = resolver->threads != 0;
    if (!served) {
        link_remove(&job->link);
        resolver->waiting--;
    }
    pthread_cond_signal(&resolver->work);
    pthread_mutex_unlock(&resolver->lock);
    if (!served) {
        job_free(job);
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    return STATUS_PENDING;
}

int common_resolve_cancel(struct transport *transport, struct transport_resolve *request)
{
    struct resolver *resolver = transport->resolver;
    struct job *gone = NULL;
    int taken = 0;

    pthread_mutex_lock(&resolver->lock);
    for (struct link *link = resolver->jobs.next; link != &resolver->jobs && !taken; link = link->next) {
        struct job *job = LINK_OWNER(link, struct job, link);
        if (job->request != request)
            continue;
        taken = 1;
        job->request = NULL;
        if (job->state == JOB_RUNS)
            continue; /* its thread throws it away */
        if (job->state == JOB_WAITS)
            resolver->waiting--;
        gone = job;
    }
    if (gone)
        link_remove(&gone->link);
    pthread_mutex_unlock(&resolver->lock);
    if (gone)
        job_free(gone);
    return taken;
}

int resolver_dispatch(struct loop *loop)
{
    struct resolver *resolver = loop->transport->resolver;

    for (int steps = 0; steps < RESOLVER_STEPS; steps++) {
        struct job *job = NULL;
        pthread_mutex_lock(&resolver->lock);
        for (struct link *link = resolver->jobs.next; link != &resolver->jobs && !job; link = link->next) {
            job = LINK_OWNER(link, struct job, link);
            if (job->state != JOB_OVER || job->loop != loop)
                job = NULL;
        }
        if (job) /* out of the list: from here on a cancel comes too late */
            link_remove(&job->link);
        else
            atomic_store(&loop->resolved, false);
        pthread_mutex_unlock(&resolver->lock);
        if (!job)
            return 0;
        struct transport_resolve *request = job->request;
        request->addresses = job->ask.addresses;
        request->count = job->ask.count;
        request->port_stream = job->ask.port_stream;
        request->port_datagram = job->ask.port_datagram;
        request->host_name = job->ask.host_name;
        request->service_name = job->ask.service_name;
        request->complete(request, job->status);
        job_free(job);
    }
    return 1;
}
