/* Older name under which drivers ask for the annotations; see sal.h. */
#ifndef _SPECSTRINGS_H_
#define _SPECSTRINGS_H_
#include <sal.h>
#endif
