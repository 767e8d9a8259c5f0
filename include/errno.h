/* errno.h - the error numbers that the *_s functions return (Windows values). */
#ifndef UWSK_ERRNO_H
#define UWSK_ERRNO_H

#define EINVAL    22
#define ERANGE    34
#define EILSEQ    42
#define STRUNCATE 80

#endif
