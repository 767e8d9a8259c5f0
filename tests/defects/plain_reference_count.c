/*
 * Bug:  two threads share an object whose references are counted with ++ and --.
 * Rule: C-CLOSE-09
 * Cure: InterlockedIncrement and InterlockedDecrement.
 * Found: unload-hangs
 */
#include "defect.h"

typedef struct _SHARED {
    PWSK_SOCKET Socket;
    volatile LONG References;
    KEVENT Over;
} SHARED, *PSHARED;

static VOID Release(PSHARED Shared)
{
#ifdef FIXED
    if (InterlockedDecrement(&Shared->References) == 0) {
#else
    LONG Left = ReadAcquire(&Shared->References) - 1;

    WriteRelease(&Shared->References, Left);
    if (Left == 0) {
#endif
        KeSetEvent(&Shared->Over, IO_NO_INCREMENT, FALSE);
    }
}

static VOID User(PVOID Context)
{
    PSHARED Shared = (PSHARED)Context;
    PDEFECT_BUFFER Buffer = DefectBuffer();

    if (Buffer != NULL) {
        DefectSend(Shared->Socket, Buffer);
        DefectBufferFree(Buffer);
    }
    Release(Shared);
}

static VOID Serve(PWSK_SOCKET Socket)
{
    SHARED Shared;
    PVOID Threads[2];

    Shared.Socket = Socket;
    Shared.References = 3;
    KeInitializeEvent(&Shared.Over, NotificationEvent, FALSE);
    for (ULONG Index = 0; Index < 2; Index++) {
        Threads[Index] = DefectThread(User, &Shared);
        if (Threads[Index] == NULL) {
            Release(&Shared);
        }
    }
    Release(&Shared);
    KeWaitForSingleObject(&Shared.Over, Executive, KernelMode, FALSE, NULL);
    ClientClose(Socket);
    DefectJoin(Threads[0]);
    DefectJoin(Threads[1]);
}

NTSTATUS DefectStart(VOID)
{
    return DefectServe(Serve, 1);
}

VOID DefectStop(VOID)
{
    DefectServeEnd();
}
