/*
 * cases.h - the ways to close a socket that this driver plays.
 */
#ifndef CASES_H
#define CASES_H

#include "player.h"

/*
 * Plays one case on an accepted connection whose context is Player. Argument is the number after the case's
 * number in the client's line, 0 without one. The connection is closed in the end, Player is not freed.
 */
typedef _IRQL_requires_(PASSIVE_LEVEL) BOOLEAN CASE_ROUTINE(_In_ PPLAYER Player, _In_ ULONG Argument);

typedef struct _CASE {
    PCSTR Name;
    PCSTR What; /* what is pending at the moment of the close */
    CASE_ROUTINE *Routine;
} CASE, *PCASE;

extern CONST CASE Cases[];
extern CONST ULONG CaseCount;

#endif
