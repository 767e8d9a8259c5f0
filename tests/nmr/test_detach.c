/*
 * test_detach.c - parting: who is told when, what is waited for, and what a handle is good for.
 *
 * Strategy: one tie or a few, every kind of answer to the detach callbacks on either side, started by either
 * side; a wait runs on a thread of its own and is looked at between the steps.
 */
#include "nmr_test.h"

#include "nmr/nmr.h"
#include "nt/ex/ex.h"

TEST_FIXTURE(nmr_setup, nmr_teardown);
TEST_MATRIX(NMR_MODES);

static void tie_up(struct party *client, struct party *provider)
{
    party_init(client, FALSE, &npi_one);
    party_init(provider, TRUE, &npi_one);
    EXPECT_STATUS(party_register(provider), STATUS_SUCCESS);
    EXPECT_STATUS(party_register(client), STATUS_SUCCESS);
}

static void expect_over(struct party *client, struct party *provider)
{
    EXPECT_EQ(client->detaches, 1);
    EXPECT_EQ(provider->detaches, 1);
    EXPECT_EQ(client->cleanups, 1);
    EXPECT_EQ(provider->cleanups, 1);
}

TEST(either_side_or_both_begin, "R-NMR-24 R-NMR-32 R-NMR-33 C-NMR-18 C-NMR-22 C-NMR-24 C-DEREG-14")
{
    int who, first, second;

    for (who = 0; who < 4; who++)
        for (first = PARTY_SUCCESS; first <= PARTY_THREAD; first++)
            for (second = PARTY_SUCCESS; second <= PARTY_THREAD; second++) {
                struct party client, provider;
                struct party *one = who & 1 ? &provider : &client, *two = who & 1 ? &client : &provider;

                if (first == PARTY_PENDING || second == PARTY_PENDING)
                    continue;
                tie_up(&client, &provider);
                client.detach = (enum party_detach)first;
                provider.detach = (enum party_detach)second;
                EXPECT_STATUS(party_deregister(one), STATUS_PENDING);
                if (who & 2)
                    EXPECT_STATUS(party_deregister(two), STATUS_PENDING);
                party_wait(one);
                expect_over(&client, &provider);
                if (who & 2)
                    party_wait(two);
                else
                    party_leave(two);
                expect_over(&client, &provider);
            }
}

TEST(waits_for_both_sides, "R-NMR-29 R-NMR-33 R-NMR-36 C-NMR-22 C-NMR-24 C-DEREG-19")
{
    int order, who;

    for (who = 0; who < 2; who++)
        for (order = 0; order < 2; order++) {
            struct party client, provider;
            struct party *leaver = who ? &provider : &client;
            struct tie *first, *last;
            struct call wait;

            tie_up(&client, &provider);
            client.detach = provider.detach = PARTY_PENDING;
            first = party_tie(order ? &provider : &client);
            last = party_tie(order ? &client : &provider);
            EXPECT_STATUS(party_deregister(leaver), STATUS_PENDING);
            EXPECT_EQ(client.detaches, 1); /* both are told, though neither has finished */
            EXPECT_EQ(provider.detaches, 1);
            call_wait(&wait, leaver);
            call_still_waits(&wait);
            tie_complete(first);
            call_still_waits(&wait);
            EXPECT_EQ(read_long(&client.cleanups) + read_long(&provider.cleanups), 0);
            tie_complete(last);
            call_returns(&wait);
            expect_over(&client, &provider);
            party_leave(who ? &client : &provider);
        }
}

TEST(one_side_pends, "R-NMR-29 R-NMR-33 C-NMR-22")
{
    int who;

    for (who = 0; who < 2; who++) {
        struct party client, provider;
        struct tie *tie;
        struct call wait;

        tie_up(&client, &provider);
        (who ? &provider : &client)->detach = PARTY_PENDING;
        tie = party_tie(who ? &provider : &client);
        EXPECT_STATUS(party_deregister(&client), STATUS_PENDING);
        EXPECT_STATUS(party_deregister(&provider), STATUS_PENDING);
        call_wait(&wait, &provider);
        call_still_waits(&wait);
        EXPECT_EQ(read_long(&client.cleanups) + read_long(&provider.cleanups), 0);
        tie_complete(tie);
        expect_over(&client, &provider); /* inside the call, since it came at PASSIVE_LEVEL */
        call_returns(&wait);
        party_wait(&client);
    }
}

