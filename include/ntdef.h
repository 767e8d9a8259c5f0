/*
 * The basic NT types and macros: integers by their Windows names, counted
 * strings, list links, status severity tests, alignment and linkage words.
 */
#ifndef _NTDEF_
#define _NTDEF_

#include <basetsd.h>
#include <guiddef.h>
#include <sal.h>
#include <sdkddkver.h>

/* Directions, for readers only. */
#ifndef IN
#define IN
#endif
#ifndef OUT
#define OUT
#endif
#ifndef OPTIONAL
#define OPTIONAL
#endif
#ifndef CRITICAL
#define CRITICAL
#endif

#ifndef NULL
#ifdef __cplusplus
#define NULL __null
#else
#define NULL ((void *)0)
#endif
#endif

#ifndef FALSE
#define FALSE 0
#endif
#ifndef TRUE
#define TRUE 1
#endif

#ifndef CONST
#define CONST const
#endif
#ifndef VOID
#define VOID void
#endif

/* Linkage, calling convention, alignment. */
#define NTAPI
#define NTSYSAPI     UWSK_EXPORT
#define NTKERNELAPI  UWSK_EXPORT
#define NTHALAPI     UWSK_EXPORT
#define NTSYSCALLAPI UWSK_EXPORT
#define NTAPI_INLINE NTAPI
#define FASTCALL
#define STDAPICALLTYPE
#define DECLSPEC_IMPORT   __declspec(dllimport)
#define DECLSPEC_EXPORT   __declspec(dllexport)
#define DECLSPEC_NORETURN __declspec(noreturn)
#define DECLSPEC_NOTHROW  __declspec(nothrow)
#define DECLSPEC_NOINLINE __declspec(noinline)
#define DECLSPEC_ALIGN(n) __declspec(align(n))
#define DECLSPEC_NOVTABLE
#define DECLSPEC_UUID(x)
#define DECLSPEC_NOINITALL
#define DECLSPEC_DEPRECATED __declspec(deprecated)
#define DECLSPEC_DEPRECATED_DDK
#define DECLSPEC_DEPRECATED_DDK_WINXP
#define DECLSPEC_DEPRECATED_DDK_WIN2003
#define SYSTEM_CACHE_ALIGNMENT_SIZE 64
#define DECLSPEC_CACHEALIGN         DECLSPEC_ALIGN(SYSTEM_CACHE_ALIGNMENT_SIZE)
#define MEMORY_ALLOCATION_ALIGNMENT 16
#define FORCEINLINE                 __forceinline
#define CFORCEINLINE                FORCEINLINE
#define UNALIGNED                   __unaligned
#define UNALIGNED64                 __unaligned
#define RESTRICTED_POINTER          __restrict
#define POINTER_ALIGNMENT           DECLSPEC_ALIGN(8)
#define PROBE_ALIGNMENT(s)          __alignof__(s)
#define TYPE_ALIGNMENT(t)           __alignof__(t)
#define _KERNEL_CONST               const
#define NOP_FUNCTION                ((void)0)

/* Names for unions and structures that have none where the language lets them have none. */
#define _ANONYMOUS_UNION  __extension__
#define _ANONYMOUS_STRUCT __extension__
#define DUMMYUNIONNAME
#define DUMMYUNIONNAME2
#define DUMMYUNIONNAME3
#define DUMMYUNIONNAME4
#define DUMMYUNIONNAME5
#define DUMMYUNIONNAME6
#define DUMMYUNIONNAME7
#define DUMMYUNIONNAME8
#define DUMMYUNIONNAME9
#define DUMMYSTRUCTNAME
#define DUMMYSTRUCTNAME2
#define DUMMYSTRUCTNAME3
#define DUMMYSTRUCTNAME4
#define DUMMYSTRUCTNAME5
#define DUMMYSTRUCTNAME6

#ifdef __cplusplus
#define EXTERN_C_START extern "C" {
#define EXTERN_C_END   }
#else
#define EXTERN_C_START
#define EXTERN_C_END
#endif

