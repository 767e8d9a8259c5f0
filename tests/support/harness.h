/* harness.h - the harness lives in a shared library, apart from the C run time that kernel-world tests link.
 */
#ifndef UWSK_TEST_HARNESS_H
#define UWSK_TEST_HARNESS_H

int uwsk_test_main(int argc, char **argv);

#endif