static void complete_both(struct tie *tie)
{
    struct tie *client = tie->other;

    tie_complete(tie); /* its own, which has not returned yet */
    tie_complete(client);
    EXPECT_EQ(read_long(&tie->cleaned), 0);
    EXPECT_EQ(read_long(&client->cleaned), 0);
}

TEST(no_cleanup_before_a_detach_callback_has_returned, "R-NMR-29 C-NMR-22 C-DEREG-19")
{
    struct party client, provider;

    tie_up(&client, &provider);
    client.detach = provider.detach = PARTY_PENDING;
    provider.on_detach = complete_both;
    EXPECT_STATUS(party_deregister(&client), STATUS_PENDING);
    party_wait(&client);
    expect_over(&client, &provider);
    party_leave(&provider);
}

TEST(modules_without_cleanup, "R-NMR-29 R-NMR-30", TEST_ONCE)
{
    struct party client, provider;
    struct tie *tie;

    party_init(&client, FALSE, &npi_one);
    party_init(&provider, TRUE, &npi_one);
    client.client.ClientCleanupBindingContext = NULL;
    EXPECT_STATUS(party_register(&client), STATUS_SUCCESS);
    EXPECT_STATUS(party_register(&provider), STATUS_SUCCESS);
    tie = party_tie(&client);
    party_leave(&client);
    EXPECT_EQ(client.cleanups, 0);
    EXPECT_EQ(provider.cleanups, 1);
    ExFreePool(tie);
    provider.provider.ProviderCleanupBindingContext = NULL;
    party_leave(&provider); /* as it was registered: nothing is bound any more */
    client.client.ClientCleanupBindingContext = NULL;
    EXPECT_STATUS(party_register(&provider), STATUS_SUCCESS);
    EXPECT_STATUS(party_register(&client), STATUS_SUCCESS);
    tie = client.ties[1];
    EXPECT(tie != NULL);
    {
        struct tie *other = tie->other;

        party_leave(&provider);
        party_leave(&client);
        ExFreePool(other);
    }
    ExFreePool(tie);
    EXPECT_EQ(provider.cleanups, 1);
}

/* Deregistering and completing may come from DISPATCH_LEVEL; the callbacks check that they do not. */
TEST(from_dispatch_level, "R-NMR-24 R-NMR-29 R-NMR-32 C-NMR-18 C-NMR-22")
{
    struct party client, provider;
    struct tie *mine, *theirs;
    struct call wait;
    KIRQL irql;

    tie_up(&client, &provider);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    EXPECT_STATUS(party_deregister(&client), STATUS_PENDING);
    KeLowerIrql(irql);
    party_wait(&client);
    expect_over(&client, &provider);
    party_leave(&provider);

    tie_up(&client, &provider);
    client.detach = provider.detach = PARTY_PENDING;
    mine = party_tie(&client);
    theirs = party_tie(&provider);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    EXPECT_STATUS(party_deregister(&provider), STATUS_PENDING);
    EXPECT_STATUS(party_deregister(&client), STATUS_PENDING);
    KeLowerIrql(irql);
    EXPECT_SOON(read_long(&provider.detaches) == 1); /* the client was told before */
    EXPECT_EQ(read_long(&client.detaches), 1);
    call_wait(&wait, &client);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    tie_complete(theirs);
    KeLowerIrql(irql);
    call_still_waits(&wait);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    tie_complete(mine);
    KeLowerIrql(irql);
    call_returns(&wait);
    expect_over(&client, &provider);
    party_wait(&provider);
}

