/*
 * buffer.c - what a WSK_BUF of the driver must be (area BUF).
 */
#include "wsk/wskp.h"

NTSTATUS wsk_buffer_check_any(const WSK_BUF *buffer, BOOLEAN optional)
{
    if (buffer == NULL)
        return optional ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER;
    if (buffer->Mdl == NULL)
        return buffer->Length == 0 ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER; /* R-BUF-05 */
    if (buffer->Length == 0)
        return STATUS_SUCCESS;
    if (buffer->Offset >= MmGetMdlByteCount(buffer->Mdl))
        return STATUS_INVALID_PARAMETER; /* H-02, R-BUF-04 */
    if (!mm_mdl_chain_reaches(buffer->Mdl, buffer->Offset, buffer->Length))
        return STATUS_INVALID_PARAMETER; /* W-09, R-BUF-07 */
    return STATUS_SUCCESS;
}

void wsk_buffer_take(PIRP Irp, const WSK_BUF *buffer, ULONG flags)
{
    union wsk_arguments *arguments = wsk_arguments_of(Irp);

    arguments->buffer.mdl = buffer != NULL ? buffer->Mdl : NULL;
    arguments->buffer.offset = buffer != NULL ? buffer->Offset : 0;
    arguments->buffer.length = buffer != NULL ? buffer->Length : 0;
    arguments->buffer.flags = flags;
}
