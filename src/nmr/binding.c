/*
 * binding.c - one client and one provider: attaching and detaching (nmrp.h tells how it fits together).
 */
#include "nmrp.h"

LIST_ENTRY nmr_bindings = {&nmr_bindings, &nmr_bindings};

/* nmr_lock held. */
static struct nmr_binding *find(HANDLE handle)
{
    PLIST_ENTRY link;

    for (link = nmr_bindings.Flink; link != &nmr_bindings; link = link->Flink) {
        struct nmr_binding *binding = CONTAINING_RECORD(link, struct nmr_binding, link);

        if (binding->handle == handle)
            return binding;
    }
    return NULL;
}

void nmr_binding_link(struct nmr_binding *binding, struct nmr_module *younger, struct nmr_module *older)
{
    binding->handle = nmr_new_handle(NMR_HANDLE_BINDING);
    binding->state = NMR_OFFERED;
    binding->younger = younger;
    binding->side[younger->role].module = younger;
    binding->side[older->role].module = older;
    InsertTailList(&nmr_bindings, &binding->link);
    InsertTailList(&younger->bindings, &binding->side[younger->role].link);
    InsertTailList(&older->bindings, &binding->side[older->role].link);
}

/* nmr_lock held: the binding is over.  Its memory is the caller's. */
static void unlink_binding(struct nmr_binding *binding)
{
    ULONG role;

    RemoveEntryList(&binding->link);
    for (role = 0; role < NMR_ROLES; role++)
        RemoveEntryList(&binding->side[role].link);
    for (role = 0; role < NMR_ROLES; role++)
        nmr_module_check_gone(binding->side[role].module); /* R-NMR-33 */
}

void nmr_binding_free_list(struct nmr_binding *list)
{
    while (list != NULL) {
        struct nmr_binding *next = list->next;

        ex_free_pool(list);
        list = next;
    }
}

/* Runs fn(binding) at PASSIVE_LEVEL: here and now when this is that. */
static void at_passive_level(struct nmr_binding *binding, void (*fn)(void *context))
{
    if (ke_current_irql() == PASSIVE_LEVEL)
        fn(binding);
    else
        ex_queue_worker(&binding->work, fn, binding);
}

/* ---- detaching -------------------------------------------------------------------------------------- */

/* nmr_lock held. */
static BOOLEAN both_detached(const struct nmr_binding *binding)
{
    return binding->side[NMR_CLIENT].state == NMR_SIDE_DETACHED &&
           binding->side[NMR_PROVIDER].state == NMR_SIDE_DETACHED;
}

/* Both sides have detached: cleans up and ends the binding (C-NMR-22). */
static void finish(void *context)
{
    static const char *const names[] = {"ClientCleanupBindingContext", "ProviderCleanupBindingContext"};
    struct nmr_binding *binding = context;
    KIRQL irql;
    ULONG role;

    for (role = 0; role < NMR_ROLES; role++) {
        struct nmr_side *side = &binding->side[role];

        if (side->module->cleanup != NULL)
            RTL_CALL(OBSERVE_CALLBACK, binding->handle, names[role], side->module->cleanup,
                     side->module->cleanup(side->context));
    }
    irql = ke_acquire_spin_lock(&nmr_lock);
    unlink_binding(binding);
    ke_release_spin_lock(&nmr_lock, irql);
    ex_free_pool(binding);
}

/* nmr_lock held, one side's state has changed to NMR_SIDE_DETACHED: what to call once the lock is released.
 * Until it has been called the provider's side stays as it is, and with it the binding. */
static void (*watch_of(const struct nmr_binding *binding, enum nmr_role role, void **context))(void *)
{
    *context = binding->watch_context;
    return role == NMR_CLIENT ? binding->watch : NULL;
}

/* Calls one side's detach callback.  TRUE: that was the last that was missing, the binding is the caller's to
 * finish; FALSE: for the provider's side, the binding is not the caller's any more. */
