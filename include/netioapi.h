/*
 * netioapi.h - what the network of the host looks like: interfaces, addresses and routes, and being told when they
 * change (IP Helper in the kernel).
 *
 * Only reading is here: the interfaces, addresses and routes are the host's, a driver does not change them.
 * docs/divergences.md tells which members Linux has no value for. All at PASSIVE_LEVEL. In the simulator there is
 * no such table: every function that asks the host returns STATUS_NOT_SUPPORTED there.
 */
#ifndef UWSK_INCLUDE_NETIOAPI_H
#define UWSK_INCLUDE_NETIOAPI_H

#define _NETIOAPI_H_

#include <wdm.h>
#include <ws2def.h>
#include <ws2ipdef.h>
#include <ifdef.h>
#include <nldef.h>
#include <ntddndis.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef ANY_SIZE
#define ANY_SIZE 1
#endif

#define NETIO_STATUS     NTSTATUS
#define NETIO_SUCCESS(x) NT_SUCCESS(x)
#define NETIOAPI_API_    NTAPI
#define NETIOAPI_API     NETIO_STATUS NETIOAPI_API_

typedef enum _MIB_NOTIFICATION_TYPE {
    MibParameterNotification, /* something of it has changed */
    MibAddInstance,
    MibDeleteInstance,
    MibInitialNotification /* registered: Row is NULL */
} MIB_NOTIFICATION_TYPE,
    *PMIB_NOTIFICATION_TYPE;

/* ---- interfaces ---- */

typedef struct _MIB_IF_ROW2 {
    NET_LUID InterfaceLuid;
    NET_IFINDEX InterfaceIndex;
    GUID InterfaceGuid;
    WCHAR Alias[IF_MAX_STRING_SIZE + 1];
    WCHAR Description[IF_MAX_STRING_SIZE + 1];
    ULONG PhysicalAddressLength;
    UCHAR PhysicalAddress[IF_MAX_PHYS_ADDRESS_LENGTH];
    UCHAR PermanentPhysicalAddress[IF_MAX_PHYS_ADDRESS_LENGTH];
    ULONG Mtu;
    IFTYPE Type;
    TUNNEL_TYPE TunnelType;
    NDIS_MEDIUM MediaType;
    NDIS_PHYSICAL_MEDIUM PhysicalMediumType;
    NET_IF_ACCESS_TYPE AccessType;
    NET_IF_DIRECTION_TYPE DirectionType;
    struct {
        BOOLEAN HardwareInterface : 1;
        BOOLEAN FilterInterface : 1;
        BOOLEAN ConnectorPresent : 1;
        BOOLEAN NotAuthenticated : 1;
        BOOLEAN NotMediaConnected : 1;
        BOOLEAN Paused : 1;
        BOOLEAN LowPower : 1;
        BOOLEAN EndPointInterface : 1;
    } InterfaceAndOperStatusFlags;
    IF_OPER_STATUS OperStatus;
    NET_IF_ADMIN_STATUS AdminStatus;
    NET_IF_MEDIA_CONNECT_STATE MediaConnectState;
    NET_IF_NETWORK_GUID NetworkGuid;
    NET_IF_CONNECTION_TYPE ConnectionType;
    ULONG64 TransmitLinkSpeed; /* bits per second */
    ULONG64 ReceiveLinkSpeed;
    ULONG64 InOctets;
    ULONG64 InUcastPkts;
    ULONG64 InNUcastPkts;
    ULONG64 InDiscards;
    ULONG64 InErrors;
    ULONG64 InUnknownProtos;
    ULONG64 InUcastOctets;
    ULONG64 InMulticastOctets;
    ULONG64 InBroadcastOctets;
    ULONG64 OutOctets;
    ULONG64 OutUcastPkts;
    ULONG64 OutNUcastPkts;
    ULONG64 OutDiscards;
    ULONG64 OutErrors;
    ULONG64 OutUcastOctets;
    ULONG64 OutMulticastOctets;
    ULONG64 OutBroadcastOctets;
    ULONG64 OutQLen;
} MIB_IF_ROW2, *PMIB_IF_ROW2;

