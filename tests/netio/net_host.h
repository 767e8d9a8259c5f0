/*
 * net_host.h - changes the network of the calling process, which must have one of its own.  Both worlds.
 */
#ifndef UWSK_TESTS_NETIO_NET_HOST_H
#define UWSK_TESTS_NETIO_NET_HOST_H

/* Enters a new network with nothing but a loopback that is up.  0, or -1: that is not allowed here. */
int net_own(void);
/* All of these: 0, or an errno. */
int net_link_up(unsigned index, int up);
/* A pair of Ethernet interfaces, both up and working. */
int net_pair(const char *name, const char *other);
unsigned net_index(const char *name);
/* family 4 or 6, text as "10.1.0.1". */
int net_address(int add, unsigned index, const char *text, unsigned prefix);
/* via: NULL = on the link. */
int net_route(int add, unsigned index, const char *text, unsigned prefix, const char *via, unsigned metric);
/* Base of the reachable time of IPv6's neighbours, from which Linux draws another one at once. */
int net_reachable(unsigned index, unsigned milliseconds);
/* The 4 or 16 bytes of an address; how many, or 0. */
int net_bytes(const char *text, void *out);

#endif
