/*
 * report.h - what WSK tells about its clients and sockets, as plain data: readable in both worlds.
 */
#ifndef UWSK_WSK_REPORT_H
#define UWSK_WSK_REPORT_H

#include <stddef.h>
#include <stdint.h>

#define WSK_REPORT_FRAMES 8
#define WSK_REPORT_IRPS   8

struct wsk_report_irp {
    const void *irp;
    const char *operation; /* "WskReceive" */
    const char *stage;     /* "queued" */
    uint64_t since;        /* it is pending, in host_ticks(); 0 = not known */
};

struct wsk_report_socket {
    const void *object; /* what the observers call it */
    const void *socket; /* the driver's PWSK_SOCKET */
    uint64_t number;    /* 1, 2, 3 ... */
    const void *client;
    void *client_caller; /* who called WskRegister */
    const char *category;
    const char *state;
    int accepted;
    int closing;              /* WskCloseSocket was called */
    unsigned holds;           /* operations, routines and calls that are not over */
    const char *callbacks[8]; /* that run now */
    size_t callback_count;
    uint64_t retained_bytes; /* indications that the client kept */
    uint8_t local[28];       /* SOCKADDR in Windows layout, family 0 = none */
    uint8_t peer[28];
    void *created_by[WSK_REPORT_FRAMES];
    size_t created_frames;
    struct wsk_report_irp irps[WSK_REPORT_IRPS]; /* the first of them */
    size_t irp_count;                            /* all of them */
};

/* A look at one socket without a lock: for a hook of nt/observe.h, in the simulator, where nothing else runs
 * meanwhile. */
struct wsk_report_brief {
    const char *category, *state;
    uint64_t number;
    unsigned running; /* callbacks that were let in and have not ended */
};
void wsk_report_look(const void *object, struct wsk_report_brief *out);

struct wsk_report_client {
    const void *client;
    const void *registration; /* the driver's WSK_REGISTRATION */
    void *caller;             /* who called WskRegister */
    const void *quiet;        /* the event that WskDeregister waits for */
    int deregistering;
    long captures; /* not released */
    long calls; /* threads inside WskSocket and the like, IRPs of WskControlClient and of name resolution */
    long open;  /* sockets that are not closed */
};

/* Calls fn for every open socket, or every client, under locks: fn may only look and copy.  It raises to
 * DISPATCH_LEVEL, so it waits for a processor. */
void wsk_report_sockets(void (*fn)(void *context, const struct wsk_report_socket *socket), void *context);
void wsk_report_clients(void (*fn)(void *context, const struct wsk_report_client *client), void *context);

#endif
