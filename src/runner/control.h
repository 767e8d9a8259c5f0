/*
 * control.h - what a control socket carries: one request and its answer a connection, both ends on this
 * machine.
 *
 *   program   struct control_request, the device's name, the input, for METHOD_IN_DIRECT the second buffer;
 *             then nothing, or the end of its direction, which cancels
 *   runner    struct control_answer, the output; then the end
 */
#ifndef UWSK_RUNNER_CONTROL_H
#define UWSK_RUNNER_CONTROL_H

#include <stdint.h>

#define CONTROL_MAGIC      0x316c74636b737775ull /* "uwskctl1" */
#define CONTROL_NAME_BYTES 3072u

struct control_request {
    uint64_t magic;
    uint32_t code;
    uint32_t timeout_ms; /* UWSK_WAIT_FOREVER: none */
    uint32_t name_bytes;
    uint32_t in_bytes;
    uint32_t out_bytes;    /* room for output */
    uint32_t direct_bytes; /* METHOD_IN_DIRECT: how many of out_bytes follow as data, else 0 */
};

struct control_answer {
    uint64_t magic;
    int32_t status;
    uint32_t opened;      /* 0: `status` is that of opening the device */
    uint64_t information; /* IoStatus.Information */
    uint64_t out_bytes;   /* that follow */
};

#endif