typedef struct _MIB_IF_TABLE2 {
    ULONG NumEntries;
    MIB_IF_ROW2 Table[ANY_SIZE];
} MIB_IF_TABLE2, *PMIB_IF_TABLE2;

/* An interface as one family of addresses has it; times in milliseconds. */
typedef struct _MIB_IPINTERFACE_ROW {
    ADDRESS_FAMILY Family;
    NET_LUID InterfaceLuid;
    NET_IFINDEX InterfaceIndex;
    ULONG MaxReassemblySize;
    ULONG64 InterfaceIdentifier;
    ULONG MinRouterAdvertisementInterval;
    ULONG MaxRouterAdvertisementInterval;
    BOOLEAN AdvertisingEnabled;
    BOOLEAN ForwardingEnabled;
    BOOLEAN WeakHostSend;
    BOOLEAN WeakHostReceive;
    BOOLEAN UseAutomaticMetric;
    BOOLEAN UseNeighborUnreachabilityDetection;
    BOOLEAN ManagedAddressConfigurationSupported;
    BOOLEAN OtherStatefulConfigurationSupported;
    BOOLEAN AdvertiseDefaultRoute;
    NL_ROUTER_DISCOVERY_BEHAVIOR RouterDiscoveryBehavior;
    ULONG DadTransmits;
    ULONG BaseReachableTime;
    ULONG RetransmitTime;
    ULONG PathMtuDiscoveryTimeout;
    NL_LINK_LOCAL_ADDRESS_BEHAVIOR LinkLocalAddressBehavior;
    ULONG LinkLocalAddressTimeout;
    ULONG ZoneIndices[ScopeLevelCount];
    ULONG SitePrefixLength;
    ULONG Metric;
    ULONG NlMtu;
    BOOLEAN Connected;
    BOOLEAN SupportsWakeUpPatterns;
    BOOLEAN SupportsNeighborDiscovery;
    BOOLEAN SupportsRouterDiscovery;
    ULONG ReachableTime;
    NL_INTERFACE_OFFLOAD_ROD TransmitOffload;
    NL_INTERFACE_OFFLOAD_ROD ReceiveOffload;
    BOOLEAN DisableDefaultRoutes;
} MIB_IPINTERFACE_ROW, *PMIB_IPINTERFACE_ROW;

typedef struct _MIB_IPINTERFACE_TABLE {
    ULONG NumEntries;
    MIB_IPINTERFACE_ROW Table[ANY_SIZE];
} MIB_IPINTERFACE_TABLE, *PMIB_IPINTERFACE_TABLE;

/*
 * Fills *Row for the interface that Row->InterfaceLuid names or, where that is 0, Row->InterfaceIndex.
 * STATUS_SUCCESS, STATUS_INVALID_PARAMETER (NULL, neither is given), STATUS_NOT_FOUND (no such interface),
 * STATUS_INSUFFICIENT_RESOURCES. (getifentry2)
 */
_IRQL_requires_(PASSIVE_LEVEL) NETIOAPI_API GetIfEntry2(_Inout_ PMIB_IF_ROW2 Row);

/* All interfaces, in the order of their indices; *Table is given back with FreeMibTable. (getiftable2) */
_IRQL_requires_(PASSIVE_LEVEL) NETIOAPI_API GetIfTable2(_Out_ PMIB_IF_TABLE2 *Table);

/*
 * Fills *Row for Row->Family (AF_INET, AF_INET6) and the interface as in GetIfEntry2. STATUS_NOT_FOUND also when
 * the interface does not have that family. (getipinterfaceentry)
 */
_IRQL_requires_(PASSIVE_LEVEL) NETIOAPI_API GetIpInterfaceEntry(_Inout_ PMIB_IPINTERFACE_ROW Row);

/* A row for each family of each interface; Family is AF_UNSPEC for both. Statuses as below. (getipinterfacetable) */
_IRQL_requires_(PASSIVE_LEVEL) NETIOAPI_API
    GetIpInterfaceTable(_In_ ADDRESS_FAMILY Family, _Out_ PMIB_IPINTERFACE_TABLE *Table);

