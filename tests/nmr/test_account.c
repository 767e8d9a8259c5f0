/*
 * test_account.c - what the account of live objects is told: a registration lives from its begin until its
 * deregistration is complete, and belongs to whoever's code its callbacks are.
 */
#include "nmr_test.h"

#include "nt/observe.h"

static struct {
    volatile LONG born, dead;
    const void *object;
    void *caller;
} seen;

static void born(void *context, int kind, const void *object, uint64_t tag, uint64_t bytes, void *caller)
{
    (void)context, (void)tag, (void)bytes;
    if (kind != OBSERVE_REGISTRATION)
        return;
    seen.object = object;
    seen.caller = caller;
    InterlockedIncrement(&seen.born);
}

static void dead(void *context, int kind, const void *object)
{
    (void)context, (void)object;
    if (kind == OBSERVE_REGISTRATION)
        InterlockedIncrement(&seen.dead);
}

static const struct observe_hooks hooks = {.born = born, .dead = dead};

static void start(void)
{
    observe_install(&hooks);
    nmr_setup();
}

static void stop(void)
{
    nmr_teardown();
    EXPECT_EQ(seen.born, seen.dead);
}

TEST_FIXTURE(start, stop);
TEST_MATRIX(NMR_MODES);

TEST(registrations_are_accounted_for, "R-NMR-33 C-NMR-24")
{
    struct party client, provider;
    struct tie *tie;

    party_init(&provider, TRUE, &npi_one);
    party_init(&client, FALSE, &npi_one);
    EXPECT_STATUS(party_register(&provider), STATUS_SUCCESS);
    EXPECT_STATUS(party_register(&client), STATUS_SUCCESS);
    EXPECT_EQ(seen.born, 2);
    EXPECT(seen.object == client.handle);
    EXPECT(seen.caller == (void *)client.client.ClientDetachProvider);
    client.detach = PARTY_PENDING;
    tie = party_tie(&client);
    EXPECT_STATUS(party_deregister(&client), STATUS_PENDING);
    EXPECT_EQ(seen.dead, 0); /* not over: unloading now would leave it behind */
    tie_complete(tie);
    EXPECT_EQ(seen.dead, 1); /* over, also before anybody has waited */
    party_wait(&client);
    EXPECT_EQ(seen.dead, 1);
    party_leave(&provider);
    EXPECT_EQ(seen.dead, 2);
}
