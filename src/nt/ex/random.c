/*
 * random.c - random bytes, through the one call of bcrypt.h that is here.
 */
#include <bcrypt.h>

#include "host/host.h"

/* Fills the buffer with random bytes fit for keys, from the system's generator: hAlgorithm NULL with
 * BCRYPT_USE_SYSTEM_PREFERRED_RNG, or BCRYPT_RNG_ALG_HANDLE.  Other bits of dwFlags are ignored.  STATUS_SUCCESS,
 * STATUS_INVALID_HANDLE, STATUS_INVALID_PARAMETER (no buffer).  IRQL <= DISPATCH_LEVEL.  (bcrypt BCryptGenRandom) */
NTSTATUS NTAPI BCryptGenRandom(BCRYPT_ALG_HANDLE hAlgorithm, PUCHAR pbBuffer, ULONG cbBuffer, ULONG dwFlags)
{
    if (hAlgorithm ? hAlgorithm != BCRYPT_RNG_ALG_HANDLE : !(dwFlags & BCRYPT_USE_SYSTEM_PREFERRED_RNG))
        return STATUS_INVALID_HANDLE;
    if (!pbBuffer && cbBuffer)
        return STATUS_INVALID_PARAMETER;
    host_entropy(pbBuffer, cbBuffer);
    return STATUS_SUCCESS;
}