/* ---- addresses ---- */

typedef struct _MIB_UNICASTIPADDRESS_ROW {
    SOCKADDR_INET Address;
    NET_LUID InterfaceLuid;
    NET_IFINDEX InterfaceIndex;
    NL_PREFIX_ORIGIN PrefixOrigin;
    NL_SUFFIX_ORIGIN SuffixOrigin;
    ULONG ValidLifetime; /* seconds; 0xffffffff = for ever */
    ULONG PreferredLifetime;
    UINT8 OnLinkPrefixLength;
    BOOLEAN SkipAsSource;
    NL_DAD_STATE DadState;
    SCOPE_ID ScopeId;
    LARGE_INTEGER CreationTimeStamp;
} MIB_UNICASTIPADDRESS_ROW, *PMIB_UNICASTIPADDRESS_ROW;

typedef struct _MIB_UNICASTIPADDRESS_TABLE {
    ULONG NumEntries;
    MIB_UNICASTIPADDRESS_ROW Table[ANY_SIZE];
} MIB_UNICASTIPADDRESS_TABLE, *PMIB_UNICASTIPADDRESS_TABLE;

/*
 * The addresses of all interfaces; Family is AF_INET, AF_INET6 or AF_UNSPEC (both); *Table is given back with
 * FreeMibTable. STATUS_SUCCESS, STATUS_INVALID_PARAMETER (NULL, another family), STATUS_NOT_FOUND (there is
 * none), STATUS_INSUFFICIENT_RESOURCES. (getunicastipaddresstable)
 */
_IRQL_requires_(PASSIVE_LEVEL) NETIOAPI_API
    GetUnicastIpAddressTable(_In_ ADDRESS_FAMILY Family, _Out_ PMIB_UNICASTIPADDRESS_TABLE *Table);

/* ---- routes ---- */

typedef struct _IP_ADDRESS_PREFIX {
    SOCKADDR_INET Prefix;
    UINT8 PrefixLength;
} IP_ADDRESS_PREFIX, *PIP_ADDRESS_PREFIX;

typedef struct _MIB_IPFORWARD_ROW2 {
    NET_LUID InterfaceLuid;
    NET_IFINDEX InterfaceIndex;
    IP_ADDRESS_PREFIX DestinationPrefix;
    SOCKADDR_INET NextHop; /* the address is 0 when the destination is on the link */
    UCHAR SitePrefixLength;
    ULONG ValidLifetime;
    ULONG PreferredLifetime;
    ULONG Metric;
    NL_ROUTE_PROTOCOL Protocol;
    BOOLEAN Loopback; /* to this host itself */
    BOOLEAN AutoconfigureAddress;
    BOOLEAN Publish;
    BOOLEAN Immortal;
    ULONG Age;
    NL_ROUTE_ORIGIN Origin;
} MIB_IPFORWARD_ROW2, *PMIB_IPFORWARD_ROW2;

typedef struct _MIB_IPFORWARD_TABLE2 {
    ULONG NumEntries;
    MIB_IPFORWARD_ROW2 Table[ANY_SIZE];
} MIB_IPFORWARD_TABLE2, *PMIB_IPFORWARD_TABLE2;

/* The routes of the host; arguments and statuses as GetUnicastIpAddressTable. (getipforwardtable2) */
_IRQL_requires_(PASSIVE_LEVEL) NETIOAPI_API
    GetIpForwardTable2(_In_ ADDRESS_FAMILY Family, _Out_ PMIB_IPFORWARD_TABLE2 *Table);

/*
 * How the host would reach *DestinationAddress: the route in *BestRoute, the address it would send from in
 * *BestSourceAddress. InterfaceLuid and SourceAddress may be NULL, InterfaceIndex 0; a luid that is not 0 counts
 * before the index. AddressSortOptions is not looked at. STATUS_SUCCESS, STATUS_INVALID_PARAMETER (NULL, another
 * family, a source that is not this host's), STATUS_NOT_FOUND (no such interface), STATUS_NETWORK_UNREACHABLE.
 * (getbestroute2)
 */
