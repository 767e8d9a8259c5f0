/*
 * net_host.c - see net_host.h: rtnetlink by hand, one acknowledged request each.
 */
#include "net_host.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct request {
    struct nlmsghdr head;
    char rest[1024];
};

static void *put(struct request *request, size_t bytes)
{
    void *at = (char *)request + NLMSG_ALIGN(request->head.nlmsg_len);

    request->head.nlmsg_len = (uint32_t)(NLMSG_ALIGN(request->head.nlmsg_len) + bytes);
    return at;
}

static struct rtattr *attribute(struct request *request, unsigned short type, const void *data, size_t bytes)
{
    struct rtattr *at = put(request, RTA_LENGTH(bytes));

    at->rta_type = type;
    at->rta_len = (unsigned short)RTA_LENGTH(bytes);
    if (bytes)
        memcpy(RTA_DATA(at), data, bytes);
    return at;
}

/* The message, too, has the padding that the length of the nest counts. */
static void end(struct request *request, struct rtattr *nest)
{
    request->head.nlmsg_len = NLMSG_ALIGN(request->head.nlmsg_len);
    nest->rta_len = (unsigned short)((char *)request + request->head.nlmsg_len - (char *)nest);
}

static int send_request(struct request *request)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    char answer[8192] __attribute__((aligned(8)));
    const struct nlmsghdr *head = (const struct nlmsghdr *)answer;
    int error = EIO;

    if (fd < 0)
        return errno;
    request->head.nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
    if (send(fd, request, request->head.nlmsg_len, 0) < 0 || recv(fd, answer, sizeof answer, 0) < 0)
        error = errno;
    else if (head->nlmsg_type == NLMSG_ERROR)
        error = -((const struct nlmsgerr *)NLMSG_DATA(head))->error;
    close(fd);
    return error;
}

static int write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    int failed = fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text);

    if (fd >= 0)
        close(fd);
    return failed ? -1 : 0;
}