static BOOLEAN tell(struct nmr_binding *binding, enum nmr_role role)
{
    static const char *const names[] = {"ClientDetachProvider", "ProviderDetachClient"};
    struct nmr_side *side = &binding->side[role];
    nmr_detach_fn *detach = side->module->detach;
    HANDLE handle = binding->handle;
    void (*watch)(void *context) = NULL;
    void *context;
    UCHAR state;
    BOOLEAN over;
    NTSTATUS status;
    KIRQL irql;

    irql = ke_acquire_spin_lock(&nmr_lock);
    side->state = NMR_SIDE_TELLING;
    ke_release_spin_lock(&nmr_lock, irql);
    RTL_CALL(OBSERVE_CALLBACK, handle, names[role], detach,
             rtl_call_frame.status = status = detach(side->context));
    if (status != STATUS_SUCCESS && status != STATUS_PENDING) /* R-NMR-26 */
        ke_bug_check_from(NMR_INVALID_STATE, NMR_BAD_DETACH_STATUS, (ULONG_PTR)handle, STATUS_PENDING,
                          (ULONG)status, (void *)detach);

    irql = ke_acquire_spin_lock(&nmr_lock);
    state = side->state;
    if (status == STATUS_PENDING && state == NMR_SIDE_TELLING) {
        side->state = NMR_SIDE_PENDING;
    } else {
        side->state = NMR_SIDE_DETACHED;
        watch = watch_of(binding, role, &context);
    }
    over = both_detached(binding);
    ke_release_spin_lock(&nmr_lock, irql);
    if (status == STATUS_SUCCESS && state == NMR_SIDE_COMPLETED) /* R-NMR-27 */
        ke_bug_check_from(NMR_INVALID_STATE, NMR_BAD_DETACH_SUCCESS, (ULONG_PTR)handle, STATUS_PENDING,
                          (ULONG)status, (void *)detach);
    if (watch != NULL)
        watch(context);
    return over;
}

static void detach(void *context)
{
    struct nmr_binding *binding = context;

    tell(binding, NMR_CLIENT); /* cannot be the last: the provider has not been told */
    if (tell(binding, NMR_PROVIDER))
        finish(binding);
}

void nmr_binding_detach_list(struct nmr_binding *list)
{
    while (list != NULL) {
        struct nmr_binding *next = list->next;

        at_passive_level(list, detach);
        list = next;
    }
}

void nmr_binding_part(struct nmr_module *module, struct nmr_binding **detaching, struct nmr_binding **over)
{
    PLIST_ENTRY link, next;

    for (link = module->bindings.Flink; link != &module->bindings; link = next) {
        struct nmr_side *side = CONTAINING_RECORD(link, struct nmr_side, link);
        struct nmr_binding *binding = CONTAINING_RECORD(side, struct nmr_binding, side[module->role]);

        next = link->Flink;
        switch (binding->state) {
        case NMR_OFFERED:
            unlink_binding(binding);
            binding->next = *over;
            *over = binding;
            break;
        case NMR_ATTACHED:
            binding->state = NMR_DETACHING;
            binding->next = NULL;
            *detaching = binding;
            detaching = &binding->next;
            break;
        case NMR_DETACHING: /* C-DEREG-14: the other side came first */
            break;
        default:
            binding->unwanted = TRUE;
            break;
        }
    }
}

void nmr_detach_complete(HANDLE handle, enum nmr_role role, void *caller)
{
    KIRQL irql = ke_acquire_spin_lock(&nmr_lock);
    struct nmr_binding *binding = find(handle);
    UCHAR state = binding != NULL ? binding->side[role].state : 0;
    void (*watch)(void *context) = NULL;
    void *context;
    BOOLEAN over = FALSE;

    if (binding != NULL && state == NMR_SIDE_TELLING) {
        binding->side[role].state = NMR_SIDE_COMPLETED; /* tell() takes it from there */
    } else if (binding != NULL && state == NMR_SIDE_PENDING) {
        binding->side[role].state = NMR_SIDE_DETACHED;
        watch = watch_of(binding, role, &context);
        over = both_detached(binding);
    } else {
        ke_release_spin_lock(&nmr_lock, irql);
        if (binding == NULL)
            ke_bug_check_from(NMR_INVALID_STATE, NMR_BAD_COMPLETE_HANDLE, (ULONG_PTR)handle,
                              NMR_HANDLE_BINDING, (ULONG_PTR)handle % NMR_HANDLE_STEP, caller);
        ke_bug_check_from(NMR_INVALID_STATE, NMR_BAD_COMPLETE, (ULONG_PTR)handle, NMR_SIDE_PENDING, state,
                          caller);
    }
    ke_release_spin_lock(&nmr_lock, irql);
    if (watch != NULL)
        watch(context);
    if (over)
        at_passive_level(binding, finish);
}

