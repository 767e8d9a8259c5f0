/*
 * npi.c - the provider tables that Socket->Dispatch points to.  WskControlSocket and WskCloseSocket lead
 * every one (C-CLOSE-04, R-STRUCT-15).
 */
#include "wsk/wskp.h"

/* NPI_WSK_INTERFACE_ID: what SO_WSK_EVENT_CALLBACK and the NMR name this interface by. */
CONST NPIID NPI_WSK_INTERFACE_ID = {
    0x2227e803, 0x8d8b, 0x11d4, {0xab, 0xad, 0x00, 0x90, 0x27, 0x71, 0x9e, 0x09}};

const WSK_PROVIDER_BASIC_DISPATCH wsk_basic_dispatch = {
    .WskControlSocket = wsk_control_socket,
    .WskCloseSocket = wsk_close_socket,
};

const WSK_PROVIDER_LISTEN_DISPATCH wsk_listen_dispatch = {
    .WskControlSocket = wsk_control_socket,
    .WskCloseSocket = wsk_close_socket,
    .WskBind = wsk_bind,
    .WskAccept = wsk_accept,
    .WskInspectComplete = wsk_inspect_complete,
    .WskGetLocalAddress = wsk_get_local_address,
};

const WSK_PROVIDER_CONNECTION_DISPATCH wsk_connection_dispatch = {
    .WskControlSocket = wsk_control_socket,
    .WskCloseSocket = wsk_close_socket,
    .WskBind = wsk_bind,
    .WskConnect = wsk_connect,
    .WskGetLocalAddress = wsk_get_local_address,
    .WskGetRemoteAddress = wsk_get_remote_address,
    .WskSend = wsk_send,
    .WskReceive = wsk_receive,
    .WskDisconnect = wsk_disconnect,
    .WskRelease = wsk_release,
    .WskConnectEx = wsk_connect_ex,
    .WskSendEx = wsk_send_ex,
    .WskReceiveEx = wsk_receive_ex,
};

const WSK_PROVIDER_DATAGRAM_DISPATCH wsk_datagram_dispatch = {
    .WskControlSocket = wsk_control_socket,
    .WskCloseSocket = wsk_close_socket,
    .WskBind = wsk_bind,
    .WskSendTo = wsk_send_to,
    .WskReceiveFrom = wsk_receive_from,
    .WskRelease = wsk_release_datagrams,
    .WskGetLocalAddress = wsk_get_local_address,
    .WskSendMessages = wsk_send_messages,
};

const WSK_PROVIDER_STREAM_DISPATCH wsk_stream_dispatch = {
    .WskControlSocket = wsk_control_socket,
    .WskCloseSocket = wsk_close_socket,
    .WskBind = wsk_bind,
    .WskAccept = wsk_accept,
    .WskConnect = wsk_connect,
    .WskListen = wsk_listen,
    .WskSend = wsk_send,
    .WskReceive = wsk_receive,
    .WskDisconnect = wsk_disconnect,
    .WskRelease = wsk_release,
    .WskGetLocalAddress = wsk_get_local_address,
    .WskGetRemoteAddress = wsk_get_remote_address,
    .WskConnectEx = wsk_connect_ex,
    .WskSendEx = wsk_send_ex,
    .WskReceiveEx = wsk_receive_ex,
};
