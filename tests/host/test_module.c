/*
 * Modules: loaded by path, private symbols, one clear reason when it cannot be.
 */
#include "host/host.h"
#include "uwsk_test.h"

#include <string.h>

TEST(module_is_loaded_and_unloaded, "")
{
    char error[256] = "";

    for (int i = 0; i < 3; i++) {
        void *module = host_module_load(TEST_MODULE, error, sizeof error);

        if (!module)
            uwsk_test_fail(__FILE__, __LINE__, "not loaded: %s", error);
        int (*answer)(void) = (int (*)(void))host_module_symbol(module, "answer_of_module");

        EXPECT(answer != NULL);
        EXPECT_EQ(answer(), 42);
        EXPECT(host_module_symbol(module, "no_such_symbol") == NULL);
        EXPECT(host_module_symbol(NULL, "answer_of_module") == NULL); /* RTLD_LOCAL */

        char text[256];

        host_symbolize((void *)answer, text, sizeof text);
        text[strlen("answer_of_module+0x0 (module_for_test.c:")] = 0; /* compilers differ on the line */
        EXPECT_STR(text, "answer_of_module+0x0 (module_for_test.c:");
        host_module_unload(module);
    }
}

TEST(a_module_that_is_not_there_has_a_reason, "")
{
    char error[256] = "";

    EXPECT(host_module_load("/nowhere/driver.so", error, sizeof error) == NULL);
    EXPECT(strstr(error, "/nowhere/driver.so") != NULL);
    EXPECT(host_module_load("libc.so.6", error, sizeof error) == NULL); /* a file here, not the system's */
    EXPECT(strstr(error, "libc.so.6") != NULL);
    EXPECT(host_module_load("/nowhere", NULL, 0) == NULL);
}