#if defined(__cplusplus)
#define DEFINE_ENUM_FLAG_OPERATORS(type)                                                                     \
    extern "C++" {                                                                                           \
    inline constexpr type operator|(type a, type b)                                                          \
    {                                                                                                        \
        return type(int(a) | int(b));                                                                        \
    }                                                                                                        \
    inline constexpr type operator&(type a, type b)                                                          \
    {                                                                                                        \
        return type(int(a) & int(b));                                                                        \
    }                                                                                                        \
    inline constexpr type operator^(type a, type b)                                                          \
    {                                                                                                        \
        return type(int(a) ^ int(b));                                                                        \
    }                                                                                                        \
    inline constexpr type operator~(type a)                                                                  \
    {                                                                                                        \
        return type(~int(a));                                                                                \
    }                                                                                                        \
    inline type &operator|=(type &a, type b)                                                                 \
    {                                                                                                        \
        return a = a | b;                                                                                    \
    }                                                                                                        \
    inline type &operator&=(type &a, type b)                                                                 \
    {                                                                                                        \
        return a = a & b;                                                                                    \
    }                                                                                                        \
    inline type &operator^=(type &a, type b)                                                                 \
    {                                                                                                        \
        return a = a ^ b;                                                                                    \
    }                                                                                                        \
    }
#else
#define DEFINE_ENUM_FLAG_OPERATORS(type)
#endif

#define ANYSIZE_ARRAY 1

/* Integers. */
typedef void *PVOID;
typedef void *PVOID64;
typedef char CHAR, *PCHAR, *PSZ, *LPSTR, *PSTR, *NPSTR, CCHAR, *PCCHAR;
typedef const char *PCSZ, *PCSTR, *LPCSTR;
typedef short SHORT, *PSHORT, CSHORT, *PCSHORT;
typedef int LONG, *PLONG;
typedef int INT, *PINT;
typedef int BOOL, *PBOOL, *LPBOOL;
typedef unsigned int UINT, *PUINT;
typedef unsigned char UCHAR, *PUCHAR, BYTE, *PBYTE, *LPBYTE;
typedef unsigned short USHORT, *PUSHORT, WORD, *PWORD;
typedef unsigned int ULONG, *PULONG, DWORD, *PDWORD, CLONG, *PCLONG, LOGICAL, *PLOGICAL;
typedef long long LONGLONG, *PLONGLONG;
typedef unsigned long long ULONGLONG, *PULONGLONG, DWORDLONG, *PDWORDLONG;
typedef LONGLONG USN;
typedef UCHAR BOOLEAN, *PBOOLEAN;
typedef UCHAR KIRQL, *PKIRQL;
typedef ULONG LCID, *PLCID;
typedef USHORT LANGID;
typedef UCHAR FCHAR;
typedef USHORT FSHORT;
typedef ULONG FLONG;
typedef double DOUBLE;
typedef float FLOAT;

typedef const UCHAR *PCUCHAR;
typedef const USHORT *PCUSHORT;
typedef const ULONG *PCULONG;
typedef const void *PCVOID, *LPCVOID;
typedef void *LPVOID;

#define MINCHAR      0x80
#define MAXCHAR      0x7f
#define MINSHORT     0x8000
#define MAXSHORT     0x7fff
#define MINLONG      0x80000000
#define MAXLONG      0x7fffffff
#define MAXUCHAR     0xff
#define MAXUSHORT    0xffff
#define MAXULONG     0xffffffff
#define MAXDWORD     0xffffffff
#define MAXLONGLONG  0x7fffffffffffffffLL
#define MAXULONGLONG 0xffffffffffffffffULL

/*
 * Wide characters have 16 bits. In the kernel world that is what wchar_t is;
 * the host world's wchar_t is wider, so there a plain integer takes its place.
 */
#if __SIZEOF_WCHAR_T__ == 2
#ifdef __cplusplus
typedef wchar_t WCHAR;
#else
typedef __WCHAR_TYPE__ WCHAR;
#endif
#else
typedef __UINT16_TYPE__ WCHAR;
#endif
typedef WCHAR *PWCHAR, *LPWCH, *PWCH, *NWPSTR, *LPWSTR, *PWSTR;
typedef const WCHAR *LPCWCH, *PCWCH, *LPCWSTR, *PCWSTR, *LPCUWSTR, *PCUWSTR, *PCNZWCH;
typedef PWSTR *PZPWSTR;
typedef PCWSTR *PCZPWSTR;
typedef const WCHAR *PCZZWSTR;
typedef WCHAR *PZZWSTR;
typedef const char *PCCH, *LPCCH, *PCNZCH;
typedef char *PCH, *LPCH;
typedef UCHAR TBYTE;

#define ANSI_NULL                ((CHAR)0)
#define UNICODE_NULL             ((WCHAR)0)
#define UNICODE_STRING_MAX_BYTES ((USHORT)65534)
#define UNICODE_STRING_MAX_CHARS (32767)

