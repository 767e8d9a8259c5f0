/*
 * wsk.c - the subsystem as a whole: its settings, its start and its end.
 */
#include "wsk/wskp.h"

struct wsk_settings wsk_settings;

NTSTATUS wsk_start(const struct wsk_settings *settings)
{
    NTSTATUS status;

    if (settings->ops == NULL || settings->ops->version != TRANSPORT_VERSION || settings->transport == NULL)
        return STATUS_INVALID_PARAMETER;
    wsk_settings = *settings;
    wsk_starved_start();
    wsk_registration_start();
    status = wsk_npi_provider_start();
    if (status != STATUS_SUCCESS) {
        wsk_registration_stop();
        RtlZeroMemory(&wsk_settings, sizeof wsk_settings);
    }
    return status;
}

void wsk_stop(void)
{
    wsk_npi_provider_stop();
    wsk_registration_stop();
    wsk_starved_stop();
    /* Lanes that are still scheduled have nothing to deliver any more, but they reference their socket's
     * memory. */
    ke_flush_queued_dpcs();
    ex_workers_shutdown();
    ke_flush_queued_dpcs();
    wsk_quarantine_flush();
    RtlZeroMemory(&wsk_settings, sizeof wsk_settings);
}
