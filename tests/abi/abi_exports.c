/* abi_exports.c - abi_exports.h in C. */
#include "abi_exports.h"