/* Handles. */
typedef void *HANDLE, **PHANDLE;
#define DECLARE_HANDLE(name)                                                                                 \
    struct name##__ {                                                                                        \
        int unused;                                                                                          \
    };                                                                                                       \
    typedef struct name##__ *name

/* Status values and the tests of their severity (K-STR-06, K-STR-07). */
typedef LONG NTSTATUS, *PNTSTATUS;
/* What COM returns: negative is a failure. For sources shared with user mode. */
#ifndef _HRESULT_DEFINED
#define _HRESULT_DEFINED
typedef LONG HRESULT;
#endif
#define NT_SUCCESS(Status)           (((NTSTATUS)(Status)) >= 0)
#define NT_INFORMATION(Status)       ((((ULONG)(Status)) >> 30) == 1)
#define NT_WARNING(Status)           ((((ULONG)(Status)) >> 30) == 2)
#define NT_ERROR(Status)             ((((ULONG)(Status)) >> 30) == 3)
#define NT_FACILITY_MASK             0xfff
#define NT_FACILITY_SHIFT            16
#define NT_FACILITY(Status)          ((((ULONG)(Status)) >> NT_FACILITY_SHIFT) & NT_FACILITY_MASK)
#define APPLICATION_ERROR_MASK       0x20000000
#define ERROR_SEVERITY_SUCCESS       0x00000000
#define ERROR_SEVERITY_INFORMATIONAL 0x40000000
#define ERROR_SEVERITY_WARNING       0x80000000
#define ERROR_SEVERITY_ERROR         0xC0000000

/* 64-bit values in halves. */
typedef union _LARGE_INTEGER {
    __extension__ struct {
        ULONG LowPart;
        LONG HighPart;
    };
    struct {
        ULONG LowPart;
        LONG HighPart;
    } u;
    LONGLONG QuadPart;
} LARGE_INTEGER, *PLARGE_INTEGER;

typedef union _ULARGE_INTEGER {
    __extension__ struct {
        ULONG LowPart;
        ULONG HighPart;
    };
    struct {
        ULONG LowPart;
        ULONG HighPart;
    } u;
    ULONGLONG QuadPart;
} ULARGE_INTEGER, *PULARGE_INTEGER;

typedef LARGE_INTEGER PHYSICAL_ADDRESS, *PPHYSICAL_ADDRESS;

typedef struct _LUID {
    ULONG LowPart;
    LONG HighPart;
} LUID, *PLUID;

typedef GUID *PGUID;

/* Counted strings: Length and MaximumLength count bytes (K-STR-01). */
typedef struct _STRING {
    USHORT Length;
    USHORT MaximumLength;
    PCHAR Buffer;
} STRING, *PSTRING, ANSI_STRING, *PANSI_STRING, OEM_STRING, *POEM_STRING, UTF8_STRING, *PUTF8_STRING;
typedef const STRING *PCSTRING, *PCANSI_STRING, *PCOEM_STRING, *PCUTF8_STRING;

typedef struct _CSTRING {
    USHORT Length;
    USHORT MaximumLength;
    const char *Buffer;
} CSTRING;

typedef struct _UNICODE_STRING {
    USHORT Length;
    USHORT MaximumLength;
    PWCH Buffer;
} UNICODE_STRING, *PUNICODE_STRING;
typedef const UNICODE_STRING *PCUNICODE_STRING;

#ifdef __cplusplus
extern "C++" {
template <typename T, __SIZE_TYPE__ N> constexpr T *uwsk_literal(const T (&text)[N])
{
    return const_cast<T *>(text);
}
}
#define UWSK_LITERAL(s) uwsk_literal(s)
#else
#define UWSK_LITERAL(s) (s)
#endif

/* A counted string over a literal, for initialisers. */
#define RTL_CONSTANT_STRING(s)                                                                               \
    {                                                                                                        \
        sizeof(s) - sizeof((s)[0]), sizeof(s), UWSK_LITERAL(s)                                               \
    }
