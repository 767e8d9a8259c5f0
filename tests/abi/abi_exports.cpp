/* abi_exports.cpp - abi_exports.h in C++. */
#include "abi_exports.h"