_IRQL_requires_(PASSIVE_LEVEL) NETIOAPI_API
    GetBestRoute2(_In_opt_ NET_LUID *InterfaceLuid, _In_ NET_IFINDEX InterfaceIndex,
                  _In_opt_ CONST SOCKADDR_INET *SourceAddress, _In_ CONST SOCKADDR_INET *DestinationAddress,
                  _In_ ULONG AddressSortOptions, _Out_ PMIB_IPFORWARD_ROW2 BestRoute,
                  _Out_ SOCKADDR_INET *BestSourceAddress);

/* ---- changes ---- */

/*
 * What a driver is told: Row (NULL with MibInitialNotification) is valid until the return; what has changed is to be
 * asked with the functions above, for only the members that name the row are sure to be set. One callback of a
 * registration runs at a time, at PASSIVE_LEVEL.
 */
typedef VOID(NETIOAPI_API_ *PIPFORWARD_CHANGE_CALLBACK)(_In_ PVOID CallerContext,
                                                        _In_opt_ PMIB_IPFORWARD_ROW2 Row,
                                                        _In_ MIB_NOTIFICATION_TYPE NotificationType);
typedef VOID(NETIOAPI_API_ *PUNICAST_IPADDRESS_CHANGE_CALLBACK)(_In_ PVOID CallerContext,
                                                                _In_opt_ PMIB_UNICASTIPADDRESS_ROW Row,
                                                                _In_ MIB_NOTIFICATION_TYPE NotificationType);
typedef VOID(NETIOAPI_API_ *PIPINTERFACE_CHANGE_CALLBACK)(_In_ PVOID CallerContext,
                                                          _In_opt_ PMIB_IPINTERFACE_ROW Row,
                                                          _In_ MIB_NOTIFICATION_TYPE NotificationType);

/*
 * Callback(CallerContext, ...) from here on for each route, address, interface of the family (AF_UNSPEC: both) that
 * comes, goes or changes; with InitialNotification once at the beginning, too. *NotificationHandle is given to
 * CancelMibChangeNotify2. STATUS_SUCCESS, STATUS_INVALID_PARAMETER (NULL, another family),
 * STATUS_INSUFFICIENT_RESOURCES. (notifyroutechange2, notifyunicastipaddresschange, notifyipinterfacechange)
 */
_IRQL_requires_(PASSIVE_LEVEL) NETIOAPI_API
    NotifyRouteChange2(_In_ ADDRESS_FAMILY AddressFamily, _In_ PIPFORWARD_CHANGE_CALLBACK Callback,
                       _In_opt_ PVOID CallerContext, _In_ BOOLEAN InitialNotification,
                       _Out_ HANDLE *NotificationHandle);
_IRQL_requires_(PASSIVE_LEVEL) NETIOAPI_API
    NotifyUnicastIpAddressChange(_In_ ADDRESS_FAMILY Family, _In_ PUNICAST_IPADDRESS_CHANGE_CALLBACK Callback,
                                 _In_opt_ PVOID CallerContext, _In_ BOOLEAN InitialNotification,
                                 _Out_ HANDLE *NotificationHandle);
_IRQL_requires_(PASSIVE_LEVEL) NETIOAPI_API
    NotifyIpInterfaceChange(_In_ ADDRESS_FAMILY Family, _In_ PIPINTERFACE_CHANGE_CALLBACK Callback,
                            _In_opt_ PVOID CallerContext, _In_ BOOLEAN InitialNotification,
                            _Out_ HANDLE *NotificationHandle);

/*
 * No callback of the registration starts any more, none runs when it returns; called by the callback itself, that
 * one is the last. STATUS_SUCCESS, STATUS_INVALID_PARAMETER (no such handle). (cancelmibchangenotify2)
 */
_IRQL_requires_(PASSIVE_LEVEL) NETIOAPI_API CancelMibChangeNotify2(_In_ HANDLE NotificationHandle);

/* Gives a table of the functions above back; NULL is allowed. (freemibtable) */
_IRQL_requires_(PASSIVE_LEVEL) VOID NETIOAPI_API_ FreeMibTable(_In_ PVOID Memory);

#ifdef __cplusplus
}
#endif

#endif