/* ---- attaching -------------------------------------------------------------------------------------- */

/* nmr_lock held: the next binding that this module's registration has to offer. */
static struct nmr_binding *next_offer(struct nmr_module *module)
{
    PLIST_ENTRY link;

    for (link = module->bindings.Flink; link != &module->bindings; link = link->Flink) {
        struct nmr_side *side = CONTAINING_RECORD(link, struct nmr_side, link);
        struct nmr_binding *binding = CONTAINING_RECORD(side, struct nmr_binding, side[module->role]);

        if (binding->state == NMR_OFFERED && binding->younger == module)
            return binding;
    }
    return NULL;
}

/* ClientAttachProvider has returned. */
static void offered(struct nmr_binding *binding, NTSTATUS status)
{
    PNPI_CLIENT_ATTACH_PROVIDER_FN attach = binding->side[NMR_CLIENT].module->client_attach;
    HANDLE handle = binding->handle;
    KIRQL irql = ke_acquire_spin_lock(&nmr_lock);
    UCHAR state = binding->state;
    BOOLEAN unwanted = binding->unwanted;

    if (state == NMR_OFFERING)
        unlink_binding(binding); /* declined */
    else if (state == NMR_ACCEPTED && status == STATUS_SUCCESS)
        binding->state = unwanted ? NMR_DETACHING : NMR_ATTACHED; /* attached, it is not ours any more */
    ke_release_spin_lock(&nmr_lock, irql);

    if (state == NMR_ASKING)
        ke_bug_check_from(NMR_INVALID_STATE, NMR_BAD_ATTACH_RETURN, (ULONG_PTR)handle, NMR_OFFERING, state,
                          (void *)attach);
    if (state == NMR_ACCEPTED && status != STATUS_SUCCESS) /* R-NMR-14 */
        ke_bug_check_from(NMR_INVALID_STATE, NMR_BAD_ATTACH_STATUS, (ULONG_PTR)handle, STATUS_SUCCESS,
                          (ULONG)status, (void *)attach);
    if (state == NMR_OFFERING)
        ex_free_pool(binding);
    else if (unwanted)
        detach(binding);
}

void nmr_binding_offer_all(struct nmr_module *module)
{
    for (;;) {
        KIRQL irql = ke_acquire_spin_lock(&nmr_lock);
        struct nmr_binding *binding = next_offer(module);
        struct nmr_module *client, *provider;
        NTSTATUS status;

        if (binding != NULL)
            binding->state = NMR_OFFERING;
        ke_release_spin_lock(&nmr_lock, irql);
        if (binding == NULL)
            return;
        client = binding->side[NMR_CLIENT].module;
        provider = binding->side[NMR_PROVIDER].module;
        RTL_CALL(OBSERVE_CALLBACK, binding->handle, "ClientAttachProvider", client->client_attach,
                 rtl_call_frame.status = status =
                     client->client_attach(binding->handle, client->context, provider->instance));
        offered(binding, status);
    }
}

/* Takes the binding from OFFERING to ASKING, or stops the driver that has no business here.  NULL: a side is
 * leaving, the provider is not asked. */
static struct nmr_binding *ask(HANDLE handle, PVOID client_context, void *caller)
{
    KIRQL irql = ke_acquire_spin_lock(&nmr_lock);
    struct nmr_binding *binding = find(handle);
    UCHAR state = binding != NULL ? binding->state : 0;
    BOOLEAN wanted = state == NMR_OFFERING && !binding->unwanted;

    if (wanted) {
        binding->state = NMR_ASKING;
        binding->side[NMR_CLIENT].context = client_context;
    }
    ke_release_spin_lock(&nmr_lock, irql);
    if (state == NMR_ASKING || state == NMR_ACCEPTED)
        ke_bug_check_from(NMR_INVALID_STATE, NMR_BAD_SECOND_ATTACH, (ULONG_PTR)handle, NMR_OFFERING, state,
                          caller);
    if (state != NMR_OFFERING) /* R-NMR-16 */
        ke_bug_check_from(NMR_INVALID_STATE, NMR_BAD_ATTACH, (ULONG_PTR)handle, NMR_OFFERING, state, caller);
    return wanted ? binding : NULL;
}

