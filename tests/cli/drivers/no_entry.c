/* no_entry.c - a shared object that is no driver. */
int no_entry(void);

__attribute__((visibility("default"))) int no_entry(void)
{
    return 0;
}
