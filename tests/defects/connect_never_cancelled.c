/*
 * Bug:  the driver forwards each client to a server that may not answer; at unload it waits for the connect and
 *       does not cancel it.
 * Rule: C-CLOSE-01
 * Cure: at the stop signal the connect is cancelled (or its socket closed), then waited for.
 * Found: unload-hangs
 */
#include "defect.h"

static VOID Serve(PWSK_SOCKET Socket)
{
    static CONST UCHAR Server[4] = {10, 9, 9, 9}; /* nobody has this address: no answer comes */
    SOCKADDR_STORAGE Local, Remote;
    CLIENT_REQUEST Request;
    PWSK_SOCKET Forward;
    PVOID Objects[2] = {&Request.Done, &DefectStopping};

    ClientLoopback(AF_INET, 80, &Remote);
    RtlCopyMemory(&((PSOCKADDR_IN)&Remote)->sin_addr, Server, sizeof(Server));
    RtlZeroMemory(&Local, sizeof(Local));
    Local.ss_family = AF_INET;
    if (NT_SUCCESS(ClientSocket(AF_INET, WSK_FLAG_CONNECTION_SOCKET, NULL, NULL, &Forward))) {
        if (NT_SUCCESS(ClientBind(Forward, &Local)) && NT_SUCCESS(ClientRequestCreate(&Request))) {
            CONNECTION(Forward)->WskConnect(Forward, (PSOCKADDR)&Remote, 0, ClientRequestStart(&Request));
            KeWaitForMultipleObjects(2, Objects, WaitAny, Executive, KernelMode, FALSE, NULL, NULL);
#ifdef FIXED
            IoCancelIrp(Request.Irp);
            ClientRequestWait(&Request);
#else
            while (ClientRequestWait(&Request) != STATUS_SUCCESS) { /* it must answer some day */
                CONNECTION(Forward)->WskConnect(Forward, (PSOCKADDR)&Remote, 0, ClientRequestStart(&Request));
            }
#endif
            ClientRequestFree(&Request);
        }
        ClientClose(Forward);
    }
    ClientClose(Socket);
}

NTSTATUS DefectStart(VOID)
{
    return DefectServe(Serve, 2);
}

VOID DefectStop(VOID)
{
    DefectServeEnd();
}
