/*
 * address.c - addresses of the Windows layout as text.
 */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

void runner_address_text(const uint8_t *address, char *text, size_t bytes);

/* Family in host order, port in network order; IPv4: address at 4; IPv6: address at 8, scope id at 24. */
enum { WINDOWS_INET = 2, WINDOWS_INET6 = 23 };

void runner_address_text(const uint8_t *address, char *text, size_t bytes)
{
    char host[INET6_ADDRSTRLEN] = "";
    unsigned family = address[0] | (unsigned)address[1] << 8;
    unsigned port = (unsigned)address[2] << 8 | address[3];
    uint32_t scope;

    text[0] = 0;
    if (family == WINDOWS_INET && inet_ntop(AF_INET, address + 4, host, sizeof host)) {
        snprintf(text, bytes, "%s:%u", host, port);
    } else if (family == WINDOWS_INET6 && inet_ntop(AF_INET6, address + 8, host, sizeof host)) {
        memcpy(&scope, address + 24, sizeof scope);
        if (scope)
            snprintf(text, bytes, "[%s%%%u]:%u", host, scope, port);
        else
            snprintf(text, bytes, "[%s]:%u", host, port);
    }
}