#define DECLARE_CONST_UNICODE_STRING(name, text)                                                             \
    const WCHAR name##_buffer[] = text;                                                                      \
    const UNICODE_STRING name                                                                                \
        __attribute__((__unused__)) = {sizeof(text) - sizeof(WCHAR), sizeof(text), (PWCH)name##_buffer}
#define DECLARE_GLOBAL_CONST_UNICODE_STRING(name, text)                                                      \
    extern const __declspec(selectany) UNICODE_STRING name = RTL_CONSTANT_STRING(text)
#define DECLARE_UNICODE_STRING_SIZE(name, characters)                                                        \
    WCHAR name##_buffer[characters];                                                                         \
    UNICODE_STRING name = {0, (characters) * sizeof(WCHAR), name##_buffer}

/* List links; the functions on them are in uwsk/wdk/lists.h. */
typedef struct _LIST_ENTRY {
    struct _LIST_ENTRY *Flink;
    struct _LIST_ENTRY *Blink;
} LIST_ENTRY, *PLIST_ENTRY, *RESTRICTED_POINTER PRLIST_ENTRY;

typedef struct _SINGLE_LIST_ENTRY {
    struct _SINGLE_LIST_ENTRY *Next;
} SINGLE_LIST_ENTRY, *PSINGLE_LIST_ENTRY;

typedef struct LIST_ENTRY32 {
    ULONG Flink;
    ULONG Blink;
} LIST_ENTRY32, *PLIST_ENTRY32;

typedef struct LIST_ENTRY64 {
    ULONGLONG Flink;
    ULONGLONG Blink;
} LIST_ENTRY64, *PLIST_ENTRY64;

/* Objects by name. */
typedef struct _OBJECT_ATTRIBUTES {
    ULONG Length;
    HANDLE RootDirectory;
    PUNICODE_STRING ObjectName;
    ULONG Attributes;
    PVOID SecurityDescriptor;
    PVOID SecurityQualityOfService;
} OBJECT_ATTRIBUTES, *POBJECT_ATTRIBUTES;
typedef const OBJECT_ATTRIBUTES *PCOBJECT_ATTRIBUTES;

#define OBJ_INHERIT                       0x00000002
#define OBJ_PERMANENT                     0x00000010
#define OBJ_EXCLUSIVE                     0x00000020
#define OBJ_CASE_INSENSITIVE              0x00000040
#define OBJ_OPENIF                        0x00000080
#define OBJ_OPENLINK                      0x00000100
#define OBJ_KERNEL_HANDLE                 0x00000200
#define OBJ_FORCE_ACCESS_CHECK            0x00000400
#define OBJ_IGNORE_IMPERSONATED_DEVICEMAP 0x00000800
#define OBJ_DONT_REPARSE                  0x00001000
#define OBJ_VALID_ATTRIBUTES              0x00001FF2

#define InitializeObjectAttributes(p, n, a, r, s)                                                            \
    do {                                                                                                     \
        (p)->Length = sizeof(OBJECT_ATTRIBUTES);                                                             \
        (p)->RootDirectory = (r);                                                                            \
        (p)->Attributes = (a);                                                                               \
        (p)->ObjectName = (n);                                                                               \
        (p)->SecurityDescriptor = (s);                                                                       \
        (p)->SecurityQualityOfService = NULL;                                                                \
    } while (0)
#define RTL_CONSTANT_OBJECT_ATTRIBUTES(n, a)                                                                 \
    {                                                                                                        \
        sizeof(OBJECT_ATTRIBUTES), NULL, (PUNICODE_STRING)(n), (a), NULL, NULL                               \
    }
#define RTL_INIT_OBJECT_ATTRIBUTES(n, a) RTL_CONSTANT_OBJECT_ATTRIBUTES(n, a)

typedef enum _EVENT_TYPE { NotificationEvent, SynchronizationEvent } EVENT_TYPE;
typedef enum _TIMER_TYPE { NotificationTimer, SynchronizationTimer } TIMER_TYPE;
typedef enum _WAIT_TYPE { WaitAll, WaitAny, WaitNotification, WaitDequeue, WaitDpc } WAIT_TYPE;

typedef struct _PROCESSOR_NUMBER {
    USHORT Group;
    UCHAR Number;
    UCHAR Reserved;
} PROCESSOR_NUMBER, *PPROCESSOR_NUMBER;

typedef struct _GROUP_AFFINITY {
    KAFFINITY Mask;
    USHORT Group;
    USHORT Reserved[3];
} GROUP_AFFINITY, *PGROUP_AFFINITY;
#define ALL_PROCESSOR_GROUPS    0xffff
#define INVALID_PROCESSOR_INDEX 0xFFFFFFFF

/* Structures and arrays. */
#undef FIELD_OFFSET
#define FIELD_OFFSET(type, field) ((LONG) __builtin_offsetof(type, field))
#undef UFIELD_OFFSET
#define UFIELD_OFFSET(type, field) ((ULONG) __builtin_offsetof(type, field))
#undef CONTAINING_RECORD
#define CONTAINING_RECORD(address, type, field)                                                              \
    ((type *)((PCHAR)(address) - (ULONG_PTR) __builtin_offsetof(type, field)))
#define RTL_FIELD_SIZE(type, field)           (sizeof(((type *)0)->field))
#define FIELD_SIZE(type, field)               RTL_FIELD_SIZE(type, field)
#define RTL_FIELD_TYPE(type, field)           (((type *)0)->field)
#define RTL_SIZEOF_THROUGH_FIELD(type, field) (__builtin_offsetof(type, field) + RTL_FIELD_SIZE(type, field))
#define RTL_CONTAINS_FIELD(record, size, field)                                                              \
    ((((PCHAR)(&(record)->field)) + sizeof((record)->field)) <= (((PCHAR)(record)) + (size)))
#define RTL_NUMBER_OF_V1(a)              (sizeof(a) / sizeof((a)[0]))
#define RTL_NUMBER_OF_V2(a)              RTL_NUMBER_OF_V1(a)
#define RTL_NUMBER_OF(a)                 RTL_NUMBER_OF_V1(a)
#define ARRAYSIZE(a)                     RTL_NUMBER_OF_V2(a)
#define _ARRAYSIZE(a)                    RTL_NUMBER_OF_V1(a)
#define RTL_NUMBER_OF_FIELD(type, field) (RTL_NUMBER_OF(RTL_FIELD_TYPE(type, field)))
#define RTL_BITS_OF(x)                   (sizeof(x) * 8)
#define RTL_BITS_OF_FIELD(type, field)   (RTL_BITS_OF(RTL_FIELD_TYPE(type, field)))

#ifndef __cplusplus
#include "uwsk/wdk/minmax.h"
#endif

#define ALIGN_DOWN_BY(length, alignment)    ((ULONG_PTR)(length) & ~((ULONG_PTR)(alignment)-1))
#define ALIGN_UP_BY(length, alignment)      (ALIGN_DOWN_BY(((ULONG_PTR)(length) + (alignment)-1), alignment))
#define ALIGN_DOWN(length, type)            ALIGN_DOWN_BY(length, sizeof(type))
#define ALIGN_UP(length, type)              ALIGN_UP_BY(length, sizeof(type))
#define ALIGN_DOWN_POINTER_BY(p, alignment) ((PVOID)ALIGN_DOWN_BY(p, alignment))
#define ALIGN_UP_POINTER_BY(p, alignment)   ((PVOID)ALIGN_UP_BY(p, alignment))
#define ALIGN_DOWN_POINTER(p, type)         ALIGN_DOWN_POINTER_BY(p, sizeof(type))
#define ALIGN_UP_POINTER(p, type)           ALIGN_UP_POINTER_BY(p, sizeof(type))

#define MAKEWORD(low, high) ((USHORT)(((UCHAR)(low)) | ((USHORT)((UCHAR)(high))) << 8))
#define MAKELONG(low, high) ((LONG)(((USHORT)(low)) | ((ULONG)((USHORT)(high))) << 16))
#define LOWORD(l)           ((USHORT)((ULONG_PTR)(l)&0xffff))
#define HIWORD(l)           ((USHORT)(((ULONG_PTR)(l) >> 16) & 0xffff))
#define LOBYTE(w)           ((UCHAR)((ULONG_PTR)(w)&0xff))
#define HIBYTE(w)           ((UCHAR)(((ULONG_PTR)(w) >> 8) & 0xff))

#define C_ASSERT(e)                        typedef char __C_ASSERT__[(e) ? 1 : -1] __attribute__((__unused__))
#define UNREFERENCED_PARAMETER(p)          ((void)(p))
#define UNREFERENCED_LOCAL_VARIABLE(v)     ((void)(v))
#define DBG_UNREFERENCED_PARAMETER(p)      ((void)(p))
#define DBG_UNREFERENCED_LOCAL_VARIABLE(v) ((void)(v))
#define DEFAULT_UNREACHABLE                                                                                  \
    default:                                                                                                 \
        __builtin_unreachable()

#define Int32x32To64(a, b)   ((LONGLONG)(LONG)(a) * (LONGLONG)(LONG)(b))
#define UInt32x32To64(a, b)  ((ULONGLONG)(ULONG)(a) * (ULONGLONG)(ULONG)(b))
#define Int64ShllMod32(v, n) ((ULONGLONG)(v) << ((n)&31))
#define Int64ShraMod32(v, n) ((LONGLONG)(v) >> ((n)&31))
#define Int64ShrlMod32(v, n) ((ULONGLONG)(v) >> ((n)&31))

#endif
