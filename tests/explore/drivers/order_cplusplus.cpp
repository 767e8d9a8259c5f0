/* The same driver as C++. */
#include "order.c"
