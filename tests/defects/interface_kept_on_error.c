/*
 * Bug:  when one of the driver's connections fails, it captures the provider interface a second time to try
 *       again, and on the way out releases it once.
 * Rule: C-REG-20
 * Cure: each capture has its release.
 * Found: unload-hangs
 */
#include "defect.h"

static WSK_REGISTRATION Second;

static VOID Serve(PWSK_SOCKET Socket)
{
    PDEFECT_BUFFER Buffer = DefectBuffer();
    ULONG_PTR Bytes = 0;
    WSK_CLIENT_DISPATCH ClientDispatch = {MAKE_WSK_VERSION(1, 0), 0, NULL};
    WSK_CLIENT_NPI Client = {NULL, &ClientDispatch};
    WSK_PROVIDER_NPI Provider;
    NTSTATUS Status = STATUS_INSUFFICIENT_RESOURCES;

    if (Buffer != NULL) {
        Status = DefectReceive(Socket, Buffer, &Bytes);
        DefectBufferFree(Buffer);
    }
    ClientClose(Socket);
    if (NT_SUCCESS(Status) || !NT_SUCCESS(WskRegister(&Client, &Second))) {
        return;
    }
    if (NT_SUCCESS(WskCaptureProviderNPI(&Second, WSK_INFINITE_WAIT, &Provider))) {
#ifdef FIXED
        WskReleaseProviderNPI(&Second);
#endif
    }
    WskDeregister(&Second);
}

NTSTATUS DefectStart(VOID)
{
    return DefectServe(Serve, 1);
}

VOID DefectStop(VOID)
{
    DefectServeEnd();
}
