/*
 * test_attach.c - who is introduced to whom, with what, and what comes of each answer.
 *
 * Strategy: parties that record their callbacks, registered in every order; then everybody leaves, and the
 * fixture finds nothing left.
 */
#include "nmr_test.h"

#include "host/host.h"
#include "nmr/nmr.h"

TEST_FIXTURE(nmr_setup, nmr_teardown);
TEST_MATRIX(NMR_MODES);

static void expect_tied(struct party *client, struct party *provider)
{
    struct tie *mine = party_tie(client), *theirs = party_tie(provider);

    EXPECT(mine->other == theirs && theirs->other == mine);
    EXPECT(mine->handle == theirs->handle && mine->handle != NULL);
}

TEST(client_finds_the_provider_that_is_there, "R-NMR-09 R-NMR-11 R-NMR-13 R-NMR-17 R-NMR-22 R-NMR-23 "
                                              "C-NMR-02 C-NMR-03 C-NMR-04 C-NMR-05 C-NMR-09 C-NMR-11")
{
    struct party client, provider;

    party_init(&client, FALSE, &npi_one);
    party_init(&provider, TRUE, &npi_one);
    EXPECT_STATUS(party_register(&provider), STATUS_SUCCESS);
    EXPECT(provider.handle != NULL);
    EXPECT_EQ(provider.offers, 0);
    EXPECT_STATUS(party_register(&client), STATUS_SUCCESS);
    EXPECT(client.handle != NULL && client.handle != provider.handle);
    EXPECT_EQ(client.offers, 1); /* before NmrRegisterClient returned */
    EXPECT_EQ(provider.offers, 1);
    expect_tied(&client, &provider);
    /* Each has seen the other's instance itself, so its module id and its own data, too. */
    EXPECT(client.last_offer == &provider.provider.ProviderRegistrationInstance);
    EXPECT(provider.last_offer == &client.client.ClientRegistrationInstance);
    EXPECT(NmrIsEqualNpiModuleId(client.last_offer->ModuleId, &provider.id));
    EXPECT_EQ(*(const int *)provider.last_offer->NpiSpecificCharacteristics, client.specific);
    party_leave(&client);
    party_leave(&provider);
    EXPECT_EQ(client.detaches, 1);
    EXPECT_EQ(provider.detaches, 1);
    EXPECT_EQ(client.cleanups, 1);
    EXPECT_EQ(provider.cleanups, 1);
}

TEST(provider_that_comes_later_is_offered, "R-NMR-11 C-NMR-02 C-NMR-03")
{
    struct party client, first, second;

    party_init(&client, FALSE, &npi_one);
    party_init(&first, TRUE, &npi_one);
    party_init(&second, TRUE, &npi_one);
    EXPECT_STATUS(party_register(&client), STATUS_SUCCESS);
    EXPECT_EQ(client.offers, 0);
    EXPECT_STATUS(party_register(&first), STATUS_SUCCESS);
    EXPECT_EQ(client.offers, 1);
    expect_tied(&client, &first);
    EXPECT_STATUS(party_register(&second), STATUS_SUCCESS);
    EXPECT_EQ(client.offers, 2); /* once for each, not again for the first */
    EXPECT_EQ(first.offers, 1);
    EXPECT_EQ(second.offers, 1);
    party_leave(&first);
    EXPECT_EQ(client.detaches, 1);
    expect_tied(&client, &second);
    EXPECT_STATUS(party_register(&first), STATUS_SUCCESS); /* a new registration, offered anew */
    EXPECT_EQ(client.offers, 3);
    party_leave(&client);
    party_leave(&second);
    party_leave(&first);
}

