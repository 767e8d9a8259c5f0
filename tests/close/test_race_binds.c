/*
 * test_race_binds.c - two sockets and one address: a bind beside another bind, beside the close of the socket that has
 * the address, and beside the end of the descriptor that decides.  Whatever the order, the table of the page on sharing
 * holds.
 */
#include <ntifs.h>
#include "close_race.h"
#include "close_test.h"

/* Who has an address is not the completion mode's business. */
TEST_FIXTURE(wt_setup, wt_teardown);
#ifdef __SANITIZE_THREAD__
TEST_MATRIX("natural/dispatch natural/dispatch/uring");
#else
TEST_MATRIX("natural/dispatch natural/dispatch/uring natural/dispatch/sim/races");
#endif

struct binds {
    PWSK_SOCKET socket[2];
    struct wt_op op[2], close;
    SOCKADDR_STORAGE wildcard, specific;
    PSECURITY_DESCRIPTOR descriptor;
    NTSTATUS released;
};

static PWSK_SOCKET open_with(ULONG option)
{
    PWSK_SOCKET socket = wt_open(AF_INET, WSK_FLAG_DATAGRAM_SOCKET, NULL, NULL);
    ULONG on = 1;
    struct wt_op op;

    if (option != 0) {
        wt_op_init(&op);
        wt_control(socket, &op, WskSetOption, option, SOL_SOCKET, sizeof on, &on, 0, NULL);
        EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
        wt_op_free(&op);
    }
    return socket;
}

/* Binds the first of the two to all addresses, with a port that nobody has. */
static void bind_first(struct binds *binds)
{
    PWSK_SOCKET socket = binds->socket[0];

    wt_op_init(&binds->op[0]);
    wt_op_init(&binds->op[1]);
    wt_op_init(&binds->close);
    wt_bind(socket, &binds->op[0], wt_any(&binds->wildcard, AF_INET, 0));
    EXPECT_STATUS(wt_wait(&binds->op[0]), STATUS_SUCCESS);
    wt_again(&binds->op[0]);
    wt_returned(&binds->op[0], wt_datagram(socket)->WskGetLocalAddress(socket, (PSOCKADDR)&binds->wildcard,
                                                                       binds->op[0].irp));
    EXPECT_STATUS(wt_wait(&binds->op[0]), STATUS_SUCCESS);
    wt_again(&binds->op[0]);
    wt_loopback(&binds->specific, AF_INET, wt_port(&binds->wildcard));
}

static void step_bind_first(void *context)
{
    struct binds *binds = context;

    wt_bind(binds->socket[0], &binds->op[0], (PSOCKADDR)&binds->specific);
}

static void step_bind_second(void *context)
{
    struct binds *binds = context;

    wt_bind(binds->socket[1], &binds->op[1], (PSOCKADDR)&binds->specific);
}

static void step_close_first(void *context)
{
    struct binds *binds = context;

    wt_close(binds->socket[0], &binds->close);
}

static void binds_end(struct binds *binds)
{
    wt_close_now(binds->socket[1]);
    wt_op_free(&binds->op[0]);
    wt_op_free(&binds->op[1]);
    wt_op_free(&binds->close);
}

/* ---- two binds ---------------------------------------------------------------------------------------- */

static void before_two_binds(void *context)
{
    struct binds *binds = context;

    binds->socket[0] = open_with(0);
    bind_first(binds);
    wt_close_now(binds->socket[0]); /* its port is free */
    binds->socket[0] = open_with(SO_REUSEADDR);
    binds->socket[1] = open_with(SO_EXCLUSIVEADDRUSE);
}

static void after_two_binds(void *context)
{
    struct binds *binds = context;
    NTSTATUS reuse = wt_wait(&binds->op[0]), exclusive = wt_wait(&binds->op[1]);

    if (NT_SUCCESS(reuse)) /* C-SHARE-34 */
        EXPECT_STATUS(exclusive, STATUS_ADDRESS_ALREADY_EXISTS);
    else if (NT_SUCCESS(exclusive)) /* C-SHARE-24 */
        EXPECT_STATUS(reuse, STATUS_ACCESS_DENIED);
    else /* another program was faster */
        EXPECT(!test_mode_has("sim") && reuse == STATUS_ADDRESS_ALREADY_EXISTS && exclusive == reuse);
    step_close_first(binds);
    EXPECT_STATUS(wt_wait(&binds->close), STATUS_SUCCESS);
    binds_end(binds);
}

