/*
 * names.c: a driver with global functions that libc has, too (T-01). Had the runtime's calls come here,
 * nothing of it would work.
 */
#include "check.h"

static volatile LONG hijacked;

#define TRAP(name)                                                                                           \
    int name(void);                                                                                          \
    int name(void)                                                                                           \
    {                                                                                                        \
        InterlockedIncrement(&hijacked);                                                                     \
        return -1;                                                                                           \
    }

TRAP(connect)
TRAP(send)
TRAP(recv)
TRAP(bind)
TRAP(listen)
TRAP(getaddrinfo)
TRAP(epoll_wait)
TRAP(pthread_create)
TRAP(write)
TRAP(mmap)

static VOID unload(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    if (hijacked)
        KeBugCheckEx(0xDEAD, (ULONG_PTR)hijacked, 0, 0, 0);
}

NTSTATUS DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING registry_path)
{
    PVOID memory;

    UNREFERENCED_PARAMETER(registry_path);
    driver->DriverUnload = unload;
    memory = ExAllocatePool2(POOL_FLAG_NON_PAGED, 1 << 20, 'eman');
    CHECK(memory != NULL);
    if (memory)
        ExFreePoolWithTag(memory, 'eman');
    DbgPrint("names of our own\n");
    CHECK(connect() == -1 && hijacked == 1);
    hijacked = 0;
    return CHECK_RESULT();
}