TEST(only_the_identifier_counts, "C-NMR-01 C-NMR-12 R-NMR-11")
{
    struct party client, other, provider, other_provider;

    party_init(&client, FALSE, &npi_one);
    party_init(&other, FALSE, &npi_two); /* differs in the last byte */
    party_init(&provider, TRUE, &npi_one);
    party_init(&other_provider, TRUE, &npi_two);
    /* Whatever else is alike or different does not matter. */
    provider.id = client.id;
    provider.provider.ProviderRegistrationInstance.Number = 17;
    provider.provider.ProviderRegistrationInstance.NpiSpecificCharacteristics = (const VOID *)8;
    EXPECT_STATUS(party_register(&client), STATUS_SUCCESS);
    EXPECT_STATUS(party_register(&other), STATUS_SUCCESS);
    EXPECT_STATUS(party_register(&provider), STATUS_SUCCESS);
    EXPECT_EQ(client.offers, 1);
    EXPECT_EQ(other.offers, 0);
    EXPECT_STATUS(party_register(&other_provider), STATUS_SUCCESS);
    EXPECT_EQ(client.offers, 1);
    EXPECT_EQ(other.offers, 1);
    expect_tied(&client, &provider);
    expect_tied(&other, &other_provider);
    party_leave(&provider);
    party_leave(&other);
    party_leave(&client);
    party_leave(&other_provider);
}

TEST(every_pair_once, "R-NMR-11 C-NMR-03 C-NMR-17")
{
    enum { COUNT = 5 };
    struct party clients[COUNT], providers[COUNT];
    int i, k, order;

    for (order = 0; order < 3; order++) {
        for (i = 0; i < COUNT; i++) {
            party_init(&clients[i], FALSE, &npi_one);
            party_init(&providers[i], TRUE, &npi_one);
        }
        for (i = 0; i < COUNT; i++) {
            if (order != 1)
                EXPECT_STATUS(party_register(&clients[i]), STATUS_SUCCESS);
            if (order != 0)
                EXPECT_STATUS(party_register(&providers[i]), STATUS_SUCCESS);
        }
        for (i = 0; i < COUNT && order != 2; i++)
            EXPECT_STATUS(party_register(order == 0 ? &providers[i] : &clients[i]), STATUS_SUCCESS);
        for (i = 0; i < COUNT; i++) {
            EXPECT_EQ(clients[i].attaches, COUNT);
            EXPECT_EQ(providers[i].attaches, COUNT);
            for (k = 0; k < COUNT; k++) { /* each with each, and no handle twice */
                int n, found = 0;

                for (n = 0; n < COUNT; n++)
                    found += clients[i].ties[n]->other->party == &providers[k];
                EXPECT_EQ(found, 1);
                for (n = 0; n < k; n++)
                    EXPECT(clients[i].ties[n]->handle != clients[i].ties[k]->handle);
            }
        }
        party_leave(&clients[0]);
        for (i = 1; i < COUNT; i++)
            EXPECT_EQ(clients[i].detaches, 0);
        for (i = 0; i < COUNT; i++)
            EXPECT_EQ(providers[i].detaches, 1);
        for (i = 0; i < COUNT; i++) {
            party_leave(&providers[i]);
            if (i != 0)
                party_leave(&clients[i]);
        }
    }
}

TEST(client_declines, "R-NMR-11 C-NMR-02 C-NMR-24")
{
    struct party client, provider;

    party_init(&client, FALSE, &npi_one);
    party_init(&provider, TRUE, &npi_one);
    client.attach = PARTY_DECLINE;
    EXPECT_STATUS(party_register(&client), STATUS_SUCCESS);
    EXPECT_STATUS(party_register(&provider), STATUS_SUCCESS); /* not the provider's fault */
    EXPECT_EQ(client.offers, 1);
    EXPECT_EQ(provider.offers, 0);
    party_leave(&client); /* nobody is told, nothing is waited for */
    party_leave(&provider);
    EXPECT_EQ(client.detaches + client.cleanups + provider.detaches + provider.cleanups, 0);
}

TEST(provider_declines, "R-NMR-17 R-NMR-22 C-NMR-04 C-NMR-10 C-NMR-11")
{
    struct party client, provider;

    party_init(&client, FALSE, &npi_one);
    party_init(&provider, TRUE, &npi_one);
    provider.attach = PARTY_DECLINE;
    EXPECT_STATUS(party_register(&client), STATUS_SUCCESS);
    EXPECT_STATUS(party_register(&provider), STATUS_SUCCESS);
    EXPECT_STATUS(client.last_status, STATUS_NOINTERFACE);
    party_leave(&provider);
    provider.decline_status = STATUS_DEVICE_BUSY; /* unchanged, whatever it is */
    EXPECT_STATUS(party_register(&provider), STATUS_SUCCESS);
    EXPECT_STATUS(client.last_status, STATUS_DEVICE_BUSY);
    party_leave(&client);
    party_leave(&provider);
    EXPECT_EQ(provider.offers, 2);
    EXPECT_EQ(client.detaches + client.cleanups + provider.detaches + provider.cleanups, 0);
}

