/*
 * absent.c - in place of the io_uring transport in a build without liburing (CMakeLists.txt chooses).
 */
#include "transport/common/internal.h"
#include "transport/uring/uring.h"

#include <stdio.h>
#include <ntstatus.h>

unsigned uring_without;

int uring_probe(char *reason, size_t size)
{
    if (reason)
        snprintf(reason, size, "built without liburing");
    return 0;
}

static int32_t absent_attach(const struct transport_config *config, struct transport **out)
{
    (void)config;
    (void)out;
    return STATUS_NOT_SUPPORTED;
}

const struct transport_ops transport_uring = {.name = "uring", .attach = absent_attach, COMMON_TRANSPORT_OPS};
const struct transport_ops transport_uring_all = {
    .name = "uring-all", .attach = absent_attach, COMMON_TRANSPORT_OPS};
