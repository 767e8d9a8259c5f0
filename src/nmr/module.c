/*
 * module.c - registering and deregistering modules (nmrp.h tells how it fits together).
 */
#include "nmrp.h"
#include "nmr/report.h"

KSPIN_LOCK nmr_lock;
static LIST_ENTRY modules = {&modules, &modules};
static ULONG64 last_number; /* of handles; atomic */

HANDLE nmr_new_handle(ULONG kind)
{
    ULONG64 number = __atomic_add_fetch(&last_number, 1, __ATOMIC_RELAXED);

    return (HANDLE)(ULONG_PTR)(number * NMR_HANDLE_STEP + kind);
}

void nmr_module_check_gone(struct nmr_module *module)
{
    if (!module->leaving || !IsListEmpty(&module->bindings))
        return;
    OBSERVE(dead, OBSERVE_REGISTRATION, module->handle);
    ke_set_event(&module->gone, IO_NO_INCREMENT, FALSE);
}

/* ---- registering ------------------------------------------------------------------------------------ */

/* nmr_lock held: the two are to be introduced to each other. */
static BOOLEAN is_counterpart(const struct nmr_module *module, const struct nmr_module *other)
{
    return other->role != module->role && !other->leaving &&
           RtlEqualMemory(&other->npi, &module->npi, sizeof(NPIID)); /* C-NMR-01 */
}

/* nmr_lock held. */
static ULONG count_counterparts(const struct nmr_module *module)
{
    ULONG count = 0;
    PLIST_ENTRY link;

    for (link = modules.Flink; link != &modules; link = link->Flink)
        count += is_counterpart(module, CONTAINING_RECORD(link, struct nmr_module, link));
    return count;
}

/* nmr_lock held; takes the bindings it needs from *spare, which holds enough of them. */
static void enter(struct nmr_module *module, struct nmr_binding **spare)
{
    PLIST_ENTRY link;

    for (link = modules.Flink; link != &modules; link = link->Flink) {
        struct nmr_module *other = CONTAINING_RECORD(link, struct nmr_module, link);
        struct nmr_binding *binding = *spare;

        if (!is_counterpart(module, other))
            continue;
        *spare = binding->next;
        nmr_binding_link(binding, module, other);
    }
    InsertTailList(&modules, &module->link);
}

/* Enters the module and links its bindings in one step.  FALSE: no memory, nothing has happened. */
static BOOLEAN enter_with_bindings(struct nmr_module *module)
{
    struct nmr_binding *spare = NULL, *binding;
    ULONG have = 0;
    KIRQL irql;

    for (;; have++) {
        irql = ke_acquire_spin_lock(&nmr_lock);
        if (count_counterparts(module) <= have)
            break;
        ke_release_spin_lock(&nmr_lock, irql);
        binding = ex_allocate_pool(POOL_FLAG_NON_PAGED, sizeof *binding, NMR_TAG_BINDING);
        if (binding == NULL) {
            nmr_binding_free_list(spare);
            return FALSE;
        }
        binding->next = spare;
        spare = binding;
    }
    enter(module, &spare);
    ke_release_spin_lock(&nmr_lock, irql);
    nmr_binding_free_list(spare);
    return TRUE;
}

static void dereference(struct nmr_module *module)
{
    KIRQL irql = ke_acquire_spin_lock(&nmr_lock);
    LONG left = --module->references;

    ke_release_spin_lock(&nmr_lock, irql);
    if (left == 0)
        ex_free_pool(module);
}

