/* A module to load: test_module.c asks it for its answer. */
int answer_of_module(void);

int answer_of_module(void)
{
    return 42;
}
