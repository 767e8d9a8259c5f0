/* bcrypt.h - random numbers of cng.sys, and nothing else of it: a driver may link a library of its own. */
#ifndef UWSK_INCLUDE_BCRYPT_H
#define UWSK_INCLUDE_BCRYPT_H
#define __BCRYPT_H__

#include <wdm.h>

UWSK_BEGIN_C

typedef PVOID BCRYPT_HANDLE;
typedef PVOID BCRYPT_ALG_HANDLE;

#define BCRYPT_RNG_ALG_HANDLE            ((BCRYPT_ALG_HANDLE)0x00000081)
#define BCRYPT_RNG_USE_ENTROPY_IN_BUFFER 0x00000001
#define BCRYPT_USE_SYSTEM_PREFERRED_RNG  0x00000002

NTSTATUS NTAPI BCryptGenRandom(_In_opt_ BCRYPT_ALG_HANDLE hAlgorithm, _Out_ PUCHAR pbBuffer,
                               _In_ ULONG cbBuffer, _In_ ULONG dwFlags);

UWSK_END_C

#endif
