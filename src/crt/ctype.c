/* ctype.c - classes of characters: ASCII for narrow ones, ASCII and everything with a case for wide ones. */
#include "crt.h"

#include <ctype.h>

CRT_API int isupper(int character)
{
    return character >= 'A' && character <= 'Z';
}

CRT_API int islower(int character)
{
    return character >= 'a' && character <= 'z';
}

CRT_API int isalpha(int character)
{
    return isupper(character) || islower(character);
}

CRT_API int isdigit(int character)
{
    return character >= '0' && character <= '9';
}

CRT_API int isxdigit(int character)
{
    return isdigit((int)character) || (character >= 'a' && character <= 'f') ||
           (character >= 'A' && character <= 'F');
}

CRT_API int isspace(int character)
{
    return character == ' ' || (character >= '\t' && character <= '\r');
}

CRT_API int isblank(int character)
{
    return character == ' ' || character == '\t';
}

CRT_API int isgraph(int character)
{
    return character > ' ' && character < 0x7f;
}

CRT_API int isprint(int character)
{
    return character >= ' ' && character < 0x7f;
}

CRT_API int isalnum(int character)
{
    return isalpha(character) || isdigit(character);
}

CRT_API int ispunct(int character)
{
    return isgraph((int)character) && !isalnum(character);
}

CRT_API int iscntrl(int character)
{
    return (character >= 0 && character < ' ') || character == 0x7f;
}

CRT_API int toupper(int character)
{
    return islower(character) ? character - 'a' + 'A' : character;
}

CRT_API int tolower(int character)
{
    return isupper(character) ? character - 'A' + 'a' : character;
}

CRT_API int iswupper(wint_t character)
{
    return uwskcrt_downcase((wchar_t)character) != (wchar_t)character;
}

CRT_API int iswlower(wint_t character)
{
    return uwskcrt_upcase((wchar_t)character) != (wchar_t)character;
}

CRT_API int iswalpha(wint_t character)
{
    return iswupper(character) || iswlower(character);
}

CRT_API int iswdigit(wint_t character)
{
    return isdigit((int)character);
}

CRT_API int iswxdigit(wint_t character)
{
    return isxdigit((int)character);
}

CRT_API int iswspace(wint_t character)
{
    return isspace((int)character);
}

CRT_API int iswpunct(wint_t character)
{
    return ispunct((int)character);
}

CRT_API int iswalnum(wint_t character)
{
    return iswalpha(character) || iswdigit(character);
}

CRT_API int iswgraph(wint_t character)
{
    return isgraph((int)character) || iswalpha(character);
}

CRT_API int iswprint(wint_t character)
{
    return character == ' ' || iswgraph(character);
}

CRT_API int iswcntrl(wint_t character)
{
    return iscntrl((int)character);
}

CRT_API wint_t towupper(wint_t character)
{
    return character > 0xffff ? character : uwskcrt_upcase((wchar_t)character);
}

CRT_API wint_t towlower(wint_t character)
{
    return character > 0xffff ? character : uwskcrt_downcase((wchar_t)character);
}