TEST(handles_are_checked, "R-NMR-36 R-NMR-09")
{
    struct party client, provider, again;
    HANDLE bad[] = {NULL, (HANDLE)-1, (HANDLE)&bad, (HANDLE)(ULONG_PTR)0xdead0004, NULL, NULL, NULL};
    unsigned i;

    tie_up(&client, &provider);
    bad[4] = provider.handle;            /* of the other kind */
    bad[5] = party_tie(&client)->handle; /* of a binding */
    bad[6] = (HANDLE)((UCHAR *)client.handle + 1);
    EXPECT_STATUS(NmrWaitForClientDeregisterComplete(client.handle), STATUS_INVALID_PARAMETER); /* not yet */
    EXPECT_STATUS(NmrWaitForProviderDeregisterComplete(provider.handle), STATUS_INVALID_PARAMETER);
    for (i = 0; i < RTL_NUMBER_OF(bad); i++) {
        EXPECT_STATUS(NmrWaitForClientDeregisterComplete(bad[i]), STATUS_INVALID_PARAMETER);
        EXPECT_STATUS(NmrDeregisterClient(bad[i]), STATUS_INVALID_PARAMETER);
    }
    EXPECT_STATUS(NmrDeregisterProvider(client.handle), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(NmrWaitForProviderDeregisterComplete(client.handle), STATUS_INVALID_PARAMETER);
    EXPECT_EQ(client.detaches + provider.detaches, 0);
    EXPECT_STATUS(party_deregister(&client), STATUS_PENDING);
    EXPECT_STATUS(party_deregister(&client), STATUS_INVALID_PARAMETER); /* twice */
    party_wait(&client);
    EXPECT_STATUS(NmrWaitForClientDeregisterComplete(client.handle), STATUS_INVALID_PARAMETER); /* gone */
    EXPECT_STATUS(NmrDeregisterClient(client.handle), STATUS_INVALID_PARAMETER);
    party_init(&again, FALSE, &npi_one);
    EXPECT_STATUS(party_register(&again), STATUS_SUCCESS);
    EXPECT(again.handle != client.handle);
    party_leave(&again);
    party_leave(&provider);
}

TEST(several_waiters, "R-NMR-36")
{
    struct party client, provider;
    struct call waits[3];
    struct tie *tie;
    int i;

    tie_up(&client, &provider);
    client.detach = PARTY_PENDING;
    tie = party_tie(&client);
    EXPECT_STATUS(party_deregister(&client), STATUS_PENDING);
    for (i = 0; i < 3; i++)
        call_wait(&waits[i], &client);
    for (i = 0; i < 3; i++) /* before it is over: who asks after the first has returned finds nothing */
        call_still_waits(&waits[i]);
    tie_complete(tie);
    for (i = 0; i < 3; i++)
        call_returns(&waits[i]);
    party_leave(&provider);
}

TEST(leaves_only_its_own_bindings, "C-NMR-17 C-NMR-18 R-NMR-24")
{
    struct party clients[3], provider;
    struct tie *tie;
    struct call wait;
    int i;

    party_init(&provider, TRUE, &npi_one);
    EXPECT_STATUS(party_register(&provider), STATUS_SUCCESS);
    for (i = 0; i < 3; i++) {
        party_init(&clients[i], FALSE, &npi_one);
        EXPECT_STATUS(party_register(&clients[i]), STATUS_SUCCESS);
    }
    clients[2].detach = PARTY_PENDING;
    tie = party_tie(&clients[2]);
    party_leave(&clients[0]);
    EXPECT_EQ(provider.detaches, 1);
    EXPECT_EQ(clients[1].detaches + clients[2].detaches, 0);
    EXPECT_STATUS(party_deregister(&provider), STATUS_PENDING);
    EXPECT_EQ(clients[1].cleanups, 1); /* not held up by the other one */
    call_wait(&wait, &provider);
    call_still_waits(&wait);
    EXPECT_EQ(clients[2].cleanups, 0);
    tie_complete(tie);
    call_returns(&wait);
    EXPECT_EQ(provider.detaches, 3);
    EXPECT_EQ(provider.cleanups, 3);
    party_leave(&clients[1]);
    party_leave(&clients[2]);
}

/* ---- leaving while being attached ------------------------------------------------------------------- */

static void leave_now(struct party *party, HANDLE binding)
{
    struct party *leaver = party->extra;

    UNREFERENCED_PARAMETER(binding);
    EXPECT_STATUS(party_deregister(leaver), STATUS_PENDING);
    EXPECT_EQ(leaver->detaches, 0);
}

TEST(client_leaves_before_it_asks, "C-NMR-24 R-NMR-33")
{
    int who;

    for (who = 0; who < 2; who++) {
        struct party client, provider, second;
        struct party *leaver = who ? &provider : &client;

        party_init(&client, FALSE, &npi_one);
        party_init(&provider, TRUE, &npi_one);
        party_init(&second, TRUE, &npi_one);
        client.on_attach = leave_now;
        client.extra = leaver;
        EXPECT_STATUS(party_register(&provider), STATUS_SUCCESS);
        if (!who)
            EXPECT_STATUS(party_register(&second), STATUS_SUCCESS);
        EXPECT_STATUS(party_register(&client), STATUS_SUCCESS);
        EXPECT_EQ(client.offers, 1); /* the second provider is not offered to a client that leaves */
        EXPECT_STATUS(client.last_status, STATUS_NOINTERFACE);
        EXPECT_EQ(provider.offers + second.offers, 0);
        party_wait(leaver);
        party_leave(who ? &client : &provider);
        if (!who)
            party_leave(&second);
        EXPECT_EQ(client.detaches + client.cleanups + provider.detaches + provider.cleanups, 0);
    }
}

static void leave_when_attached(struct tie *tie)
{
    struct party *leaver = tie->party->extra;

    EXPECT_STATUS(party_deregister(leaver), STATUS_PENDING);
    EXPECT_EQ(tie->detaching, 0); /* not before ClientAttachProvider has returned */
    EXPECT_EQ(tie->other->detaching, 0);
}

TEST(a_side_leaves_inside_the_attach_callback, "R-NMR-24 R-NMR-33 C-NMR-11 C-NMR-18")
{
    int who;

    for (who = 0; who < 4; who++) {
        struct party client, provider;
        struct party *leaver = who & 1 ? &provider : &client;

        party_init(&client, FALSE, &npi_one);
        party_init(&provider, TRUE, &npi_one);
        if (who & 2) { /* while the provider is being asked: it still attaches, then both are told */
            provider.on_attach = leave_now;
            provider.extra = leaver;
        } else {
            client.on_attached = leave_when_attached;
            client.extra = leaver;
        }
        EXPECT_STATUS(party_register(&client), STATUS_SUCCESS);
        EXPECT_STATUS(party_register(&provider), STATUS_SUCCESS);
        EXPECT_STATUS(client.last_status, STATUS_SUCCESS);
        party_wait(leaver);
        expect_over(&client, &provider);
        party_leave(who & 1 ? &client : &provider);
    }
}

static void leave_and_register(struct tie *tie)
{
    struct party *another = tie->party->extra;

    EXPECT_STATUS(party_deregister(tie->other->party), STATUS_PENDING); /* both sides at once */
    EXPECT_STATUS(party_register(another), STATUS_SUCCESS);
}

TEST(detach_callback_deregisters_and_registers, "C-NMR-03 C-NMR-18 C-DEREG-14")
{
    struct party client, provider, another;

    tie_up(&client, &provider);
    party_init(&another, TRUE, &npi_one);
    client.on_detach = leave_and_register;
    client.extra = &another;
    EXPECT_STATUS(party_deregister(&client), STATUS_PENDING);
    party_wait(&client);
    party_wait(&provider);
    expect_over(&client, &provider);
    EXPECT_EQ(another.offers, 0); /* the only client was leaving */
    party_leave(&another);
}
