/*
 * shared.h - what the processes of a campaign share: counters, the schedules that were seen, the closes that were
 * seen.  In pages that fork() shares.
 */
#ifndef UWSK_EXPLORE_SHARED_H
#define UWSK_EXPLORE_SHARED_H

#include <stdint.h>

enum { SHARED_HASHES = 1 << 21, SHARED_CLOSES = 1024, SHARED_JOBS = 256, CLOSE_BYTES = 160 };

struct shared_slot { /* a worker's */
    uint64_t seed, fail_at;
    int fail_onwards;
    uint64_t index; /* sweep: the next fault point of this worker */
    int running;    /* a run is on its way */
};

struct shared {
    uint64_t next;  /* the next seed's index */
    uint64_t limit; /* how many */
    int stop;
    uint64_t runs, seeds, steps, schedules, closes;
    uint64_t fault_points;
    struct shared_slot slot[SHARED_JOBS];
    struct {
        uint64_t hash; /* 0 = free */
        uint32_t ready;
        char text[CLOSE_BYTES];
    } close[SHARED_CLOSES];
    uint64_t hash[SHARED_HASHES];
};

struct shared *shared_create(void);
void shared_destroy(struct shared *shared);
void shared_schedule(struct shared *shared, uint64_t hash);
void shared_close(void *shared, const char *text);

#endif
