/*
 * suppress.h - in the WDK: numbers of the code analysis' warnings by name. They stand in #pragma warning and
 * #pragma prefast, which are not read here, so nothing needs a value.
 */
#ifndef UWSK_INCLUDE_SUPPRESS_H
#define UWSK_INCLUDE_SUPPRESS_H
#endif
