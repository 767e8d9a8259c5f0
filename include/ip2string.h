/*
 * ip2string.h - IPv4 and IPv6 addresses to text and back.
 *
 * A stands for 8-bit, W for 16-bit characters. Addresses and ports are in
 * network byte order. Lengths are in characters and count the terminating NUL.
 * Any IRQL as long as the memory is resident. Documentation: the Rtl pages of
 * ip2string.h in the Windows SDK.
 */
#ifndef UWSK_INCLUDE_IP2STRING_H
#define UWSK_INCLUDE_IP2STRING_H

#include <ntdef.h>
#include <inaddr.h>
#include <in6addr.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Writes a.b.c.d to S, which has room for 16 characters, and returns the address
 * of the terminating NUL.
 */
PSTR NTAPI RtlIpv4AddressToStringA(_In_ const IN_ADDR *Addr, _Out_ PSTR S);
PWSTR NTAPI RtlIpv4AddressToStringW(_In_ const IN_ADDR *Addr, _Out_ PWSTR S);

/*
 * Writes a.b.c.d, followed by :port unless Port is 0. *AddressStringLength is the
 * room on entry and the length of the result, or the room needed, on return.
 * STATUS_SUCCESS or STATUS_INVALID_PARAMETER (a NULL pointer, too little room).
 */
NTSTATUS NTAPI RtlIpv4AddressToStringExA(_In_ const IN_ADDR *Address, _In_ USHORT Port,
                                         _Out_ PSTR AddressString, _Inout_ PULONG AddressStringLength);
NTSTATUS NTAPI RtlIpv4AddressToStringExW(_In_ const IN_ADDR *Address, _In_ USHORT Port,
                                         _Out_ PWSTR AddressString, _Inout_ PULONG AddressStringLength);

/*
 * Reads an IPv4 address from the start of S; *Terminator is the first character
 * not read. Strict demands four decimal parts; otherwise one to four parts,
 * decimal, octal (0) or hexadecimal (0x), are taken as inet_addr does.
 * STATUS_SUCCESS or STATUS_INVALID_PARAMETER.
 */
NTSTATUS NTAPI RtlIpv4StringToAddressA(_In_ PCSTR S, _In_ BOOLEAN Strict, _Out_ PCSTR *Terminator,
                                       _Out_ IN_ADDR *Addr);
NTSTATUS NTAPI RtlIpv4StringToAddressW(_In_ PCWSTR S, _In_ BOOLEAN Strict, _Out_ PCWSTR *Terminator,
                                       _Out_ IN_ADDR *Addr);

/*
 * Reads address, optionally followed by :port, and nothing behind it; *Port is 0
 * when there is none. STATUS_SUCCESS or STATUS_INVALID_PARAMETER.
 */
NTSTATUS NTAPI RtlIpv4StringToAddressExA(_In_ PCSTR AddressString, _In_ BOOLEAN Strict,
                                         _Out_ IN_ADDR *Address, _Out_ PUSHORT Port);
NTSTATUS NTAPI RtlIpv4StringToAddressExW(_In_ PCWSTR AddressString, _In_ BOOLEAN Strict,
                                         _Out_ IN_ADDR *Address, _Out_ PUSHORT Port);

/*
 * Writes the shortest form of an IPv6 address to S, which has room for 46
 * characters, and returns the address of the terminating NUL.
 */
PSTR NTAPI RtlIpv6AddressToStringA(_In_ const IN6_ADDR *Addr, _Out_ PSTR S);
PWSTR NTAPI RtlIpv6AddressToStringW(_In_ const IN6_ADDR *Addr, _Out_ PWSTR S);

/*
 * Writes address, %scope unless ScopeId is 0, and puts [ ]:port around it unless
 * Port is 0. Length and statuses as RtlIpv4AddressToStringEx.
 */
NTSTATUS NTAPI RtlIpv6AddressToStringExA(_In_ const IN6_ADDR *Address, _In_ ULONG ScopeId, _In_ USHORT Port,
                                         _Out_ PSTR AddressString, _Inout_ PULONG AddressStringLength);
NTSTATUS NTAPI RtlIpv6AddressToStringExW(_In_ const IN6_ADDR *Address, _In_ ULONG ScopeId, _In_ USHORT Port,
                                         _Out_ PWSTR AddressString, _Inout_ PULONG AddressStringLength);

/*
 * Reads an IPv6 address from the start of S; *Terminator is the first character
 * not read. STATUS_SUCCESS or STATUS_INVALID_PARAMETER.
 */
NTSTATUS NTAPI RtlIpv6StringToAddressA(_In_ PCSTR S, _Out_ PCSTR *Terminator, _Out_ IN6_ADDR *Addr);
NTSTATUS NTAPI RtlIpv6StringToAddressW(_In_ PCWSTR S, _Out_ PCWSTR *Terminator, _Out_ IN6_ADDR *Addr);

/*
 * Reads address, optional %scope, optional [ ]:port, and nothing behind it.
 * *ScopeId and *Port are 0 when absent. STATUS_SUCCESS or STATUS_INVALID_PARAMETER.
 */
NTSTATUS NTAPI RtlIpv6StringToAddressExA(_In_ PCSTR AddressString, _Out_ IN6_ADDR *Address,
                                         _Out_ PULONG ScopeId, _Out_ PUSHORT Port);
NTSTATUS NTAPI RtlIpv6StringToAddressExW(_In_ PCWSTR AddressString, _Out_ IN6_ADDR *Address,
                                         _Out_ PULONG ScopeId, _Out_ PUSHORT Port);

#ifdef UNICODE
#define RtlIpv4AddressToString   RtlIpv4AddressToStringW
#define RtlIpv4AddressToStringEx RtlIpv4AddressToStringExW
#define RtlIpv4StringToAddress   RtlIpv4StringToAddressW
#define RtlIpv4StringToAddressEx RtlIpv4StringToAddressExW
#define RtlIpv6AddressToString   RtlIpv6AddressToStringW
#define RtlIpv6AddressToStringEx RtlIpv6AddressToStringExW
#define RtlIpv6StringToAddress   RtlIpv6StringToAddressW
#define RtlIpv6StringToAddressEx RtlIpv6StringToAddressExW
#else
#define RtlIpv4AddressToString   RtlIpv4AddressToStringA
#define RtlIpv4AddressToStringEx RtlIpv4AddressToStringExA
#define RtlIpv4StringToAddress   RtlIpv4StringToAddressA
#define RtlIpv4StringToAddressEx RtlIpv4StringToAddressExA
#define RtlIpv6AddressToString   RtlIpv6AddressToStringA
#define RtlIpv6AddressToStringEx RtlIpv6AddressToStringExA
#define RtlIpv6StringToAddress   RtlIpv6StringToAddressA
#define RtlIpv6StringToAddressEx RtlIpv6StringToAddressExA
#endif

#ifdef __cplusplus
}
#endif

#endif
