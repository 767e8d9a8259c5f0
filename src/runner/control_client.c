/*
 * control_client.c - a program that speaks to the control socket of `uwsk run`.
 */
#include "runner.h"
#include "control.h"

#include <uwsk/device.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <ntstatus.h>

struct uwsk_control {
    int channel;
    char path[128];
};

int32_t uwsk_control_connect(const char *path, struct uwsk_control **out, struct uwsk_problem *problem)
{
    struct uwsk_control *control = calloc(1, sizeof *control);

    *out = NULL;
    if (!control) {
        runner_problem(problem, STATUS_INSUFFICIENT_RESOURCES, "out of memory");
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    control->channel = host_channel_connect(path);
    if (control->channel < 0) {
        int error = -control->channel;

        free(control);
        runner_problem(problem, STATUS_CONNECTION_REFUSED,
                       error == ECONNREFUSED ? "%s: no `uwsk run` listens there any more" : "%s: %s", path,
                       strerror(error));
        return STATUS_CONNECTION_REFUSED;
    }
    *out = control;
    return STATUS_SUCCESS;
}

void uwsk_control_cancel(struct uwsk_control *control)
{
    host_channel_shut(control->channel, HOST_CHANNEL_WRITE);
}

void uwsk_control_close(struct uwsk_control *control)
{
    host_channel_close(control->channel);
    free(control);
}

static int ask(int channel, const struct control_request *request, const char *name, const void *in,
               const void *direct)
{
    return host_channel_write(channel, request, sizeof *request) ||
           host_channel_write(channel, name, request->name_bytes) ||
           host_channel_write(channel, in, request->in_bytes) ||
           host_channel_write(channel, direct, request->direct_bytes);
}

int32_t uwsk_control_ioctl(struct uwsk_control *control, const char *device, uint32_t code, const void *in,
                           size_t in_bytes, void *out, size_t out_bytes, size_t *returned,
                           unsigned timeout_ms, struct uwsk_problem *problem)
{
    struct control_request request = {.magic = CONTROL_MAGIC,
                                      .code = code,
                                      .timeout_ms = timeout_ms,
                                      .name_bytes = (uint32_t)strlen(device),
                                      .in_bytes = (uint32_t)in_bytes,
                                      .out_bytes = (uint32_t)out_bytes};
    struct control_answer answer;

    *returned = 0;
    runner_problem(problem, STATUS_SUCCESS, "%s", "");
    if (in_bytes > UWSK_DEVICE_BYTES || out_bytes > UWSK_DEVICE_BYTES) {
        runner_problem(problem, STATUS_INVALID_BUFFER_SIZE, "a buffer has more than %u bytes",
                       UWSK_DEVICE_BYTES);
        return STATUS_INVALID_BUFFER_SIZE;
    }
    if (strlen(device) >= CONTROL_NAME_BYTES) {
        runner_problem(problem, STATUS_OBJECT_NAME_INVALID, "the device's name is too long");
        return STATUS_OBJECT_NAME_INVALID;
    }
    if (METHOD_FROM_CTL_CODE(code) == METHOD_IN_DIRECT)
        request.direct_bytes = request.out_bytes;
    /* cancelled on the way: the other end answers or not */
    (void)ask(control->channel, &request, device, in, out);
    if (host_channel_read(control->channel, &answer, sizeof answer) != 0 || answer.magic != CONTROL_MAGIC ||
        answer.out_bytes > out_bytes ||
        host_channel_read(control->channel, out, (size_t)answer.out_bytes) != 0) {
        runner_problem(problem, STATUS_CONNECTION_DISCONNECTED,
                       "the other end went away without an answer: has `uwsk run` ended?");
        return STATUS_CONNECTION_DISCONNECTED;
    }
    if (!answer.opened)
        runner_problem(problem, answer.status, "%s: cannot be opened", device);
    *returned = (size_t)answer.information;
    return answer.status;
}
