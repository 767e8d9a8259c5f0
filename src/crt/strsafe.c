/* strsafe.c - the narrow RtlString functions (strsafe.inc.h). */
#include "crt.h"
#include "format.h"
#include "strsafe.h"

#define UNIT      char
#define FORMAT    uwskcrt_format
#define CCH(name) RtlStringCch##name##A
#define CB(name)  RtlStringCb##name##A
#include "strsafe.inc.h"
