/* stddef.h - size_t, ptrdiff_t, wchar_t, NULL and offsetof of the kernel's C run time. */
#ifndef UWSK_STDDEF_H
#define UWSK_STDDEF_H

#include <crtdefs.h>

#undef offsetof
#define offsetof(type, member) __builtin_offsetof(type, member)

#ifdef __cplusplus
namespace std
{
typedef decltype(nullptr) nullptr_t;
}
using std::nullptr_t;
#endif

#endif
