/*
 * What the Microsoft compiler knows by itself and gcc or clang must be told:
 * keywords, calling conventions, __declspec and a handful of intrinsics that
 * drivers use without including anything. Every WDK header includes this file
 * first. It includes nothing, so that drivers stay free to define libc names.
 *
 * In the kernel world (drivers, libuwsk above host) the file is read with
 * -D_KERNEL_MODE; in the host world only the parts that cannot disturb libc
 * headers are active.
 */
#ifndef UWSK_WDK_COMPILER_H
#define UWSK_WDK_COMPILER_H

/* Integer keywords. Macros, so that "unsigned __int64" works everywhere. */
#undef __int8
#undef __int16
#undef __int32
#undef __int64
#define __int8 char
#define __int16 short
#define __int32 int
#define __int64 long long

/*
 * Calling conventions: empty, there is one on this target. Windows' own
 * convention comes back only at the gate through which compiled .sys files
 * are called.
 */
#undef __cdecl
#undef __stdcall
#undef __fastcall
#undef __thiscall
#undef __vectorcall
#undef _cdecl
#undef _stdcall
#undef _fastcall
#define __cdecl
#define __stdcall
#define __fastcall
#define __thiscall
#define __vectorcall
#define _cdecl
#define _stdcall
#define _fastcall

/* Pointer qualifiers without a meaning on this target. */
#undef __ptr32
#undef __ptr64
#undef __sptr
#undef __uptr
#undef __unaligned
#undef __w64
#define __ptr32
#define __ptr64
#define __sptr
#define __uptr
#define __unaligned
#define __w64

/*
 * __forceinline is no storage class on Windows either: it stands behind
 * "static" as often as alone, so it must not contain one.
 */
#undef __forceinline
#define __forceinline __inline__ __attribute__((__always_inline__))

#undef _inline
#define _inline __inline__

/*
 * The functions that our headers themselves supply inline. In C each source
 * has its own, so that a driver may take their addresses.
 */
#ifdef __cplusplus
#define UWSK_INLINE inline __attribute__((__always_inline__))
#else
#define UWSK_INLINE static __inline__ __attribute__((__always_inline__, __unused__))
#endif

/*
 * __declspec(x) becomes __attribute__((...)), by pasting. A form that takes
 * arguments keeps them: __declspec(align(16)) is __attribute__((aligned(16))).
 */
#undef __declspec
#undef _declspec
#define __declspec(x) __attribute__((UWSK_DECLSPEC_##x))
#define _declspec(x) __declspec(x)
#define UWSK_DECLSPEC_align(n)    __aligned__(n)
#define UWSK_DECLSPEC_allocate(s) __section__(s)
#define UWSK_DECLSPEC_allocator
#define UWSK_DECLSPEC_code_seg(s)
#define UWSK_DECLSPEC_deprecated __deprecated__
#define UWSK_DECLSPEC_dllexport  __visibility__("default")
#define UWSK_DECLSPEC_dllimport  __visibility__("default")
#define UWSK_DECLSPEC_empty_bases
#define UWSK_DECLSPEC_guard(x)
#define UWSK_DECLSPEC_naked __naked__
#define UWSK_DECLSPEC_noalias
#define UWSK_DECLSPEC_noinline __noinline__
#define UWSK_DECLSPEC_noreturn __noreturn__
#define UWSK_DECLSPEC_nothrow  __nothrow__
#define UWSK_DECLSPEC_novtable
#define UWSK_DECLSPEC_restrict
#define UWSK_DECLSPEC_safebuffers
#define UWSK_DECLSPEC_selectany __weak__
#define UWSK_DECLSPEC_spectre(x)
#define UWSK_DECLSPEC_uuid(x)

/* Preprocessor and statement level. */
#ifndef __pragma
#define __pragma(x)
#endif
/*
 * __noop drops its arguments unevaluated. A macro stays away from a name without brackets, so there is also
 * something of that name which as a statement is nothing; clang has it built in.
 */
#undef __noop
#ifndef __clang__
#ifdef __cplusplus
struct uwsk_noop {};
extern "C" volatile struct uwsk_noop __noop;
#else
extern void __noop;
#endif
#endif
#define __noop(...) ((void)0)
#undef __assume
#define __assume(e) ((e) ? (void)0 : __builtin_unreachable())
#undef __debugbreak
#define __debugbreak() __asm__ __volatile__("int3")
#undef _ReturnAddress
#define _ReturnAddress() __builtin_return_address(0)
#undef _AddressOfReturnAddress
#define _AddressOfReturnAddress() ((void *)((char *)__builtin_frame_address(0) + sizeof(void *)))
#define __FUNCDNAME__ __func__
#define __FUNCSIG__ __PRETTY_FUNCTION__

/* Functions exported by libuwsk. */
#define UWSK_EXPORT __attribute__((__visibility__("default")))

#ifdef __cplusplus
#define UWSK_BEGIN_C                extern "C" {
#define UWSK_END_C                  }
#define UWSK_STATIC_ASSERT(e, text) static_assert(e, text)
#else
#define UWSK_BEGIN_C
#define UWSK_END_C
#define UWSK_STATIC_ASSERT(e, text) _Static_assert(e, text)
/* A keyword to MSVC, without a header. */
#undef static_assert
#define static_assert _Static_assert
#endif

#endif
