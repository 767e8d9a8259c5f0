/*
 * ntintsafe.h - integer arithmetic and conversions that notice overflow.
 *
 *   RtlULongAdd(a, b, &result)      Add, Sub and Mult of every type
 *   RtlSizeTToULong(value, &result) conversion from every type to every type
 *
 * STATUS_SUCCESS, or STATUS_INTEGER_OVERFLOW with the type's error value in *result: all bits set, 0 for
 * CHAR. IRQL: any.
 */
#ifndef _NTINTSAFE_H_INCLUDED_
#define _NTINTSAFE_H_INCLUDED_

#include <ntdef.h>
#include <ntstatus.h>

#define INT8_ERROR      (-1)
#define UINT8_ERROR     0xff
#define BYTE_ERROR      0xff
#define UCHAR_ERROR     0xff
#define CHAR_ERROR      '\0'
#define SHORT_ERROR     (-1)
#define INT16_ERROR     (-1)
#define USHORT_ERROR    0xffff
#define UINT16_ERROR    0xffff
#define WORD_ERROR      0xffff
#define INT_ERROR       (-1)
#define INT32_ERROR     (-1)
#define UINT_ERROR      0xffffffffu
#define UINT32_ERROR    0xffffffffu
#define LONG_ERROR      (-1)
#define LONG32_ERROR    (-1)
#define ULONG_ERROR     0xffffffffu
#define ULONG32_ERROR   0xffffffffu
#define DWORD_ERROR     0xffffffffu
#define LONGLONG_ERROR  (-1ll)
#define LONG64_ERROR    (-1ll)
#define INT64_ERROR     (-1ll)
#define ULONGLONG_ERROR 0xffffffffffffffffull
#define DWORDLONG_ERROR 0xffffffffffffffffull
#define ULONG64_ERROR   0xffffffffffffffffull
#define DWORD64_ERROR   0xffffffffffffffffull
#define UINT64_ERROR    0xffffffffffffffffull
#define INT_PTR_ERROR   (-1ll)
#define LONG_PTR_ERROR  (-1ll)
#define PTRDIFF_T_ERROR (-1ll)
#define SSIZE_T_ERROR   (-1ll)
#define UINT_PTR_ERROR  0xffffffffffffffffull
#define ULONG_PTR_ERROR 0xffffffffffffffffull
#define DWORD_PTR_ERROR 0xffffffffffffffffull
#define SIZE_T_ERROR    0xffffffffffffffffull

#ifndef INT8_MIN
#define INT8_MIN   (-127 - 1)
#define INT8_MAX   127
#define UINT8_MAX  0xff
#define INT16_MIN  (-32767 - 1)
#define INT16_MAX  32767
#define UINT16_MAX 0xffff
#define INT32_MIN  (-2147483647 - 1)
#define INT32_MAX  2147483647
#define UINT32_MAX 0xffffffffu
#define INT64_MIN  (-9223372036854775807ll - 1)
#define INT64_MAX  9223372036854775807ll
#define UINT64_MAX 0xffffffffffffffffull
#endif
#define BYTE_MIN      0
#define BYTE_MAX      0xff
#define SHORT_MIN     (-32768)
#define SHORT_MAX     32767
#define USHORT_MIN    0
#define USHORT_MAX    0xffff
#define WORD_MIN      0
#define WORD_MAX      0xffff
#define DWORD_MIN     0
#define DWORD_MAX     0xffffffffu
#define LONGLONG_MIN  (-9223372036854775807ll - 1)
#define LONGLONG_MAX  9223372036854775807ll
#define ULONGLONG_MIN 0
#define ULONGLONG_MAX 0xffffffffffffffffull
#define DWORDLONG_MIN 0
#define DWORDLONG_MAX 0xffffffffffffffffull
#define LONG_PTR_MIN  (-9223372036854775807ll - 1)
#define LONG_PTR_MAX  9223372036854775807ll
#define ULONG_PTR_MIN 0
#define ULONG_PTR_MAX 0xffffffffffffffffull
#define SIZE_T_MIN    0
#define SIZE_T_MAX    0xffffffffffffffffull
#define SSIZE_T_MIN   (-9223372036854775807ll - 1)
#define SSIZE_T_MAX   9223372036854775807ll
#ifndef INT_MIN
#define INT_MIN  (-2147483647 - 1)
#define INT_MAX  2147483647
#define UINT_MAX 0xffffffffu
#endif
#ifndef LONG_MIN
#define LONG_MIN  (-2147483647 - 1)
#define LONG_MAX  2147483647
#define ULONG_MAX 0xffffffffu
#endif

