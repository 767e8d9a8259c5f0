/* min and max, for the headers that bring them; not in ntdef.h for C++, whose own library has such names.
 * No include guard: who comes later may define them again. */
#ifndef min
#define min(a, b) (((a) < (b)) ? (a) : (b))
#endif
#ifndef max
#define max(a, b) (((a) > (b)) ? (a) : (b))
#endif
