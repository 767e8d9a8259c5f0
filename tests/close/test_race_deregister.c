/*
 * test_race_deregister.c - WskDeregister against the last who leaves (C-DEREG-05, 06, 09): it waits for him, and for
 * nothing that he does after; what it ends is ended once.
 */
#include "close_race.h"
#include "close_test.h"

WT_RACE_FIXTURE;

static const WSK_CLIENT_DISPATCH table = {.Version = MAKE_WSK_VERSION(1, 0)};

struct leaver {
    WSK_REGISTRATION registration, next;
    WSK_PROVIDER_NPI npi;
    PWSK_SOCKET socket;
    struct wt_op op;
};

static void leaver_begin(struct leaver *leaver)
{
    WSK_CLIENT_NPI npi = {NULL, &table};

    EXPECT_STATUS(WskRegister(&npi, &leaver->registration), STATUS_SUCCESS);
    EXPECT_STATUS(WskCaptureProviderNPI(&leaver->registration, WSK_NO_WAIT, &leaver->npi), STATUS_SUCCESS);
    wt_op_init(&leaver->op);
}

/* ---- the last close ----------------------------------------------------------------------------------- */

static void before_the_last_close(void *context)
{
    struct leaver *leaver = context;

    leaver_begin(leaver);
    wt_returned(&leaver->op, leaver->npi.Dispatch->WskSocket(leaver->npi.Client, AF_INET, SOCK_STREAM,
                                                             IPPROTO_TCP, WSK_FLAG_CONNECTION_SOCKET, NULL,
                                                             NULL, NULL, NULL, NULL, leaver->op.irp));
    EXPECT_STATUS(wt_wait(&leaver->op), STATUS_SUCCESS);
    leaver->socket = (PWSK_SOCKET)leaver->op.information;
    WskReleaseProviderNPI(&leaver->registration);
    wt_again(&leaver->op);
}

static void step_last_close(void *context)
{
    struct leaver *leaver = context;

    wt_close(leaver->socket, &leaver->op);
}

/* The next client may get the memory of the one that has left: nobody may still be busy with it. */
static void step_deregister(void *context)
{
    struct leaver *leaver = context;
    WSK_CLIENT_NPI npi = {NULL, &table};

    WskDeregister(&leaver->registration);
    EXPECT_STATUS(WskRegister(&npi, &leaver->next), STATUS_SUCCESS);
}

static void after_the_last_close(void *context)
{
    struct leaver *leaver = context;

    EXPECT_STATUS(wt_wait(&leaver->op), STATUS_SUCCESS);
    WskDeregister(&leaver->next);
    wt_op_free(&leaver->op);
}

TEST(race_deregister_with_the_last_close, "C-DEREG-04 C-DEREG-09 C-CLOSE-03", TEST_TIMEOUT(120))
{
    struct leaver leaver;

    race(before_the_last_close, step_last_close, step_deregister, after_the_last_close, &leaver);
}

/* ---- the last IRP ------------------------------------------------------------------------------------- */

static void before_the_last_change(void *context)
{
    struct leaver *leaver = context;

    leaver_begin(leaver);
    wt_returned(&leaver->op,
                leaver->npi.Dispatch->WskControlClient(leaver->npi.Client, WSK_TRANSPORT_LIST_CHANGE, 0, NULL,
                                                       0, NULL, NULL, leaver->op.irp));
    WskReleaseProviderNPI(&leaver->registration);
}

static void step_cancel_change(void *context)
{
    IoCancelIrp(((struct leaver *)context)->op.irp);
}

static void after_the_last_change(void *context)
{
    struct leaver *leaver = context;

    EXPECT_STATUS(wt_wait(&leaver->op), STATUS_CANCELLED);
    WskDeregister(&leaver->next);
    wt_op_free(&leaver->op);
}

TEST(race_deregister_with_io_cancel_irp, "C-DEREG-05 C-DEREG-06 K-CANCEL-03 K-CANCEL-06", TEST_TIMEOUT(120))
{
    struct leaver leaver;

    race(before_the_last_change, step_cancel_change, step_deregister, after_the_last_change, &leaver);
}

/* ---- a wait that begins while the client leaves ------------------------------------------------------- */

static void before_a_late_change(void *context)
{
    struct leaver *leaver = context;

    leaver_begin(leaver);
}

static void step_change(void *context)
{
    struct leaver *leaver = context;

    wt_returned(&leaver->op,
                leaver->npi.Dispatch->WskControlClient(leaver->npi.Client, WSK_TRANSPORT_LIST_CHANGE, 0, NULL,
                                                       0, NULL, NULL, leaver->op.irp));
    WskReleaseProviderNPI(&leaver->registration);
}

TEST(race_deregister_with_a_wait_for_a_change, "C-DEREG-05 C-DEREG-06", TEST_TIMEOUT(120))
{
    struct leaver leaver;

    race(before_a_late_change, step_change, step_deregister, after_the_last_change, &leaver);
}

/* One whose IRP was cancelled before the call waits for nothing. */
TEST(a_wait_for_a_change_that_was_cancelled_before, "K-CANCEL-08 C-CTLC-05")
{
    struct wt_op op;

    wt_op_init(&op);
    EXPECT(!IoCancelIrp(op.irp));
    wt_returned(&op, wt_npi.Dispatch->WskControlClient(wt_npi.Client, WSK_TRANSPORT_LIST_CHANGE, 0, NULL, 0,
                                                       NULL, NULL, op.irp));
    EXPECT_STATUS(wt_wait(&op), STATUS_CANCELLED);
    wt_op_free(&op);
}