static void ask_in_vain(struct party *client, HANDLE binding)
{
    struct party *provider = client->extra;
    const VOID *dispatch = &dispatch;
    PVOID context = &context;

    provider->attach = PARTY_DECLINE;
    EXPECT_STATUS(NmrClientAttachProvider(binding, &context, NULL, &context, &dispatch), STATUS_NOINTERFACE);
    EXPECT(context == &context && dispatch == &dispatch); /* nothing was attached, nothing is stored */
    EXPECT_STATUS(NmrClientAttachProvider(binding, &context, NULL, NULL, &dispatch),
                  STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(NmrClientAttachProvider(binding, &context, NULL, &context, NULL), STATUS_INVALID_PARAMETER);
    provider->attach = PARTY_ACCEPT;
}

TEST(client_asks_again_in_the_same_callback, "C-REG-31 R-NMR-17 C-NMR-10")
{
    struct party client, provider;

    party_init(&client, FALSE, &npi_one);
    party_init(&provider, TRUE, &npi_one);
    client.on_attach = ask_in_vain;
    client.extra = &provider;
    EXPECT_STATUS(party_register(&provider), STATUS_SUCCESS);
    EXPECT_STATUS(party_register(&client), STATUS_SUCCESS);
    EXPECT_EQ(client.offers, 1);
    EXPECT_EQ(provider.offers, 4);
    expect_tied(&client, &provider);
    party_leave(&provider);
    party_leave(&client);
    EXPECT_EQ(provider.cleanups, 1);
}

static NTSTATUS NTAPI attach_without_context(HANDLE binding, PVOID context,
                                             PNPI_REGISTRATION_INSTANCE instance)
{
    static volatile LONG calls;

    EXPECT(context == NULL && binding != NULL && instance != NULL); /* C-REG-26 */
    InterlockedIncrement(&calls);
    return STATUS_NOINTERFACE;
}

static void register_main(void *argument)
{
    struct party *provider = argument, client;
    HANDLE handle;

    party_init(&client, FALSE, &npi_one);
    client.client.ClientAttachProvider = attach_without_context;
    EXPECT_STATUS(NmrRegisterClient(&client.client, NULL, &handle), STATUS_SUCCESS);
    EXPECT_EQ(provider->offers, 0);
    EXPECT_STATUS(NmrDeregisterClient(handle), STATUS_PENDING);
    EXPECT_STATUS(NmrWaitForClientDeregisterComplete(handle), STATUS_SUCCESS);
}

TEST(registers_anywhere_and_without_context, "C-NMR-16 C-REG-26 R-NMR-13")
{
    struct party provider;

    party_init(&provider, TRUE, &npi_one);
    EXPECT_STATUS(party_register(&provider), STATUS_SUCCESS);
    test_thread_join(test_thread_start(register_main, &provider));
    party_leave(&provider);
}

static void register_another(struct party *party, HANDLE binding)
{
    struct party *another = party->extra;

    UNREFERENCED_PARAMETER(binding);
    party->on_attach = NULL; /* once */
    EXPECT_STATUS(party_register(another), STATUS_SUCCESS);
}

TEST(registers_inside_the_attach_callback, "C-NMR-03 C-NMR-16 C-NMR-17")
{
    struct party clients[2], providers[3];
    int i;

    for (i = 0; i < 2; i++)
        party_init(&clients[i], FALSE, &npi_one);
    for (i = 0; i < 3; i++)
        party_init(&providers[i], TRUE, &npi_one);
    clients[0].on_attach = register_another; /* a provider, while the first is being attached */
    clients[0].extra = &providers[1];
    providers[1].on_attach = register_another; /* and a client in there */
    providers[1].extra = &clients[1];
    clients[1].on_attach = register_another; /* and one more provider */
    clients[1].extra = &providers[2];
    EXPECT_STATUS(party_register(&clients[0]), STATUS_SUCCESS);
    EXPECT_STATUS(party_register(&providers[0]), STATUS_SUCCESS);
    for (i = 0; i < 2; i++)
        EXPECT_EQ(clients[i].attaches, 3);
    for (i = 0; i < 3; i++) {
        EXPECT_EQ(providers[i].attaches, 2);
        EXPECT_EQ(providers[i].offers, 2);
        party_leave(&providers[i]);
    }
    for (i = 0; i < 2; i++) {
        EXPECT_EQ(clients[i].offers, 3);
        party_leave(&clients[i]);
    }
}

TEST(one_module_is_client_and_provider, "C-NMR-01 C-NMR-17")
{
    struct party client, provider, above, below;

    /* Provides npi_two on top of npi_one. */
    party_init(&client, FALSE, &npi_one);
    party_init(&provider, TRUE, &npi_two);
    provider.id = client.id;
    party_init(&above, FALSE, &npi_two);
    party_init(&below, TRUE, &npi_one);
    EXPECT_STATUS(party_register(&client), STATUS_SUCCESS);
    EXPECT_STATUS(party_register(&provider), STATUS_SUCCESS);
    EXPECT_EQ(client.offers + provider.offers, 0);
    EXPECT_STATUS(party_register(&above), STATUS_SUCCESS);
    EXPECT_STATUS(party_register(&below), STATUS_SUCCESS);
    expect_tied(&client, &below);
    expect_tied(&above, &provider);
    party_leave(&provider);
    expect_tied(&client, &below); /* the other role stays */
    party_leave(&client);
    party_leave(&above);
    party_leave(&below);
}

TEST(registering_refuses_what_is_wrong, "R-NMR-09")
{
    struct party client, provider;
    HANDLE handle;

    party_init(&client, FALSE, &npi_one);
    party_init(&provider, TRUE, &npi_one);
    EXPECT_STATUS(NmrRegisterClient(NULL, NULL, &handle), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(NmrRegisterClient(&client.client, NULL, NULL), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(NmrRegisterProvider(NULL, NULL, &handle), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(NmrRegisterProvider(&provider.provider, NULL, NULL), STATUS_INVALID_PARAMETER);
    client.client.ClientDetachProvider = NULL;
    EXPECT_STATUS(party_register(&client), STATUS_INVALID_PARAMETER);
    provider.provider.ProviderRegistrationInstance.NpiId = NULL;
    EXPECT_STATUS(party_register(&provider), STATUS_INVALID_PARAMETER);
}

static int fail_from;

static int plan(void *context, int kind)
{
    int *count = context;

    return kind == HOST_FAULT_POOL && ++*count == fail_from;
}

TEST(registering_without_memory, "R-NMR-09")
{
    struct party client, providers[3];
    ULONG modules, bindings;
    int count, i;

    party_init(&client, FALSE, &npi_one);
    for (i = 0; i < 3; i++) {
        party_init(&providers[i], TRUE, &npi_one);
        EXPECT_STATUS(party_register(&providers[i]), STATUS_SUCCESS);
    }
    client.attach = PARTY_DECLINE;                     /* the test's own contexts need pool, too */
    for (fail_from = 1; fail_from <= 4; fail_from++) { /* the module and three bindings */
        count = 0;
        host_set_fault_plan(plan, &count);
        EXPECT_STATUS(party_register(&client), STATUS_INSUFFICIENT_RESOURCES);
        host_set_fault_plan(NULL, NULL);
        EXPECT(client.handle == NULL);
        EXPECT_EQ(client.offers, 0); /* nobody was called */
        nmr_count(&modules, &bindings);
        EXPECT_EQ(modules, 3);
        EXPECT_EQ(bindings, 0);
    }
    EXPECT_STATUS(party_register(&client), STATUS_SUCCESS);
    EXPECT_EQ(client.offers, 3);
    party_leave(&client);
    for (i = 0; i < 3; i++)
        party_leave(&providers[i]);
}
