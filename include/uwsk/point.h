/*
 * Scheduling points. Interlocked operations, barriers and busy-wait hints in
 * a driver announce themselves here before they act, so that the simulator
 * can let another thread run in between. Outside the simulator the flag is
 * zero and a point costs one predicted branch; one driver binary serves both.
 */
#ifndef UWSK_POINT_H
#define UWSK_POINT_H

/* What is about to happen. */
#define UWSK_POINT_ATOMIC  1  /* read-modify-write of *object */
#define UWSK_POINT_BARRIER 2  /* memory barrier, object is NULL */
#define UWSK_POINT_YIELD   10 /* hint of a spinning thread, object is NULL */
#define UWSK_POINT_READ    11 /* ordered or marked read of *object */
#define UWSK_POINT_WRITE   12 /* ordered or marked write of *object */

#ifdef __cplusplus
extern "C" {
#endif

/* Non-zero while a simulator wants to hear of points; written only by the runtime. */
extern __attribute__((__visibility__("default"))) int uwsk_points_enabled;

/*
 * Tells the scheduler of a point.
 *   kind    one of UWSK_POINT_*
 *   object  the memory concerned, or NULL; only its identity is used
 * Any IRQL. May let other threads run before it returns.
 */
__attribute__((__visibility__("default"))) void uwsk_point(int kind, const volatile void *object);

#ifdef __cplusplus
}
#endif

#define UWSK_POINT(kind, object)                                                                             \
    ((void)(__builtin_expect(uwsk_points_enabled, 0) ? uwsk_point((kind), (object)) : (void)0))

#endif