/* Name in the functions, type, and what a failed call stores. */
#define UWSK_INTSAFE_TYPES(X)                                                                                \
    X(Int8, INT8, -1)                                                                                        \
    X(UInt8, UINT8, 0xff)                                                                                    \
    X(Char, CHAR, 0)                                                                                         \
    X(UChar, UCHAR, 0xff)                                                                                    \
    X(Byte, UCHAR, 0xff)                                                                                     \
    X(Short, SHORT, -1)                                                                                      \
    X(UShort, USHORT, 0xffff)                                                                                \
    X(Int16, INT16, -1)                                                                                      \
    X(UInt16, UINT16, 0xffff)                                                                                \
    X(Word, USHORT, 0xffff)                                                                                  \
    X(Int, INT, -1)                                                                                          \
    X(UInt, UINT, 0xffffffffu)                                                                               \
    X(Int32, INT32, -1)                                                                                      \
    X(UInt32, UINT32, 0xffffffffu)                                                                           \
    X(Long, LONG, -1)                                                                                        \
    X(ULong, ULONG, 0xffffffffu)                                                                             \
    X(DWord, ULONG, 0xffffffffu)                                                                             \
    X(LongLong, LONGLONG, -1)                                                                                \
    X(ULongLong, ULONGLONG, ~0ull)                                                                           \
    X(Int64, INT64, -1)                                                                                      \
    X(UInt64, UINT64, ~0ull)                                                                                 \
    X(Long64, LONG64, -1)                                                                                    \
    X(ULong64, ULONG64, ~0ull)                                                                               \
    X(DWord64, ULONG64, ~0ull)                                                                               \
    X(DWordLong, ULONGLONG, ~0ull)                                                                           \
    X(IntPtr, INT_PTR, -1)                                                                                   \
    X(UIntPtr, UINT_PTR, ~0ul)                                                                               \
    X(LongPtr, LONG_PTR, -1)                                                                                 \
    X(ULongPtr, ULONG_PTR, ~0ul)                                                                             \
    X(DWordPtr, ULONG_PTR, ~0ul)                                                                             \
    X(PtrdiffT, __PTRDIFF_TYPE__, -1)                                                                        \
    X(SizeT, __SIZE_TYPE__, ~0ul)                                                                            \
    X(SIZET, SIZE_T, ~0ul)                                                                                   \
    X(SSIZET, SSIZE_T, -1)