TEST(race_bind_with_a_bind_of_one_address, "C-SHARE-24 C-SHARE-34", TEST_TIMEOUT(120))
{
    struct binds binds;

    race(before_two_binds, step_bind_first, step_bind_second, after_two_binds, &binds);
}

/* ---- the first closes --------------------------------------------------------------------------------- */

static void before_close(void *context)
{
    struct binds *binds = context;

    binds->socket[0] = open_with(0);
    bind_first(binds);
    binds->socket[1] = open_with(0);
}

static void after_close(void *context)
{
    struct binds *binds = context;
    NTSTATUS status = wt_wait(&binds->op[1]);

    EXPECT(status == STATUS_SUCCESS || status == STATUS_ACCESS_DENIED); /* C-SHARE-41: it has no descriptor */
    EXPECT_STATUS(wt_wait(&binds->close), STATUS_SUCCESS);
    if (status != STATUS_SUCCESS) { /* C-CLOSE-45: the address is free now */
        wt_again(&binds->op[1]);
        step_bind_second(binds);
        EXPECT_STATUS(wt_wait(&binds->op[1]), STATUS_SUCCESS);
    }
    binds_end(binds);
}

TEST(race_bind_with_the_close_of_who_has_the_address, "C-SHARE-41 C-CLOSE-45", TEST_TIMEOUT(120))
{
    struct binds binds;

    race(before_close, step_close_first, step_bind_second, after_close, &binds);
}

/* ---- the descriptor that decides ends ----------------------------------------------------------------- */

static void before_release(void *context)
{
    struct binds *binds = context;
    SECURITY_DESCRIPTOR descriptor;
    PSECURITY_DESCRIPTOR raw = &descriptor;
    struct wt_op op;

    EXPECT_STATUS(RtlCreateSecurityDescriptor(raw, SECURITY_DESCRIPTOR_REVISION), STATUS_SUCCESS);
    EXPECT_STATUS(RtlSetDaclSecurityDescriptor(raw, TRUE, NULL, FALSE), STATUS_SUCCESS); /* for everybody */
    EXPECT_STATUS(wt_npi.Dispatch->WskControlClient(wt_npi.Client, WSK_CACHE_SD, sizeof raw, &raw,
                                                    sizeof binds->descriptor, &binds->descriptor, NULL, NULL),
                  STATUS_SUCCESS);
    wt_op_init(&op);
    wt_returned(&op, wt_npi.Dispatch->WskSocket(wt_npi.Client, AF_INET, SOCK_DGRAM, IPPROTO_UDP,
                                                WSK_FLAG_DATAGRAM_SOCKET, NULL, NULL, NULL, NULL,
                                                binds->descriptor, op.irp));
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    binds->socket[0] = (PWSK_SOCKET)op.information;
    wt_op_free(&op);
    bind_first(binds);
    binds->socket[1] = open_with(0);
}

static void step_release_and_close(void *context)
{
    struct binds *binds = context;

    binds->released = wt_npi.Dispatch->WskControlClient(
        wt_npi.Client, WSK_RELEASE_SD, sizeof binds->descriptor, &binds->descriptor, 0, NULL, NULL, NULL);
    step_close_first(binds);
}

static void after_release(void *context)
{
    struct binds *binds = context;

    EXPECT_STATUS(wt_wait(&binds->op[1]), STATUS_SUCCESS); /* the socket's is there as long as its address */
    EXPECT_STATUS(binds->released, STATUS_SUCCESS);
    EXPECT_STATUS(wt_wait(&binds->close), STATUS_SUCCESS);
    binds_end(binds);
}

/* WSK_RELEASE_SD and the close end the copy between them while the second bind may be asking it. */
TEST(race_bind_with_the_end_of_the_descriptor_that_is_asked, "C-SHARE-39 C-CTLC-20 R-CLOSE-10",
     TEST_TIMEOUT(120))
{
    struct binds binds;

    race(before_release, step_release_and_close, step_bind_second, after_release, &binds);
}
