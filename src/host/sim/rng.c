/*
 * rng.c - chance from a seed: xoroshiro128+ (Blackman and Vigna), its state filled by splitmix64.  Whole numbers
 * only, so that every compiler draws the same.
 */
#include "sim.h"

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

static uint64_t rotate(uint64_t value, int bits)
{
    return value << bits | value >> (64 - bits);
}

uint64_t sim_rng_next(struct sim_rng *rng)
{
    uint64_t a = rng->state[0], b = rng->state[1], result = a + b;

    b ^= a;
    rng->state[0] = rotate(a, 24) ^ b ^ b << 16;
    rng->state[1] = rotate(b, 37);
    return result;
}

/* The upper half of a product: as even as 2^-64 * bound allows, without a division. */
uint64_t sim_rng_below(struct sim_rng *rng, uint64_t bound)
{
    return (uint64_t)((unsigned __int128)sim_rng_next(rng) * bound >> 64);
}
