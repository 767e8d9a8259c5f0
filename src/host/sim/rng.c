/*
 * rng.c - chance from a seed: xoroshiro128+ (Blackman and Vigna), its state filled by splitmix64.  Whole numbers
 * only, so that every compiler draws the same.
 */
#include "internal.h"

static uint64_t splitmix(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15u;

    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

void sim_rng_seed(struct sim_rng *rng, uint64_t seed, uint64_t stream)
{
    uint64_t state = seed;
    uint64_t mixed = splitmix(&state) ^ stream * 0xD1B54A32D192ED03u;

    rng->state[0] = splitmix(&mixed);
    rng->state[1] = splitmix(&mixed) | 1; /* never both zero */
}

uint64_t sim_rng_next(struct sim_rng *rng)
{
    return sim_draw(rng);
}

uint64_t sim_rng_below(struct sim_rng *rng, uint64_t bound)
{
    return sim_draw_below(rng, bound);
}