int net_own(void)
{
    unsigned user = geteuid(), group = getegid();
    char map[64];

    if (unshare(CLONE_NEWNET) != 0) {
        if (errno != EPERM || unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
            return -1;
        snprintf(map, sizeof map, "%u %u 1", user, user);
        if (write_file("/proc/self/uid_map", map) != 0 || write_file("/proc/self/setgroups", "deny") != 0)
            return -1;
        snprintf(map, sizeof map, "%u %u 1", group, group);
        if (write_file("/proc/self/gid_map", map) != 0)
            return -1;
    }
    return net_link_up(1, 1) == 0 ? 0 : -1;
}

int net_link_up(unsigned index, int up)
{
    struct request request = {.head = {.nlmsg_len = NLMSG_HDRLEN, .nlmsg_type = RTM_NEWLINK}};
    struct ifinfomsg *link = put(&request, sizeof *link);

    link->ifi_index = (int)index;
    link->ifi_flags = up ? IFF_UP : 0;
    link->ifi_change = IFF_UP;
    return send_request(&request);
}

/* Hears of every change of an interface from now on.  -1: not. */
static int hear_links(void)
{
    const struct sockaddr_nl groups = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK};
    const struct timeval patience = {.tv_sec = 30};
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

    if (fd < 0)
        return -1;
    if (bind(fd, (const struct sockaddr *)&groups, sizeof groups) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* Whether a message says of an interface that it works, which Linux finds out after its carrier, in a work item. */
static int says_works(struct nlmsghdr *message, unsigned index)
{
    struct ifinfomsg *link = NLMSG_DATA(message);
    unsigned bytes = IFLA_PAYLOAD(message);

    if (message->nlmsg_type != RTM_NEWLINK || (unsigned)link->ifi_index != index)
        return 0;
    for (struct rtattr *at = IFLA_RTA(link); RTA_OK(at, bytes); at = RTA_NEXT(at, bytes))
        if (at->rta_type == IFLA_OPERSTATE)
            return *(unsigned char *)RTA_DATA(at) == 6; /* IF_OPER_UP */
    return 0;
}

static int await_links(int fd, unsigned one, unsigned two)
{
    char heard[8192] __attribute__((aligned(8)));
    int first = 0, second = 0;

    while (!first || !second) {
        ssize_t got = recv(fd, heard, sizeof heard, 0);

        if (got < 0)
            return errno;
        for (struct nlmsghdr *at = (struct nlmsghdr *)heard; NLMSG_OK(at, got); at = NLMSG_NEXT(at, got)) {
            first |= says_works(at, one);
            second |= says_works(at, two);
        }
    }
    return 0;
}

static int make_pair(const char *name, const char *other)
{
    struct request request = {.head = {.nlmsg_len = NLMSG_HDRLEN, .nlmsg_type = RTM_NEWLINK}};
    struct rtattr *info, *data, *peer;

    request.head.nlmsg_flags = NLM_F_CREATE | NLM_F_EXCL;
    put(&request, sizeof(struct ifinfomsg));
    attribute(&request, IFLA_IFNAME, name, strlen(name) + 1);
    info = attribute(&request, IFLA_LINKINFO, NULL, 0);
    attribute(&request, IFLA_INFO_KIND, "veth", 4);
    data = attribute(&request, IFLA_INFO_DATA, NULL, 0);
    peer = attribute(&request, VETH_INFO_PEER, NULL, 0);
    put(&request, sizeof(struct ifinfomsg));
    attribute(&request, IFLA_IFNAME, other, strlen(other) + 1);
    end(&request, peer);
    end(&request, data);
    end(&request, info);
    return send_request(&request);
}

int net_pair(const char *name, const char *other)
{
    int fd = hear_links();
    int error = fd < 0 ? errno : make_pair(name, other);

    if (!error)
        error = net_link_up(net_index(name), 1);
    if (!error)
        error = net_link_up(net_index(other), 1);
    if (!error)
        error = await_links(fd, net_index(name), net_index(other));
    if (fd >= 0)
        close(fd);
    return error;
}

unsigned net_index(const char *name)
{
    return if_nametoindex(name);
}

int net_bytes(const char *text, void *out)
{
    return inet_pton(AF_INET, text, out) == 1 ? 4 : inet_pton(AF_INET6, text, out) == 1 ? 16 : 0;
}

int net_address(int add, unsigned index, const char *text, unsigned prefix)
{
    struct request request = {
        .head = {.nlmsg_len = NLMSG_HDRLEN, .nlmsg_type = (uint16_t)(add ? RTM_NEWADDR : RTM_DELADDR)}};
    struct ifaddrmsg *about = put(&request, sizeof *about);
    unsigned char bytes[16];
    int length = net_bytes(text, bytes);

    if (!length)
        return EINVAL;
    request.head.nlmsg_flags = add ? NLM_F_CREATE | NLM_F_EXCL : 0;
    about->ifa_family = length == 4 ? AF_INET : AF_INET6;
    about->ifa_prefixlen = (unsigned char)prefix;
    about->ifa_flags = IFA_F_NODAD;
    about->ifa_index = index;
    attribute(&request, IFA_LOCAL, bytes, (size_t)length);
    attribute(&request, IFA_ADDRESS, bytes, (size_t)length);
    return send_request(&request);
}

int net_route(int add, unsigned index, const char *text, unsigned prefix, const char *via, unsigned metric)
{
    struct request request = {
        .head = {.nlmsg_len = NLMSG_HDRLEN, .nlmsg_type = (uint16_t)(add ? RTM_NEWROUTE : RTM_DELROUTE)}};
    struct rtmsg *route = put(&request, sizeof *route);
    unsigned char bytes[16];
    int length = net_bytes(text, bytes);

    if (!length)
        return EINVAL;
    request.head.nlmsg_flags = add ? NLM_F_CREATE | NLM_F_EXCL : 0;
    route->rtm_family = length == 4 ? AF_INET : AF_INET6;
    route->rtm_dst_len = (unsigned char)prefix;
    route->rtm_table = RT_TABLE_MAIN;
    route->rtm_protocol = RTPROT_STATIC;
    route->rtm_scope = via ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
    route->rtm_type = RTN_UNICAST;
    attribute(&request, RTA_DST, bytes, (size_t)length);
    attribute(&request, RTA_OIF, &index, sizeof index);
    attribute(&request, RTA_PRIORITY, &metric, sizeof metric);
    if (via)
        attribute(&request, RTA_GATEWAY, bytes, (size_t)net_bytes(via, bytes));
    return send_request(&request);
}

int net_reachable(unsigned index, unsigned milliseconds)
{
    struct request request = {.head = {.nlmsg_len = NLMSG_HDRLEN, .nlmsg_type = RTM_SETNEIGHTBL}};
    struct ndtmsg *table = put(&request, sizeof *table);
    uint64_t time = milliseconds;
    uint32_t number = index;
    struct rtattr *nest;

    table->ndtm_family = AF_INET6;
    attribute(&request, NDTA_NAME, "ndisc_cache", sizeof "ndisc_cache");
    nest = attribute(&request, NDTA_PARMS, NULL, 0);
    attribute(&request, NDTPA_IFINDEX, &number, sizeof number);
    attribute(&request, NDTPA_BASE_REACHABLE_TIME, &time, sizeof time);
    end(&request, nest);
    return send_request(&request);
}
