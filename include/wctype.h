/* wctype.h - classes and case of wide characters. */
#ifndef UWSK_WCTYPE_H
#define UWSK_WCTYPE_H

#include <ctype.h>

#endif
