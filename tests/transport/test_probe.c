/* Whether io_uring is there, and what is said where it is not. */
#include "net.h"
#include "transport/uring/uring.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

TEST(uring_is_there, "")
{
    char reason[200] = "";
    int works = uring_probe(reason, sizeof(reason));
    TEST_NOTE("io_uring: %s", works ? "works" : reason);
    EXPECT_EQ(works, reason[0] == 0);
    struct transport_config config = {.loops = 1};
    int32_t status = transport_uring.attach(&config, &transport);
    EXPECT_STATUS(status, works ? STATUS_SUCCESS : STATUS_NOT_SUPPORTED);
    if (works)
        transport_uring.detach(transport);
}

/* From here on this process gets `error` from that system call, as under a container's default profile. */
static void forbid(unsigned call, unsigned error)
{
    struct sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {.len = sizeof(program) / sizeof(program[0]), .filter = program};
    EXPECT_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    EXPECT_EQ(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter), 0);
}

TEST(refused_with_its_reason, "",
     TEST_MODES("io_uring_setup/EPERM io_uring_setup/ENOSYS io_uring_enter/EPERM io_uring_register/EACCES"))
{
    char reason[200] = "";
    if (!uring_probe(reason, sizeof(reason))) {
        TEST_NOTE("refused already: %s", reason);
        EXPECT(reason[0]);
        return;
    }
    const char *name = test_mode_has("io_uring_setup")   ? "io_uring_setup"
                       : test_mode_has("io_uring_enter") ? "io_uring_enter"
                                                         : "io_uring_register";
    const char *error = test_mode_has("EPERM") ? "EPERM" : test_mode_has("ENOSYS") ? "ENOSYS" : "EACCES";
    forbid(strcmp(name, "io_uring_setup") == 0   ? SYS_io_uring_setup
           : strcmp(name, "io_uring_enter") == 0 ? SYS_io_uring_enter
                                                 : SYS_io_uring_register,
           strcmp(error, "EPERM") == 0    ? EPERM
           : strcmp(error, "ENOSYS") == 0 ? ENOSYS
                                          : EACCES);
    EXPECT_EQ(uring_probe(reason, sizeof(reason)), 0);
    TEST_NOTE("%s", reason);
    EXPECT(strstr(reason, name) && strstr(reason, error) && strstr(reason, "seccomp"));
    EXPECT_EQ(uring_probe(NULL, 0), 0);
    struct transport_config config = {.loops = 1};
    EXPECT_STATUS(transport_uring.attach(&config, &transport), STATUS_NOT_SUPPORTED);
}
