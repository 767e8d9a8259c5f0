/* number.c - numbers from and to narrow text (number.inc.h). */
#include "crt.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>

#define UNIT      char
#define STRTOL    strtol
#define STRTOUL   strtoul
#define STRTOLL   strtoll
#define STRTOULL  strtoull
#define STRTOI64  _strtoi64
#define STRTOUI64 _strtoui64
#define ATOI      atoi
#define ATOL      atol
#define ATOI64    _atoi64
#define ITOA      _itoa
#define LTOA      _ltoa
#define ULTOA     _ultoa
#define I64TOA    _i64toa
#define UI64TOA   _ui64toa
#define ITOA_S    _itoa_s
#define LTOA_S    _ltoa_s
#define ULTOA_S   _ultoa_s
#define I64TOA_S  _i64toa_s
#define UI64TOA_S _ui64toa_s
#include "number.inc.h"

CRT_API long long atoll(const char *text)
{
    return _atoi64(text);
}
