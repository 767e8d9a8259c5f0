/*
 * test_bugchecks.c - what cannot be answered by a status is bug check 0x125 NMR_INVALID_STATE, with the
 * numbers of nmr.h (KA09).
 */
#include "nmr_test.h"

#include "../nt/bugcheck.h"
#include "nmr/nmr.h"

static void start(void)
{
    nmr_setup();
}

static void stop(void)
{
}

/* The bug check leaves its thread as it stood, bindings included: nothing is looked at afterwards. */
TEST_FIXTURE(start, stop);
TEST_MATRIX(NMR_MODES);

static struct party client, provider;

static void tie_up(void)
{
    party_init(&client, FALSE, &npi_one);
    party_init(&provider, TRUE, &npi_one);
    EXPECT_STATUS(party_register(&provider), STATUS_SUCCESS);
    EXPECT_STATUS(party_register(&client), STATUS_SUCCESS);
}

static void attach_now(HANDLE handle)
{
    const VOID *dispatch;
    PVOID context;
    NTSTATUS status = NmrClientAttachProvider(handle, &client, NULL, &context, &dispatch);

    uwsk_test_fail(__FILE__, __LINE__, "NmrClientAttachProvider returned 0x%08x", status);
}

TEST(attach_outside_of_the_callback, "K-UNLOAD-02 R-NMR-16")
{
    HANDLE handle;

    tie_up();
    handle = party_tie(&client)->handle;
    EXPECT_BUGCHECK(NMR_INVALID_STATE, attach_now(handle));
    EXPECT_BUGCHECK_PARAMETER(1, NMR_BAD_ATTACH);
    EXPECT_BUGCHECK_PARAMETER(2, handle);
}

TEST(attach_with_a_bad_handle, "K-UNLOAD-02")
{
    EXPECT_BUGCHECK(NMR_INVALID_STATE, attach_now((HANDLE)&client));
    EXPECT_BUGCHECK_PARAMETER(1, NMR_BAD_ATTACH);
    EXPECT_BUGCHECK_PARAMETER(2, &client);
    EXPECT_BUGCHECK_PARAMETER(4, 0);
}

static void attach_again(struct tie *tie)
{
    attach_now(tie->handle);
}

TEST(attach_twice, "K-UNLOAD-02")
{
    party_init(&client, FALSE, &npi_one);
    party_init(&provider, TRUE, &npi_one);
    client.on_attached = attach_again;
    EXPECT_STATUS(party_register(&provider), STATUS_SUCCESS);
    EXPECT_BUGCHECK(NMR_INVALID_STATE, (void)party_register(&client));
    EXPECT_BUGCHECK_PARAMETER(1, NMR_BAD_SECOND_ATTACH);
}

static NTSTATUS NTAPI attach_and_fail(HANDLE handle, PVOID context, PNPI_REGISTRATION_INSTANCE instance)
{
    static struct tie tie;
    const VOID *dispatch;
    PVOID other;

    UNREFERENCED_PARAMETER(instance);
    tie.party = context;
    EXPECT_STATUS(NmrClientAttachProvider(handle, &tie, NULL, &other, &dispatch), STATUS_SUCCESS);
    return STATUS_UNSUCCESSFUL;
}

static NTSTATUS NTAPI accept_any(HANDLE handle, PVOID context, PNPI_REGISTRATION_INSTANCE instance,
                                 PVOID client_context, const VOID *client_dispatch, PVOID *provider_context,
                                 const VOID **provider_dispatch)
{
    UNREFERENCED_PARAMETER(handle);
    UNREFERENCED_PARAMETER(context);
    UNREFERENCED_PARAMETER(instance);
    UNREFERENCED_PARAMETER(client_dispatch);
    *provider_context = client_context;
    *provider_dispatch = NULL;
    return STATUS_SUCCESS;
}

TEST(failure_after_attaching, "K-UNLOAD-02 R-NMR-14")
{
    party_init(&client, FALSE, &npi_one);
    party_init(&provider, TRUE, &npi_one);
    client.client.ClientAttachProvider = attach_and_fail;
    provider.provider.ProviderAttachClient = accept_any;
    EXPECT_STATUS(party_register(&provider), STATUS_SUCCESS);
    EXPECT_BUGCHECK(NMR_INVALID_STATE, (void)party_register(&client));
    EXPECT_BUGCHECK_PARAMETER(1, NMR_BAD_ATTACH_STATUS);
    EXPECT_BUGCHECK_PARAMETER(4, (ULONG)STATUS_UNSUCCESSFUL);
}

/* NmrClientAttachProvider on another thread, still inside when the callback returns. */
static struct test_barrier *inside;

static NTSTATUS NTAPI accept_never(HANDLE handle, PVOID context, PNPI_REGISTRATION_INSTANCE instance,
                                   PVOID client_context, const VOID *client_dispatch, PVOID *provider_context,
                                   const VOID **provider_dispatch)
{
    test_barrier_wait(inside);
    for (;;)
        test_sleep_ms(1000);
    return accept_any(handle, context, instance, client_context, client_dispatch, provider_context,
                      provider_dispatch);
}

static void attach_main(void *handle)
{
    attach_now(handle);
}

