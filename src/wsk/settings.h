/*
 * settings.h - what a run is started with, the tags of this room's blocks, and all that its headers stand on (wsk.c).
 */
#ifndef UWSK_WSK_SETTINGS_H
#define UWSK_WSK_SETTINGS_H

#include <ntddk.h>
#include <wsk.h>

#include "host/host.h"
#include "nt/dbg/dbg.h"
#include "nt/ex/ex.h"
#include "nt/io/io.h"
#include "nt/ke/quick.h"
#include "nt/mm/mm.h"
#include "nt/observe.h"
#include "nt/ps/ps.h"
#include "nt/rtl/call.h"
#include "nt/rtl/rtl.h"
#include "transport/transport.h"

#define WSK_TAG_SOCKET     'SksW'
#define WSK_TAG_CLIENT     'CksW'
#define WSK_TAG_INDICATION 'IksW'
#define WSK_TAG_ADDRESSES  'AksW' /* ADDRINFOEXW lists: the driver's until WskFreeAddressInfo */
#define WSK_TAG_RESOLVE    'NksW'
#define WSK_TAG_DATAGRAM   'DksW'
#define WSK_TAG_SECURITY   'DSkW' /* cached security descriptors: the driver's until WSK_RELEASE_SD */
#define WSK_TAG_STATISTICS 'EksW'

enum wsk_completion { WSK_COMPLETE_NATURAL, WSK_COMPLETE_ALWAYS_PEND, WSK_COMPLETE_INLINE };
enum wsk_delivery { WSK_DELIVER_DISPATCH, WSK_DELIVER_PASSIVE, WSK_DELIVER_MIXED };
enum wsk_send_mode { WSK_SEND_SENT, WSK_SEND_ACKED, WSK_SEND_COPIED };

#define WSK_STARVED_RETRY_MS 100 /* what every run has but that of a test */

struct wsk_settings {
    enum wsk_completion completion;
    enum wsk_delivery delivery;
    enum wsk_send_mode send_complete;
    unsigned processors;
    unsigned starved_retry_ms; /* 0 = they wait for a descriptor of ours */
    const struct transport_ops *ops;
    struct transport *transport;
    ULONG64 provider_delay; /* 100 ns: the provider attaches so long after the start; 0 = with it */
    ULONG64 provider_leave; /* 100 ns: ... and detaches so long after it has attached; 0 = with the stop */
    void (*provider_tells)(void *context, const char *what); /* of these two; NULL = nobody is told */
    void *context;
};

extern struct wsk_settings wsk_settings;

#define WSK_TRANSPORT_OPS (wsk_settings.ops)

/* Starts the subsystem; captures succeed from here on, unless the provider is late.  PASSIVE_LEVEL. */
NTSTATUS wsk_start(const struct wsk_settings *settings);
/* Ends it.  Needs that every client has deregistered; frees the quarantine. */
void wsk_stop(void);

#endif