static NTSTATUS register_module(const struct nmr_module *like, PHANDLE handle, void *caller)
{
    struct nmr_module *module;

    if (ke_current_irql() != PASSIVE_LEVEL) /* R-NMR-08 */
        ke_bug_check_from(NMR_INVALID_STATE, NMR_BAD_IRQL, 0, PASSIVE_LEVEL, ke_current_irql(), caller);
    module = ex_allocate_pool(POOL_FLAG_NON_PAGED, sizeof *module, NMR_TAG_MODULE);
    if (module == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    *module = *like;
    InitializeListHead(&module->bindings);
    ke_initialize_event(&module->gone, NotificationEvent, FALSE);
    module->references = 2; /* the table's and ours */
    module->npi = *module->instance->NpiId;
    module->handle = nmr_new_handle(module->role == NMR_CLIENT ? NMR_HANDLE_CLIENT : NMR_HANDLE_PROVIDER);
    /* Its code tells whose it is, also when the driver has jumped to us instead of calling. */
    OBSERVE(born, OBSERVE_REGISTRATION, module->handle, NMR_TAG_MODULE, sizeof *module,
            caller != NULL ? (void *)module->detach : NULL);
    *handle = module->handle; /* before anybody can see the module (R-NMR-10) */
    if (!enter_with_bindings(module)) {
        *handle = NULL;
        OBSERVE(dead, OBSERVE_REGISTRATION, module->handle);
        ex_free_pool(module);
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    nmr_binding_offer_all(module);
    dereference(module);
    return STATUS_SUCCESS;
}

NTSTATUS nmr_register_client(PNPI_CLIENT_CHARACTERISTICS characteristics, PVOID context, PHANDLE handle,
                             void *caller)
{
    struct nmr_module module = {.role = NMR_CLIENT, .context = context};

    if (characteristics == NULL || handle == NULL || characteristics->ClientAttachProvider == NULL ||
        characteristics->ClientDetachProvider == NULL ||
        characteristics->ClientRegistrationInstance.NpiId == NULL)
        return STATUS_INVALID_PARAMETER;
    module.instance = &characteristics->ClientRegistrationInstance;
    module.client_attach = characteristics->ClientAttachProvider;
    module.detach = characteristics->ClientDetachProvider;
    module.cleanup = characteristics->ClientCleanupBindingContext;
    return register_module(&module, handle, caller);
}

NTSTATUS nmr_register_provider(PNPI_PROVIDER_CHARACTERISTICS characteristics, PVOID context, PHANDLE handle,
                               void *caller)
{
    struct nmr_module module = {.role = NMR_PROVIDER, .context = context};

    if (characteristics == NULL || handle == NULL || characteristics->ProviderAttachClient == NULL ||
        characteristics->ProviderDetachClient == NULL ||
        characteristics->ProviderRegistrationInstance.NpiId == NULL)
        return STATUS_INVALID_PARAMETER;
    module.instance = &characteristics->ProviderRegistrationInstance;
    module.provider_attach = characteristics->ProviderAttachClient;
    module.detach = characteristics->ProviderDetachClient;
    module.cleanup = characteristics->ProviderCleanupBindingContext;
    return register_module(&module, handle, caller);
}

/* ---- deregistering ---------------------------------------------------------------------------------- */

/* nmr_lock held.  The kind is part of the handle. */
static struct nmr_module *find(HANDLE handle, enum nmr_role role)
{
    PLIST_ENTRY link;

    for (link = modules.Flink; link != &modules; link = link->Flink) {
        struct nmr_module *module = CONTAINING_RECORD(link, struct nmr_module, link);

        if (module->handle == handle && module->role == role)
            return module;
    }
    return NULL;
}

NTSTATUS nmr_deregister(HANDLE handle, enum nmr_role role)
{
    struct nmr_binding *detach = NULL, *over = NULL;
    KIRQL irql = ke_acquire_spin_lock(&nmr_lock);
    struct nmr_module *module = find(handle, role);

    if (module == NULL || module->leaving) {
        ke_release_spin_lock(&nmr_lock, irql);
        return STATUS_INVALID_PARAMETER;
    }
    module->leaving = TRUE;
    nmr_binding_part(module, &detach, &over);
    if (over == NULL) /* else the last of those has looked */
        nmr_module_check_gone(module);
    ke_release_spin_lock(&nmr_lock, irql);
    nmr_binding_free_list(over);
    nmr_binding_detach_list(detach);
    return STATUS_PENDING; /* R-NMR-32: also when it is over already */
}

NTSTATUS nmr_wait_deregistered(HANDLE handle, enum nmr_role role)
{
    KIRQL irql = ke_acquire_spin_lock(&nmr_lock);
    struct nmr_module *module = find(handle, role);

    if (module == NULL || !module->leaving) { /* R-NMR-36 */
        ke_release_spin_lock(&nmr_lock, irql);
        return STATUS_INVALID_PARAMETER;
    }
    module->references++;
    ke_release_spin_lock(&nmr_lock, irql);

    ke_wait_for_single_object(&module->gone, Executive, KernelMode, FALSE, NULL);

    irql = ke_acquire_spin_lock(&nmr_lock);
    if (!module->waited) { /* the first of several */
        module->waited = TRUE;
        module->references--;
        RemoveEntryList(&module->link);
    }
    ke_release_spin_lock(&nmr_lock, irql);
    dereference(module);
    return STATUS_SUCCESS;
}

void nmr_count(ULONG *module_count, ULONG *binding_count)
{
    KIRQL irql = ke_acquire_spin_lock(&nmr_lock);
    ULONG count = 0;
    PLIST_ENTRY link;

    for (link = modules.Flink; link != &modules; link = link->Flink)
        count++;
    if (module_count != NULL)
        *module_count = count;
    count = 0;
    for (link = nmr_bindings.Flink; link != &nmr_bindings; link = link->Flink)
        count++;
    if (binding_count != NULL)
        *binding_count = count;
    ke_release_spin_lock(&nmr_lock, irql);
}

/* nmr_lock held. */
static void report_side(const struct nmr_binding *binding, ULONG role, unsigned *runs, unsigned *pending)
{
    UCHAR state = binding->side[role].state;

    *runs += state == NMR_SIDE_TELLING || state == NMR_SIDE_COMPLETED;
    *pending += state == NMR_SIDE_PENDING;
}

void nmr_report_modules(void (*fn)(void *context, const struct nmr_report_module *module), void *context)
{
    KIRQL irql = ke_acquire_spin_lock(&nmr_lock);

    for (PLIST_ENTRY link = modules.Flink; link != &modules; link = link->Flink) {
        const struct nmr_module *module = CONTAINING_RECORD(link, struct nmr_module, link);
        struct nmr_report_module report = {.handle = module->handle,
                                           .is_provider = module->role == NMR_PROVIDER,
                                           .leaving = module->leaving,
                                           .gone = &module->gone};

        RtlCopyMemory(report.npi, &module->npi, sizeof report.npi);
        for (PLIST_ENTRY at = module->bindings.Flink; at != &module->bindings; at = at->Flink) {
            const struct nmr_side *side = CONTAINING_RECORD(at, struct nmr_side, link);
            const struct nmr_binding *binding =
                CONTAINING_RECORD(side, struct nmr_binding, side[module->role]);

            report.attachments++;
            report.attaching += binding->state != NMR_ATTACHED && binding->state != NMR_DETACHING;
            report_side(binding, module->role, &report.own_runs, &report.own_pending);
            report_side(binding, !module->role, &report.other_runs, &report.other_pending);
        }
        fn(context, &report);
    }
    ke_release_spin_lock(&nmr_lock, irql);
}

/* ---- entries ---------------------------------------------------------------------------------------- */

/* NmrRegisterClient (nf-netioddk-nmrregisterclient): enters the client side of an NPI and offers it every
 * provider that is there.  The characteristics stay the caller's, valid until deregistration is complete.
 * PASSIVE_LEVEL.  STATUS_SUCCESS, STATUS_INVALID_PARAMETER, STATUS_INSUFFICIENT_RESOURCES. */
NTSTATUS NTAPI NmrRegisterClient(PNPI_CLIENT_CHARACTERISTICS ClientCharacteristics, PVOID ClientContext,
                                 PHANDLE NmrClientHandle)
{
    return nmr_register_client(ClientCharacteristics, ClientContext, NmrClientHandle,
                               __builtin_return_address(0));
}

/* NmrRegisterProvider (nf-netioddk-nmrregisterprovider): the same for the provider side; it is offered to
 * every client that is there. */
NTSTATUS NTAPI NmrRegisterProvider(PNPI_PROVIDER_CHARACTERISTICS ProviderCharacteristics,
                                   PVOID ProviderContext, PHANDLE NmrProviderHandle)
{
    return nmr_register_provider(ProviderCharacteristics, ProviderContext, NmrProviderHandle,
                                 __builtin_return_address(0));
}

/* NmrDeregisterClient (nf-netioddk-nmrderegisterclient): begins to detach the client from all its providers.
 * IRQL <= DISPATCH_LEVEL.  STATUS_PENDING, STATUS_INVALID_PARAMETER. */
NTSTATUS NTAPI NmrDeregisterClient(HANDLE NmrClientHandle)
{
    return nmr_deregister(NmrClientHandle, NMR_CLIENT);
}

/* NmrDeregisterProvider (nf-netioddk-nmrderegisterprovider): the same for a provider and all its clients. */
NTSTATUS NTAPI NmrDeregisterProvider(HANDLE NmrProviderHandle)
{
    return nmr_deregister(NmrProviderHandle, NMR_PROVIDER);
}

/* NmrWaitForClientDeregisterComplete (nf-netioddk-nmrwaitforclientderegistercomplete): returns when the
 * client and its providers have finished detaching.  IRQL <= APC_LEVEL.  STATUS_SUCCESS,
 * STATUS_INVALID_PARAMETER. */
NTSTATUS NTAPI NmrWaitForClientDeregisterComplete(HANDLE NmrClientHandle)
{
    return nmr_wait_deregistered(NmrClientHandle, NMR_CLIENT);
}

/* NmrWaitForProviderDeregisterComplete (nf-netioddk-nmrwaitforproviderderegistercomplete): the same for a
 * provider. */
NTSTATUS NTAPI NmrWaitForProviderDeregisterComplete(HANDLE NmrProviderHandle)
{
    return nmr_wait_deregistered(NmrProviderHandle, NMR_PROVIDER);
}
