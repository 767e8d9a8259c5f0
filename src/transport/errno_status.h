/*
 * errno_status.h - the one table that turns a Linux errno of a socket call into an NTSTATUS.
 *
 * Shared by every back end that talks to the Linux network; nothing above the transport edge sees an errno.
 */
#ifndef UWSK_TRANSPORT_ERRNO_STATUS_H
#define UWSK_TRANSPORT_ERRNO_STATUS_H

#include <stdint.h>

/* The status for a positive errno; STATUS_SUCCESS for 0; STATUS_UNSUCCESSFUL for one that no socket call
 * gives. */
int32_t transport_errno_status(int error);

/* Non-zero when this errno of a receive or send means that the connection is over (and not that this one call
 * was wrong or short of memory): its status belongs to every later operation, too. */
int transport_errno_is_fatal(int error);

#endif