/* The same list once more: a macro cannot expand inside itself. */
#define UWSK_INTSAFE_TO_TYPES(X, from_name, from_type)                                                       \
    X(from_name, from_type, Int8, INT8, -1)                                                                  \
    X(from_name, from_type, UInt8, UINT8, 0xff)                                                              \
    X(from_name, from_type, Char, CHAR, 0)                                                                   \
    X(from_name, from_type, UChar, UCHAR, 0xff)                                                              \
    X(from_name, from_type, Byte, UCHAR, 0xff)                                                               \
    X(from_name, from_type, Short, SHORT, -1)                                                                \
    X(from_name, from_type, UShort, USHORT, 0xffff)                                                          \
    X(from_name, from_type, Int16, INT16, -1)                                                                \
    X(from_name, from_type, UInt16, UINT16, 0xffff)                                                          \
    X(from_name, from_type, Word, USHORT, 0xffff)                                                            \
    X(from_name, from_type, Int, INT, -1)                                                                    \
    X(from_name, from_type, UInt, UINT, 0xffffffffu)                                                         \
    X(from_name, from_type, Int32, INT32, -1)                                                                \
    X(from_name, from_type, UInt32, UINT32, 0xffffffffu)                                                     \
    X(from_name, from_type, Long, LONG, -1)                                                                  \
    X(from_name, from_type, ULong, ULONG, 0xffffffffu)                                                       \
    X(from_name, from_type, DWord, ULONG, 0xffffffffu)                                                       \
    X(from_name, from_type, LongLong, LONGLONG, -1)                                                          \
    X(from_name, from_type, ULongLong, ULONGLONG, ~0ull)                                                     \
    X(from_name, from_type, Int64, INT64, -1)                                                                \
    X(from_name, from_type, UInt64, UINT64, ~0ull)                                                           \
    X(from_name, from_type, Long64, LONG64, -1)                                                              \
    X(from_name, from_type, ULong64, ULONG64, ~0ull)                                                         \
    X(from_name, from_type, DWord64, ULONG64, ~0ull)                                                         \
    X(from_name, from_type, DWordLong, ULONGLONG, ~0ull)                                                     \
    X(from_name, from_type, IntPtr, INT_PTR, -1)                                                             \
    X(from_name, from_type, UIntPtr, UINT_PTR, ~0ul)                                                         \
    X(from_name, from_type, LongPtr, LONG_PTR, -1)                                                           \
    X(from_name, from_type, ULongPtr, ULONG_PTR, ~0ul)                                                       \
    X(from_name, from_type, DWordPtr, ULONG_PTR, ~0ul)                                                       \
    X(from_name, from_type, PtrdiffT, __PTRDIFF_TYPE__, -1)                                                  \
    X(from_name, from_type, SizeT, __SIZE_TYPE__, ~0ul)                                                      \
    X(from_name, from_type, SIZET, SIZE_T, ~0ul)                                                             \
    X(from_name, from_type, SSIZET, SSIZE_T, -1)

UWSK_BEGIN_C
#define UWSK_INTSAFE_OPERATION(name, type, error, builtin)                                                   \
    UWSK_INLINE NTSTATUS name(type left, type right, type *result)                                           \
    {                                                                                                        \
        if (!builtin(left, right, result))                                                                   \
            return STATUS_SUCCESS;                                                                           \
        *result = (type)(error);                                                                             \
        return STATUS_INTEGER_OVERFLOW;                                                                      \
    }
#define UWSK_INTSAFE_ARITHMETIC(name, type, error)                                                           \
    UWSK_INTSAFE_OPERATION(Rtl##name##Add, type, error, __builtin_add_overflow)                              \
    UWSK_INTSAFE_OPERATION(Rtl##name##Sub, type, error, __builtin_sub_overflow)                              \
    UWSK_INTSAFE_OPERATION(Rtl##name##Mult, type, error, __builtin_mul_overflow)
#define UWSK_INTSAFE_CONVERSION(from_name, from_type, name, type, error)                                     \
    UWSK_INLINE NTSTATUS Rtl##from_name##To##name(from_type value, type *result)                             \
    {                                                                                                        \
        if (!__builtin_add_overflow(value, (from_type)0, result))                                            \
            return STATUS_SUCCESS;                                                                           \
        *result = (type)(error);                                                                             \
        return STATUS_INTEGER_OVERFLOW;                                                                      \
    }
#define UWSK_INTSAFE_CONVERSIONS(name, type, error) UWSK_INTSAFE_TO_TYPES(UWSK_INTSAFE_CONVERSION, name, type)

UWSK_INTSAFE_TYPES(UWSK_INTSAFE_ARITHMETIC)
UWSK_INTSAFE_TYPES(UWSK_INTSAFE_CONVERSIONS)

#undef UWSK_INTSAFE_OPERATION
#undef UWSK_INTSAFE_ARITHMETIC
#undef UWSK_INTSAFE_CONVERSION
#undef UWSK_INTSAFE_CONVERSIONS
#undef UWSK_INTSAFE_TYPES
#undef UWSK_INTSAFE_TO_TYPES
UWSK_END_C

#endif