NTSTATUS nmr_attach(HANDLE handle, PVOID client_context, const VOID *client_dispatch, PVOID *provider_context,
                    const VOID **provider_dispatch, void *caller)
{
    struct nmr_module *client, *provider;
    struct nmr_binding *binding;
    const VOID *dispatch = NULL;
    PVOID context = NULL;
    NTSTATUS status;
    KIRQL irql;

    if (ke_current_irql() != PASSIVE_LEVEL) /* R-NMR-08 */
        ke_bug_check_from(NMR_INVALID_STATE, NMR_BAD_IRQL, (ULONG_PTR)handle, PASSIVE_LEVEL,
                          ke_current_irql(), caller);
    binding = ask(handle, client_context, caller);
    if (binding == NULL)
        return STATUS_NOINTERFACE;
    client = binding->side[NMR_CLIENT].module;
    provider = binding->side[NMR_PROVIDER].module;
    RTL_CALL(OBSERVE_CALLBACK, handle, "ProviderAttachClient", provider->provider_attach,
             rtl_call_frame.status = status = provider->provider_attach(
                 handle, provider->context, client->instance, client_context, client_dispatch,
                 provider_context != NULL ? &context : NULL, provider_dispatch != NULL ? &dispatch : NULL));
    if (status == STATUS_SUCCESS) {
        if (provider_context != NULL)
            *provider_context = context;
        if (provider_dispatch != NULL)
            *provider_dispatch = dispatch;
    }
    irql = ke_acquire_spin_lock(&nmr_lock);
    binding->state = status == STATUS_SUCCESS ? NMR_ACCEPTED : NMR_OFFERING; /* C-NMR-11; C-REG-31: again */
    binding->side[NMR_PROVIDER].context = context;
    ke_release_spin_lock(&nmr_lock, irql);
    return status; /* R-NMR-17 */
}

void *nmr_binding_client(HANDLE handle)
{
    KIRQL irql = ke_acquire_spin_lock(&nmr_lock);
    struct nmr_binding *binding = find(handle);
    void *client = binding != NULL ? (void *)binding->side[NMR_CLIENT].module->client_attach : NULL;

    ke_release_spin_lock(&nmr_lock, irql);
    return client;
}

void nmr_watch_client(HANDLE handle, void (*fn)(void *context), void *context)
{
    KIRQL irql = ke_acquire_spin_lock(&nmr_lock);
    struct nmr_binding *binding = find(handle);

    if (binding != NULL) {
        binding->watch = fn;
        binding->watch_context = context;
    }
    ke_release_spin_lock(&nmr_lock, irql);
}

/* ---- entries ---------------------------------------------------------------------------------------- */

/* NmrClientAttachProvider (nf-netioddk-nmrclientattachprovider): asks the provider that ClientAttachProvider
 * was told of, from inside that callback; after a failure again, if the client likes.  ClientDispatch stays
 * the client's, valid while attached.  PASSIVE_LEVEL.  The provider's status; STATUS_NOINTERFACE. */
NTSTATUS NTAPI NmrClientAttachProvider(HANDLE NmrBindingHandle, PVOID ClientBindingContext,
                                       CONST VOID *ClientDispatch, PVOID *ProviderBindingContext,
                                       CONST VOID **ProviderDispatch)
{
    return nmr_attach(NmrBindingHandle, ClientBindingContext, ClientDispatch, ProviderBindingContext,
                      ProviderDispatch, __builtin_return_address(0));
}

/* NmrClientDetachProviderComplete (nf-netioddk-nmrclientdetachprovidercomplete): the client's last call into
 * the provider has returned, after a ClientDetachProvider that pends.  May clean up before it returns. IRQL
 * <= DISPATCH_LEVEL. */
VOID NTAPI NmrClientDetachProviderComplete(HANDLE NmrBindingHandle)
{
    nmr_detach_complete(NmrBindingHandle, NMR_CLIENT, __builtin_return_address(0));
}

/* NmrProviderDetachClientComplete (nf-netioddk-nmrproviderdetachclientcomplete): the same for the provider.
 */
VOID NTAPI NmrProviderDetachClientComplete(HANDLE NmrBindingHandle)
{
    nmr_detach_complete(NmrBindingHandle, NMR_PROVIDER, __builtin_return_address(0));
}