static NTSTATUS NTAPI attach_elsewhere(HANDLE handle, PVOID context, PNPI_REGISTRATION_INSTANCE instance)
{
    UNREFERENCED_PARAMETER(context);
    UNREFERENCED_PARAMETER(instance);
    test_thread_start(attach_main, handle);
    test_barrier_wait(inside);
    return STATUS_SUCCESS;
}

TEST(callback_returns_while_attaching, "K-UNLOAD-02 R-NMR-16")
{
    inside = test_barrier_create(2);
    party_init(&client, FALSE, &npi_one);
    party_init(&provider, TRUE, &npi_one);
    client.client.ClientAttachProvider = attach_elsewhere;
    provider.provider.ProviderAttachClient = accept_never;
    EXPECT_STATUS(party_register(&provider), STATUS_SUCCESS);
    EXPECT_BUGCHECK(NMR_INVALID_STATE, (void)party_register(&client));
    EXPECT_BUGCHECK_PARAMETER(1, NMR_BAD_ATTACH_RETURN);
}

static NTSTATUS NTAPI detach_badly(PVOID context)
{
    UNREFERENCED_PARAMETER(context);
    return STATUS_UNSUCCESSFUL;
}

TEST(detach_callback_returns_something_else, "K-UNLOAD-02 R-NMR-26")
{
    party_init(&client, FALSE, &npi_one);
    party_init(&provider, TRUE, &npi_one);
    provider.provider.ProviderDetachClient = detach_badly;
    EXPECT_STATUS(party_register(&provider), STATUS_SUCCESS);
    EXPECT_STATUS(party_register(&client), STATUS_SUCCESS);
    EXPECT_BUGCHECK(NMR_INVALID_STATE, (void)party_deregister(&client));
    EXPECT_BUGCHECK_PARAMETER(1, NMR_BAD_DETACH_STATUS);
    EXPECT_BUGCHECK_PARAMETER(4, (ULONG)STATUS_UNSUCCESSFUL);
}

static NTSTATUS NTAPI complete_and_succeed(PVOID context)
{
    struct tie *tie = context;

    NmrClientDetachProviderComplete(tie->handle);
    return STATUS_SUCCESS;
}

TEST(success_after_completing, "K-UNLOAD-02 R-NMR-27")
{
    party_init(&client, FALSE, &npi_one);
    party_init(&provider, TRUE, &npi_one);
    client.client.ClientDetachProvider = complete_and_succeed;
    EXPECT_STATUS(party_register(&provider), STATUS_SUCCESS);
    EXPECT_STATUS(party_register(&client), STATUS_SUCCESS);
    EXPECT_BUGCHECK(NMR_INVALID_STATE, (void)party_deregister(&client));
    EXPECT_BUGCHECK_PARAMETER(1, NMR_BAD_DETACH_SUCCESS);
}

TEST(completing_nothing, "K-UNLOAD-02")
{
    tie_up();
    EXPECT_BUGCHECK(NMR_INVALID_STATE, NmrClientDetachProviderComplete(client.handle));
    EXPECT_BUGCHECK_PARAMETER(1, NMR_BAD_COMPLETE_HANDLE);
    EXPECT_BUGCHECK_PARAMETER(2, client.handle);
}

TEST(completing_too_early, "K-UNLOAD-02 R-NMR-27")
{
    HANDLE handle;

    tie_up();
    handle = party_tie(&client)->handle;
    EXPECT_BUGCHECK(NMR_INVALID_STATE, NmrProviderDetachClientComplete(handle));
    EXPECT_BUGCHECK_PARAMETER(1, NMR_BAD_COMPLETE);
    EXPECT_BUGCHECK_PARAMETER(2, handle);
}

TEST(completing_twice, "K-UNLOAD-02 R-NMR-27")
{
    struct tie *tie;

    tie_up();
    client.detach = provider.detach = PARTY_PENDING;
    tie = party_tie(&client);
    EXPECT_STATUS(party_deregister(&client), STATUS_PENDING);
    tie_complete(tie);
    EXPECT_BUGCHECK(NMR_INVALID_STATE, NmrClientDetachProviderComplete(tie->handle));
    EXPECT_BUGCHECK_PARAMETER(1, NMR_BAD_COMPLETE);
}

TEST(completing_after_success, "K-UNLOAD-02 R-NMR-27")
{
    struct tie *tie;

    tie_up();
    provider.detach = PARTY_PENDING;
    tie = party_tie(&client);
    EXPECT_STATUS(party_deregister(&client), STATUS_PENDING);
    EXPECT_BUGCHECK(NMR_INVALID_STATE, NmrClientDetachProviderComplete(tie->handle));
    EXPECT_BUGCHECK_PARAMETER(1, NMR_BAD_COMPLETE);
}

TEST(registering_at_dispatch_level, "K-UNLOAD-02 R-NMR-08")
{
    KIRQL irql;

    party_init(&client, FALSE, &npi_one);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    EXPECT_BUGCHECK(NMR_INVALID_STATE, (void)party_register(&client));
    EXPECT_BUGCHECK_PARAMETER(1, NMR_BAD_IRQL);
    EXPECT_BUGCHECK_PARAMETER(4, DISPATCH_LEVEL);
    KeLowerIrql(irql);
}
