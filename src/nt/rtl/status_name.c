/*
 * status_name.c - names and meanings of status values, for reports and traces.
 *
 * status_names.inc has every name of ntstatus.h with its words; the values that one meets in a WSK driver are
 * told in sentences of our own.
 */
#include "nt/rtl/rtl.h"

struct status_text {
    NTSTATUS status;
    const char *text;
};

static const struct status_name {
    ULONG status;
    const char *name;
    const char *words;
} names[] = {
#define X(status, name, words) {status, name, words},
#include "status_names.inc"
#undef X
};

static const struct status_text sentences[] = {
    {STATUS_SUCCESS, "the operation succeeded"},
    {STATUS_TIMEOUT, "the time limit passed first"},
    {STATUS_PENDING, "not finished yet: the completion routine or event will tell"},
    {STATUS_ALERTED, "the wait was ended by an alert"},
    {STATUS_USER_APC, "the wait was ended by a user APC"},
    {STATUS_MORE_ENTRIES, "there is more than the buffer could take"},
    {STATUS_SOME_NOT_MAPPED, "some characters had no counterpart and were replaced"},
    {STATUS_OBJECT_NAME_EXISTS, "an object of that name exists already"},
    {STATUS_BUFFER_OVERFLOW, "the buffer was too small and holds only the beginning"},
    {STATUS_NO_MORE_ENTRIES, "there are no further entries"},
    {STATUS_DATATYPE_MISALIGNMENT, "an address or size is not aligned as it must be"},
    {STATUS_BREAKPOINT, "a breakpoint was reached"},
    {STATUS_UNSUCCESSFUL, "it failed for a reason that has no code of its own"},
    {STATUS_NOT_IMPLEMENTED, "nobody implements this function"},
    {STATUS_INVALID_INFO_CLASS, "this kind of information does not exist here"},
    {STATUS_INFO_LENGTH_MISMATCH, "the length does not fit the kind of information"},
    {STATUS_ACCESS_VIOLATION, "memory was touched that may not be touched so"},
    {STATUS_INVALID_HANDLE, "the handle is not valid"},
    {STATUS_INVALID_CID, "there is no such thread or process"},
    {STATUS_INVALID_PARAMETER, "a parameter is not valid"},
    {STATUS_NO_SUCH_DEVICE, "there is no such device"},
    {STATUS_NO_SUCH_FILE, "there is no such file"},
    {STATUS_INVALID_DEVICE_REQUEST, "the target does not know this request, or not in its present state"},
    {STATUS_END_OF_FILE, "there is nothing behind the end"},
    {STATUS_MORE_PROCESSING_REQUIRED, "the IRP still belongs to the routine that returned this"},
    {STATUS_NO_MEMORY, "there is not enough memory"},
    {STATUS_CONFLICTING_ADDRESSES, "the address range overlaps another"},
    {STATUS_ACCESS_DENIED, "the caller has no right to do this"},
    {STATUS_BUFFER_TOO_SMALL, "the buffer is too small and was left alone"},
    {STATUS_OBJECT_TYPE_MISMATCH, "the object is of another type"},
    {STATUS_OBJECT_NAME_INVALID, "the name is malformed"},
    {STATUS_OBJECT_NAME_NOT_FOUND, "nothing has that name"},
    {STATUS_OBJECT_NAME_COLLISION, "something has that name already"},
    {STATUS_OBJECT_PATH_NOT_FOUND, "a part of the path does not exist"},
    {STATUS_SHARING_VIOLATION, "somebody else uses it and does not share"},
    {STATUS_INSUFFICIENT_RESOURCES, "memory or another resource of the system ran out"},
    {STATUS_DEVICE_NOT_READY, "the device, or the subsystem behind it, is not ready yet"},
    {STATUS_IO_TIMEOUT, "the operation took longer than its time limit"},
    {STATUS_NOT_SUPPORTED, "this is not supported here"},
    {STATUS_NETWORK_BUSY, "the network is busy"},
    {STATUS_UNEXPECTED_NETWORK_ERROR, "the network failed in a way nobody expected"},
    {STATUS_NETWORK_NAME_DELETED, "the network name is gone"},
    {STATUS_REQUEST_NOT_ACCEPTED, "the peer takes no further connections"},
    {STATUS_CANCELLED, "the operation was cancelled, by IoCancelIrp or by closing what it worked on"},
    {STATUS_LOCAL_DISCONNECT, "this side ended the connection"},
    {STATUS_REMOTE_DISCONNECT, "the peer ended the connection"},
    {STATUS_REMOTE_RESOURCES, "the peer ran out of resources"},
    {STATUS_LINK_FAILED, "the link failed"},
    {STATUS_LINK_TIMEOUT, "the peer stopped answering"},
    {STATUS_INVALID_CONNECTION, "the connection is not valid"},
    {STATUS_INVALID_ADDRESS, "the address is not valid"},
    {STATUS_BAD_NETWORK_PATH, "no way leads to that network name"},
    {STATUS_BAD_NETWORK_NAME, "the peer does not know that name"},
    {STATUS_INVALID_NETWORK_RESPONSE, "the peer answered nonsense"},
    {STATUS_NAME_TOO_LONG, "the name is longer than allowed"},
    {STATUS_FILE_CLOSED, "the object was closed"},
    {STATUS_DELETE_PENDING, "the object is about to be deleted"},
    {STATUS_NOT_FOUND, "what was looked for does not exist"},
    {STATUS_NO_MATCH, "nothing matched"},
    {STATUS_INTEGER_OVERFLOW, "the result does not fit its type"},
    {STATUS_INTEGER_DIVIDE_BY_ZERO, "an integer was divided by zero"},
    {STATUS_ILLEGAL_INSTRUCTION, "the processor does not know the instruction"},
    {STATUS_STACK_OVERFLOW, "the stack is exhausted"},
    {STATUS_INVALID_BUFFER_SIZE, "the size of the buffer is wrong"},
    {STATUS_INVALID_ADDRESS_COMPONENT, "a part of the address is not valid"},
    {STATUS_TOO_MANY_ADDRESSES, "there are too many addresses"},
    {STATUS_ADDRESS_ALREADY_EXISTS, "the local address is in use already"},
    {STATUS_ADDRESS_CLOSED, "the local address was closed"},
    {STATUS_CONNECTION_DISCONNECTED, "the connection has ended"},
    {STATUS_CONNECTION_RESET, "the peer reset the connection"},
    {STATUS_TRANSACTION_ABORTED, "the transaction was given up"},
    {STATUS_CONNECTION_REFUSED, "the peer refused the connection"},
    {STATUS_GRACEFUL_DISCONNECT, "the peer has sent everything and closed its direction"},
    {STATUS_ADDRESS_ALREADY_ASSOCIATED, "the address belongs to another endpoint already"},
    {STATUS_ADDRESS_NOT_ASSOCIATED, "no address belongs to the endpoint: it is not bound"},
    {STATUS_CONNECTION_INVALID, "there is no such connection"},
    {STATUS_CONNECTION_ACTIVE, "the connection exists already"},
    {STATUS_NETWORK_UNREACHABLE, "no route leads to that network"},
    {STATUS_HOST_UNREACHABLE, "no route leads to that host"},
    {STATUS_PROTOCOL_UNREACHABLE, "the peer, or this system, does not speak that protocol"},
    {STATUS_PORT_UNREACHABLE, "nobody listens at that port of the peer"},
    {STATUS_REQUEST_ABORTED, "the request was given up"},
    {STATUS_CONNECTION_ABORTED, "this system gave the connection up"},
    {STATUS_CONNECTION_COUNT_LIMIT, "there are as many connections as allowed"},
    {STATUS_RETRY, "it may succeed when tried again"},
    {STATUS_HOPLIMIT_EXCEEDED, "a packet passed more routers than allowed"},
    {STATUS_INVALID_DEVICE_STATE, "the object is not in a state in which this can be done"},
    {STATUS_DATA_NOT_ACCEPTED, "the callback did not take the data now"},
    {STATUS_EVENT_PENDING, "callbacks of this kind are still running: it takes effect when they return"},
    {STATUS_NOINTERFACE, "the provider does not offer that interface"},
    {STATUS_PRIVILEGE_NOT_HELD, "the caller lacks a privilege"},
    {STATUS_TOO_LATE, "it comes too late to be done"},
};

const char *rtl_status_name(NTSTATUS status)
{
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (names[i].status == (ULONG)status)
            return names[i].name;
    return NULL;
}

const char *rtl_status_text(NTSTATUS status)
{
    static const char *const severities[] = {"a success without a name", "an information without a name",
                                             "a warning without a name", "an error without a name"};

    for (size_t i = 0; i < sizeof(sentences) / sizeof(sentences[0]); i++)
        if (sentences[i].status == status)
            return sentences[i].text;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (names[i].status == (ULONG)status)
            return names[i].words;
    return severities[(ULONG)status >> 30];
}
