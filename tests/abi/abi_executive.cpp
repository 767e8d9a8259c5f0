/* abi_executive.cpp - abi_executive.c in C++. */
#include "abi_executive.c"
