/*
 * sockets.c - a copy of what WSK tells about its sockets and clients, and the NMR about its modules.
 *
 * WSK is asked on a thread of its own: the question raises to DISPATCH_LEVEL and takes locks, and a driver
 * that hangs with all processors must not take the report with it.
 */
#include "runner.h"
#include "nmr/report.h"
#include "wsk/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const GUID NPI_WSK_INTERFACE_ID; /* wsk.h is not for this world */

#define PATIENCE_NS 2000000000u

struct question {
    struct runner_sockets answer;
    uint32_t done; /* parking word */
    uint32_t owners;
};

static void add_socket(void *context, const struct wsk_report_socket *socket)
{
    struct runner_sockets *all = context;

    if ((all->sockets & (all->sockets - 1)) == 0) { /* full: 0, 1, 2, 4 ... */
        size_t room = all->sockets ? 2 * all->sockets : 1;
        void *bigger = realloc(all->socket, room * sizeof *all->socket);

        if (!bigger)
            return;
        all->socket = bigger;
    }
    all->socket[all->sockets++] = *socket;
}

static void add_client(void *context, const struct wsk_report_client *client)
{
    struct runner_sockets *all = context;
    void *bigger = realloc(all->client, (all->clients + 1) * sizeof *all->client);

    if (!bigger)
        return;
    all->client = bigger;
    all->client[all->clients++] = *client;
}

static void add_module(void *context, const struct nmr_report_module *module)
{
    struct runner_sockets *all = context;
    void *bigger = realloc(all->module, (all->modules + 1) * sizeof *all->module);

    if (!bigger)
        return;
    all->module = bigger;
    all->module[all->modules++] = *module;
}

static void free_answer(struct runner_sockets *answer)
{
    free(answer->socket);
    free(answer->client);
    free(answer->module);
}

/* Either side may be the last: whoever is frees. */
static void drop(struct question *question)
{
    if (__atomic_sub_fetch(&question->owners, 1, __ATOMIC_ACQ_REL) != 0)
        return;
    free_answer(&question->answer);
    free(question);
}

static void ask(void *argument)
{
    struct question *question = argument;

    nmr_report_modules(add_module, &question->answer);
    wsk_report_clients(add_client, &question->answer);
    wsk_report_sockets(add_socket, &question->answer);
    __atomic_store_n(&question->done, 1, __ATOMIC_RELEASE);
    host_unpark(&question->done, 1);
    drop(question);
}

struct runner_sockets *runner_sockets_get(void)
{
    struct runner_sockets *result = calloc(1, sizeof *result);
    struct question *question = calloc(1, sizeof *question);
    uint64_t until = host_now() + PATIENCE_NS;

    if (!result || !question) {
        free(question);
        return result;
    }
    question->owners = 2;
    if (host_thread_start(ask, question, "report", 0) != 0) {
        free(question);
        return result;
    }
    while (!__atomic_load_n(&question->done, __ATOMIC_ACQUIRE) && host_now() < until)
        host_park(&question->done, 0, until);
    if (__atomic_load_n(&question->done, __ATOMIC_ACQUIRE)) {
        *result = question->answer;
        result->complete = 1;
        question->answer = (struct runner_sockets){0};
    }
    drop(question);
    return result;
}

void runner_sockets_free(struct runner_sockets *sockets)
{
    if (!sockets)
        return;
    free_answer(sockets);
    free(sockets);
}

const struct wsk_report_socket *runner_socket_find(const struct runner_sockets *sockets, const void *object)
{
    for (size_t i = 0; sockets && i < sockets->sockets; i++)
        if (sockets->socket[i].object == object)
            return &sockets->socket[i];
    return NULL;
}

void runner_socket_text(const struct wsk_report_socket *socket, char *text, size_t bytes)
{
    char local[64], peer[64];

    runner_address_text(socket->local, local, sizeof local);
    runner_address_text(socket->peer, peer, sizeof peer);
    snprintf(text, bytes, "%s socket %llu, %s%s%s%s%s%s", socket->category,
             (unsigned long long)socket->number, socket->state, local[0] ? " " : "", local,
             peer[0] ? " - " : "", peer, socket->closing ? ", closing" : "");
}

const struct nmr_report_module *runner_module_find(const struct runner_sockets *sockets, const void *handle)
{
    for (size_t i = 0; sockets && i < sockets->modules; i++)
        if (sockets->module[i].handle == handle)
            return &sockets->module[i];
    return NULL;
}

void runner_guid_text(const uint8_t *guid, char text[40])
{
    uint32_t first;
    uint16_t second, third;

    memcpy(&first, guid, sizeof first);
    memcpy(&second, guid + 4, sizeof second);
    memcpy(&third, guid + 6, sizeof third);
    snprintf(text, 40, "{%08X-%04X-%04X-%02X%02X-%02X%02X%02X%02X%02X%02X}", first, second, third, guid[8],
             guid[9], guid[10], guid[11], guid[12], guid[13], guid[14], guid[15]);
}

void runner_module_text(const struct nmr_report_module *module, char *text, size_t bytes)
{
    char guid[40];

    runner_guid_text(module->npi, guid);
    snprintf(text, bytes, "%s of NPI %s%s", module->is_provider ? "provider" : "client",
             memcmp(module->npi, &NPI_WSK_INTERFACE_ID, sizeof module->npi) == 0 ? "WSK " : "", guid);
}
