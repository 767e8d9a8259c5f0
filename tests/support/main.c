#include "harness.h"

int main(int argc, char **argv)
{
    return uwsk_test_main(argc, argv);
}
