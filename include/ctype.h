/*
 * ctype.h - character classes and case of the kernel's C run time.
 *
 * Narrow characters: the "C" locale, that is ASCII.  Wide characters: towupper and towlower map the whole
 * Basic Multilingual Plane one to one; the classes know ASCII and, for letters, every character that has a
 * case.
 */
#ifndef UWSK_CTYPE_H
#define UWSK_CTYPE_H

#include <crtdefs.h>

#ifndef WEOF
#define WEOF ((wint_t)0xffff)
#endif

UWSK_CRT_BEGIN
int isalpha(int character);
int isupper(int character);
int islower(int character);
int isdigit(int character);
int isxdigit(int character);
int isspace(int character);
int ispunct(int character);
int isalnum(int character);
int isprint(int character);
int isgraph(int character);
int iscntrl(int character);
int isblank(int character);
int toupper(int character);
int tolower(int character);

int iswalpha(wint_t character);
int iswupper(wint_t character);
int iswlower(wint_t character);
int iswdigit(wint_t character);
int iswxdigit(wint_t character);
int iswspace(wint_t character);
int iswpunct(wint_t character);
int iswalnum(wint_t character);
int iswprint(wint_t character);
int iswgraph(wint_t character);
int iswcntrl(wint_t character);
wint_t towupper(wint_t character);
wint_t towlower(wint_t character);
UWSK_CRT_END

#define isascii(character)   ((unsigned)(character) < 0x80)
#define __isascii(character) ((unsigned)(character) < 0x80)
#define iswascii(character)  ((unsigned)(character) < 0x80)
#define __toascii(character) ((character)&0x7f)

#endif
