/* number_wide.c - numbers from and to wide text (number.inc.h). */
#include "crt.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>

#define UNIT      wchar_t
#define STRTOL    wcstol
#define STRTOUL   wcstoul
#define STRTOLL   wcstoll
#define STRTOULL  wcstoull
#define STRTOI64  _wcstoi64
#define STRTOUI64 _wcstoui64
#define ATOI      _wtoi
#define ATOL      _wtol
#define ATOI64    _wtoi64
#define ITOA      _itow
#define LTOA      _ltow
#define ULTOA     _ultow
#define I64TOA    _i64tow
#define UI64TOA   _ui64tow
#define ITOA_S    _itow_s
#define LTOA_S    _ltow_s
#define ULTOA_S   _ultow_s
#define I64TOA_S  _i64tow_s
#define UI64TOA_S _ui64tow_s
#include "number.inc.h"
