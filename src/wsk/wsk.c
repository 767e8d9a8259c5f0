/*
 * wsk.c - the subsystem as a whole: its settings, its start and its end.
 */
#include "wsk/wskp.h"

struct wsk_settings wsk_settings;

NTSTATUS wsk_start(const struct wsk_settings *settings)
{
    if (settings->ops == NULL || settings->ops->version != TRANSPORT_VERSION || settings->transport == NULL)
        return STATUS_INVALID_PARAMETER;
    wsk_settings = *settings;
    wsk_registration_start();
    return STATUS_SUCCESS;
}

void wsk_stop(void)
{
    wsk_registration_stop();
    wsk_quarantine_flush();
    RtlZeroMemory(&wsk_settings, sizeof wsk_settings);
}
