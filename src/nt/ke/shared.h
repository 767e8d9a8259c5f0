/*
 * shared.h - a word that many may hold shared or one alone: what EX_SPIN_LOCK and EX_PUSH_LOCK are made of.
 *
 * Bits: held alone, a writer is waiting, somebody is parked; the rest counts those who share it.  A waiting
 * writer keeps new readers out (K-SPIN-13).  The compare-and-swap that releases is the last touch of the word;
 * waking names its address only.
 */
#ifndef UWSK_NT_KE_SHARED_H
#define UWSK_NT_KE_SHARED_H

#include "nt/ke/internal.h"

/* How a waiter parks: at DISPATCH_LEVEL like a spin lock, or as a wait that reports show. */
enum ke_shared_wait { KE_SHARED_SPIN, KE_SHARED_PARK };

void ke_shared_acquire(uint32_t *word, enum ke_shared_wait wait);
void ke_shared_acquire_alone(uint32_t *word, enum ke_shared_wait wait);
/* 0 = it was not held that way, nothing is changed. */
int ke_shared_release(uint32_t *word);
int ke_shared_release_alone(uint32_t *word);
/* Without waiting: 1 = it is held now.  A writer that does not get it keeps nobody out. */
int ke_shared_try(uint32_t *word);
int ke_shared_try_alone(uint32_t *word);
/* The only holder becomes the lone one; 0 with other holders or a waiting writer. */
int ke_shared_convert(uint32_t *word);

#endif
