/*
 * wskp.h - the private headers of the WSK room, each a subject of its own: all of them.  (turn.h, report.h, control.h and
 * datagram.h are for those who ask for them.)
 *
 * Reading order for the subject that matters most: close.c top to bottom, then deliver.c (where completions
 * and callbacks run), then receive.c, indicate.c and send.c (the two queues of a connection).
 *
 * Locks.  socket->lock (a KSPIN_LOCK, so DISPATCH_LEVEL) guards everything in struct wsk_socket that is not
 * the gate word.  It may be held around any call of the transport's table, because only dispatch() calls
 * back.  Order: registration lock, wsk_clients_lock, socket lock (a listener's before its accepted socket's)
 *         -> sharing lock -> client lock, starved lock, cancel spin lock -> transport's own locks
 * No socket lock is ever taken under a client lock.  A cancel routine drops the cancel lock before it takes
 * the socket lock.  No lock of ours is ever held while a pointer of the driver is called (D-05).
 */
#ifndef UWSK_WSKP_H
#define UWSK_WSKP_H

#include "wsk/settings.h"

#include "wsk/client.h"
#include "wsk/op.h"

#include "wsk/socket.h"
#include "wsk/gate.h"
#include "wsk/deliver.h"

#include "wsk/address.h"
#include "wsk/connection.h"
#include "wsk/datagrams.h"
#include "wsk/listen.h"
#include "wsk/statistics.h"

#endif
