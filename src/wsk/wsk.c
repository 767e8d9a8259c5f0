/*
 * wsk.c - the subsystem as a whole: its settings, its start and its end; and the provider, which is there from the one
 * to the other, or comes late and leaves early (settings.provider_delay, provider_leave) on a thread of its own.
 */
#include "wsk/wskp.h"

#include "nt/ob/ob.h"

#define RETRY 100000 /* 100 ns units: when there is no memory to attach with */

struct wsk_settings wsk_settings;

static struct {
    struct ke_thread *thread; /* NULL: the provider is there from start to stop */
    KEVENT stop;              /* notification: the subsystem ends */
    BOOLEAN attached;         /* the thread's; of wsk_stop when that has ended */
} provider;

/* ---- the provider ------------------------------------------------------------------------------------- */

/* Both ways in: registrations, and the Network Module Registrar. */
static NTSTATUS provider_attach(void)
{
    NTSTATUS status = wsk_npi_provider_start();

    if (status != STATUS_SUCCESS)
        return status;
    wsk_registration_start();
    provider.attached = TRUE;
    return status;
}

/* All clients are told before the first is waited for. */
static void provider_detach(void)
{
    wsk_registration_stop();
    wsk_npi_provider_stop();
    wsk_registration_wait();
    wsk_npi_provider_wait();
    provider.attached = FALSE;
}

static void tell(const char *what)
{
    if (wsk_settings.provider_tells != NULL)
        wsk_settings.provider_tells(wsk_settings.context, what);
}

/* FALSE: the subsystem ends. */
static BOOLEAN provider_pause(ULONG64 units)
{
    LARGE_INTEGER due = {.QuadPart = -(LONGLONG)units};

    return ke_wait_for_single_object(&provider.stop, Executive, KernelMode, FALSE, &due) == STATUS_TIMEOUT;
}

static VOID NTAPI provider_main(PVOID context)
{
    UNREFERENCED_PARAMETER(context);
    if (wsk_settings.provider_delay != 0) {
        if (!provider_pause(wsk_settings.provider_delay))
            return;
        while (provider_attach() != STATUS_SUCCESS)
            if (!provider_pause(RETRY))
                return;
        tell("has attached");
    }
    if (wsk_settings.provider_leave == 0 || !provider_pause(wsk_settings.provider_leave))
        return;
    tell("leaves");
    provider_detach();
    tell("has left");
}

/* ---- start and stop ----------------------------------------------------------------------------------- */

static NTSTATUS start_provider(void)
{
    NTSTATUS status = STATUS_SUCCESS;

    provider.thread = NULL;
    provider.attached = FALSE;
    wsk_registration_initialize();
    if (wsk_settings.provider_delay == 0)
        status = provider_attach();
    if (status != STATUS_SUCCESS || (wsk_settings.provider_delay == 0 && wsk_settings.provider_leave == 0))
        return status;
    ke_initialize_event(&provider.stop, NotificationEvent, FALSE);
    status = ps_create_runtime_thread("WSK provider", provider_main, NULL, &provider.thread);
    if (status != STATUS_SUCCESS && provider.attached)
        provider_detach();
    return status;
}

NTSTATUS wsk_start(const struct wsk_settings *settings)
{
    NTSTATUS status;

    if (settings->ops == NULL || settings->ops->version != TRANSPORT_VERSION || settings->transport == NULL)
        return STATUS_INVALID_PARAMETER;
    wsk_settings = *settings;
    wsk_starved_start();
    wsk_sharing_start();
    wsk_security_start();
    status = start_provider();
    if (status != STATUS_SUCCESS)
        RtlZeroMemory(&wsk_settings, sizeof wsk_settings);
    return status;
}

void wsk_stop(void)
{
    if (provider.thread != NULL) {
        ke_set_event(&provider.stop, IO_NO_INCREMENT, FALSE);
        ke_wait_for_single_object(provider.thread, Executive, KernelMode, FALSE, NULL);
        ob_dereference_object(provider.thread);
        provider.thread = NULL;
    }
    if (provider.attached)
        provider_detach();
    wsk_starved_stop();
    /* Lanes that are still scheduled have nothing to deliver any more, but they reference their socket's
     * memory. */
    ke_flush_queued_dpcs();
    ex_workers_shutdown();
    ke_flush_queued_dpcs();
    wsk_quarantine_flush();
    wsk_indication_flush();
    RtlZeroMemory(&wsk_settings, sizeof wsk_settings);
}
