/* gate.h - what gate.c and the program that opens its device agree on. */
#ifndef GATE_H
#define GATE_H

/* CTL_CODE(FILE_DEVICE_UNKNOWN, function, method, FILE_ANY_ACCESS), for programs without devioctl.h. */
#define GATE_CODE(function, method) (0x00220000u | ((function) << 2) | (method))

#define GATE_REVERSE       GATE_CODE(0x800, 0) /* the input backwards */
#define GATE_DIRECT_IN     GATE_CODE(0x801, 1) /* remembers input and "output" buffer */
#define GATE_DIRECT_OUT    GATE_CODE(0x802, 2) /* fills the output buffer with the first input byte */
#define GATE_NEITHER       GATE_CODE(0x803, 3) /* adds one to each input byte */
#define GATE_REMEMBERED    GATE_CODE(0x804, 0) /* what GATE_DIRECT_IN or a write remembered */
#define GATE_OVERFLOW      GATE_CODE(0x805, 0) /* STATUS_BUFFER_OVERFLOW with two bytes */
#define GATE_REFUSE        GATE_CODE(0x806, 0) /* STATUS_ACCESS_DENIED, although it has written data */
#define GATE_HOLD          GATE_CODE(0x807, 0) /* pends until it is cancelled */
#define GATE_STUBBORN      GATE_CODE(0x808, 0) /* pends until GATE_LET_GO, cancelled or not */
#define GATE_LET_GO        GATE_CODE(0x809, 0)
#define GATE_COUNTS        GATE_CODE(0x80A, 0) /* struct gate_counts */
#define GATE_TELL          GATE_CODE(0x80B, 0) /* the name the file was opened with, UTF-16 */
#define GATE_CONNECT       GATE_CODE(0x80C, 0) /* connects to this port (unsigned short) on loopback */
#define GATE_RECEIVE       GATE_CODE(0x80D, 2) /* WskReceive with the IRP itself, routine for success only */
#define GATE_SEND          GATE_CODE(0x80E, 1) /* WskSend with the IRP itself, no routine */
#define GATE_RECEIVE_LATER GATE_CODE(0x80F, 2) /* the routine stops the IRP, a work item completes it */

struct gate_counts {
    unsigned creates, cleanups, closes, cancels, routines;
};

#endif
