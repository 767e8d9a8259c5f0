/*
 * report.h - what the NMR tells about its modules, as plain data: readable in both worlds.
 */
#ifndef UWSK_NMR_REPORT_H
#define UWSK_NMR_REPORT_H

#include <stddef.h>
#include <stdint.h>

struct nmr_report_module {
    const void *handle; /* what the observers call it, and the driver */
    int is_provider;
    int leaving;      /* deregistered, and not yet gone */
    const void *gone; /* the event that NmrWaitFor...DeregisterComplete waits for */
    uint8_t npi[16];  /* GUID */
    /* Its attachments that are not over, and how they stand. */
    unsigned attachments;
    unsigned attaching;   /* an attach callback runs */
    unsigned own_runs;    /* its own detach callback runs */
    unsigned own_pending; /* ... has returned STATUS_PENDING, and it has not reported the end */
    unsigned other_runs;  /* the other side's */
    unsigned other_pending;
};

/* Calls fn for every registration under the lock of the NMR: fn may only look and copy.  It raises to DISPATCH_LEVEL,
 * so it waits for a processor. */
void nmr_report_modules(void (*fn)(void *context, const struct nmr_report_module *module), void *context);

#endif
