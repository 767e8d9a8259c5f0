/*
 * dontuse.h - in the WDK: marks functions of the C run time that are easily misused as deprecated, for MSVC. The
 * same functions are here with it and without it.
 */
#ifndef UWSK_INCLUDE_DONTUSE_H
#define UWSK_INCLUDE_DONTUSE_H
#endif
