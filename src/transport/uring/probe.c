/*
 * probe.c - what io_uring can do here, by trying it.
 */
#include "transport/uring/internal.h"
#include "host/host.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

unsigned uring_without;

int uring_setup(struct io_uring *uring, unsigned wanted, unsigned *features)
{
    static const struct {
        unsigned flags, features;
    } choices[] = {
        {IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_R_DISABLED |
             IORING_SETUP_TASKRUN_FLAG,
         URING_DEFERRED},
        {IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG, 0},
        {0, 0},
    };
    int error = -EINVAL;
    for (unsigned i = 0; i < sizeof(choices) / sizeof(choices[0]) && error == -EINVAL; i++) {
        if (choices[i].features & ~wanted)
            continue;
        struct io_uring_params parameters = {
            .flags = choices[i].flags | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP, .cq_entries = RING_RESULTS};
        error = io_uring_queue_init_params(RING_ENTRIES, uring, &parameters);
        *features = (wanted & ~(unsigned)URING_DEFERRED) | choices[i].features;
    }
    return error;
}

int uring_enable(struct io_uring *uring, unsigned features)
{
    if (!(features & URING_DEFERRED))
        return 0;
    return io_uring_register((unsigned)uring->ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
}

/* ---- the trial ---------------------------------------------------------------------------------------- */

struct trial {
    struct io_uring uring;
    unsigned features;
    int pair[2];
    int event;
    char *reason;
    size_t size;
};

#define REFUSE(trial, ...) (snprintf((trial)->reason, (trial)->size, __VA_ARGS__), false)

/* Why there is no ring at all. */
static bool refused(struct trial *trial, const char *what, int error)
{
    char setting = '0';
    FILE *file = error == EPERM ? fopen("/proc/sys/kernel/io_uring_disabled", "re") : NULL;
    if (file) {
        if (fread(&setting, 1, 1, file) != 1)
            setting = '0';
        fclose(file);
    }
    if (error == EPERM && setting != '0')
        return REFUSE(trial, "%s: EPERM, the sysctl kernel.io_uring_disabled is %c", what, setting);
    if (error == EPERM || error == EACCES)
        return REFUSE(trial, "%s: %s, a seccomp filter or security module forbids it", what,
                      strerrorname_np(error));
    if (error == ENOSYS)
        return REFUSE(trial, "%s: ENOSYS, not in this kernel or hidden by a seccomp filter", what);
    return REFUSE(trial, "%s: %s", what, strerror(error));
}

static bool has_operations(struct trial *trial)
{
    static const struct {
        int code;
        const char *name;
    } needed[] = {
        {IORING_OP_POLL_ADD, "POLL_ADD"}, {IORING_OP_ASYNC_CANCEL, "ASYNC_CANCEL"},
        {IORING_OP_ACCEPT, "ACCEPT"},     {IORING_OP_SEND, "SEND"},
        {IORING_OP_RECV, "RECV"},         {IORING_OP_SENDMSG, "SENDMSG"},
        {IORING_OP_RECVMSG, "RECVMSG"},
    };
    static const struct {
        unsigned bit;
        const char *name;
    } features[] = {
        {IORING_FEAT_NODROP, "NODROP"},
        {IORING_FEAT_SUBMIT_STABLE, "SUBMIT_STABLE"},
        {IORING_FEAT_FAST_POLL, "FAST_POLL"},
        {IORING_FEAT_EXT_ARG, "EXT_ARG"},
    };
    for (unsigned i = 0; i < sizeof(features) / sizeof(features[0]); i++) {
        if (!(trial->uring.features & features[i].bit))
            return REFUSE(trial, "the kernel's io_uring lacks the feature %s", features[i].name);
    }
    struct io_uring_probe *probe = io_uring_get_probe_ring(&trial->uring);
    if (!probe)
        return REFUSE(trial, "io_uring_register: the kernel does not tell its operations");
    const char *missing = NULL;
    for (unsigned i = 0; i < sizeof(needed) / sizeof(needed[0]) && !missing; i++) {
        if (!io_uring_opcode_supported(probe, needed[i].code))
            missing = needed[i].name;
    }
    io_uring_free_probe(probe);
    return !missing || REFUSE(trial, "the kernel's io_uring lacks the operation %s", missing);
}

/* Submits what is there and takes one result for `data`; false when none comes within a second. */
static bool next_result(struct trial *trial, uint64_t data, int *result, unsigned *flags)
{
    for (int i = 0; i < 10; i++) {
        struct __kernel_timespec timeout = {.tv_sec = 1};
        struct io_uring_cqe *cqe;
        int error = io_uring_submit_and_wait_timeout(&trial->uring, &cqe, 1, &timeout, NULL);
        if (error < 0 && error != -EINTR)
            return error == -ETIME ? REFUSE(trial, "io_uring: a result does not come")
                                   : refused(trial, "io_uring_enter", -error);
        if (io_uring_peek_cqe(&trial->uring, &cqe) != 0)
            continue;
        bool wanted = cqe->user_data == data;
        *result = cqe->res;
        *flags = cqe->flags;
        io_uring_cqe_seen(&trial->uring, cqe);
        if (wanted)
            return true;
    }
    return REFUSE(trial, "io_uring: a result does not come");
}

static struct io_uring_sqe *entry(struct trial *trial, uint64_t data)
{
    struct io_uring_sqe *entry = io_uring_get_sqe(&trial->uring);
    memset(entry, 0, sizeof(*entry));
    entry->user_data = data;
    return entry;
}

/* An eventfd tells of a result before the ring's thread has asked for any. */
static bool event_tells(struct trial *trial)
{
    char byte;
    int result = -1;
    unsigned flags;
    eventfd_t count;
    int error = io_uring_register_eventfd(&trial->uring, trial->event);
    if (error < 0)
        return refused(trial, "io_uring_register", -error);
    struct io_uring_sqe *receive = entry(trial, 1);
    io_uring_prep_recv(receive, trial->pair[0], &byte, 1, 0);
    receive->user_data = 1;
    error = io_uring_submit(&trial->uring);
    if (error < 0)
        return refused(trial, "io_uring_enter", -error);
    struct pollfd told = {.fd = trial->event, .events = POLLIN};
    while (eventfd_read(trial->event, &count) == 0) /* of the submission, if of anything */
        ;
    bool works = write(trial->pair[1], "x", 1) == 1;
    int ready;
    do
        ready = poll(&told, 1, 1000);
    while (ready < 0 && errno == EINTR); /* by the result itself where the kernel does not defer it */
    works = works && ready == 1 && next_result(trial, 1, &result, &flags) && result == 1;
    return works || REFUSE(trial, "the kernel's io_uring tells no eventfd of a result");
}

/* A receive on a descriptor that is O_NONBLOCK waits in the ring, and can be ended there. */
static bool receive_waits(struct trial *trial, unsigned priority, int *result)
{
    char byte;
    unsigned flags;
    struct io_uring_sqe *receive = entry(trial, 2);
    io_uring_prep_recv(receive, trial->pair[0], &byte, 1, 0);
    receive->user_data = 2;
    receive->ioprio = (unsigned short)priority;
    io_uring_submit(&trial->uring);
    struct io_uring_sqe *cancel = entry(trial, 0);
    io_uring_prep_cancel64(cancel, 2, 0);
    cancel->user_data = 3;
    return next_result(trial, 2, result, &flags);
}

/* The kernel takes a buffer from the ring when data comes. */
static bool buffers_work(struct trial *trial)
{
    char bytes[16];
    int result = -1;
    unsigned flags = 0;
    void *memory =
        mmap(NULL, sizeof(struct io_uring_buf), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return false;
    struct io_uring_buf_reg registration = {
        .ring_addr = (uintptr_t)memory, .ring_entries = 1, .bgid = RING_GROUP};
    bool works = io_uring_register_buf_ring(&trial->uring, &registration, 0) == 0;
    if (works) {
        struct io_uring_buf_ring *ring = memory;
        io_uring_buf_ring_init(ring);
        io_uring_buf_ring_add(ring, bytes, sizeof(bytes), 0, io_uring_buf_ring_mask(1), 0);
        io_uring_buf_ring_advance(ring, 1);
        struct io_uring_sqe *receive = entry(trial, 4);
        io_uring_prep_recv(receive, trial->pair[0], NULL, sizeof(bytes), 0);
        receive->user_data = 4;
        receive->flags |= IOSQE_BUFFER_SELECT;
        receive->buf_group = RING_GROUP;
        io_uring_submit(&trial->uring);
        works = write(trial->pair[1], "x", 1) == 1 && next_result(trial, 4, &result, &flags) && result == 1 &&
                (flags & IORING_CQE_F_BUFFER) && bytes[0] == 'x';
        io_uring_unregister_buf_ring(&trial->uring, RING_GROUP);
    }
    munmap(memory, sizeof(struct io_uring_buf));
    return works;
}

static bool try_everything(struct trial *trial)
{
    int result = 0, error = uring_enable(&trial->uring, trial->features);
    if (error < 0)
        return refused(trial, "io_uring_register", -error);
    if (!has_operations(trial) || !event_tells(trial) || !receive_waits(trial, 0, &result))
        return false;
    if (result != -ECANCELED)
        return REFUSE(trial, "the kernel's io_uring does not let a receive wait and be cancelled (%d)",
                      result);
    if (!receive_waits(trial, IORING_RECVSEND_POLL_FIRST, &result) || result != -ECANCELED)
        trial->features &= ~(unsigned)URING_POLL_FIRST;
    if (!buffers_work(trial))
        trial->features &= ~(unsigned)URING_BUFFERS;
    return true;
}

int uring_probe_features(char *reason, size_t size)
{
    char nowhere[200];
    struct trial trial = {
        .reason = reason ? reason : nowhere, .size = reason ? size : sizeof(nowhere), .pair = {-1, -1}};
    unsigned all = URING_DEFERRED | URING_POLL_FIRST | URING_BUFFERS;
    bool works = false;
    if (host_sanitizer() == HOST_SANITIZER_THREAD) { /* it would call every result of the kernel a race */
        snprintf(trial.reason, trial.size, "ThreadSanitizer does not see through a ring");
        return -1;
    }
    trial.event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (trial.event < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, trial.pair) < 0)
        refused(&trial, trial.event < 0 ? "eventfd" : "socketpair", errno);
    else {
        int error = uring_setup(&trial.uring, all & ~uring_without, &trial.features);
        if (error < 0)
            refused(&trial, "io_uring_setup", -error);
        else {
            works = try_everything(&trial);
            io_uring_queue_exit(&trial.uring);
        }
    }
    if (trial.event >= 0)
        close(trial.event);
    if (trial.pair[0] >= 0) {
        close(trial.pair[0]);
        close(trial.pair[1]);
    }
    return works ? (int)trial.features : -1;
}

int uring_probe(char *reason, size_t size)
{
    return uring_probe_features(reason, size) >= 0;
}
