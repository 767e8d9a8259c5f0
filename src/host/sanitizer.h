/*
 * sanitizer.h - which sanitizer this is built with, and functions that it leaves alone: for both compilers and both
 * worlds.
 */
#ifndef UWSK_HOST_SANITIZER_H
#define UWSK_HOST_SANITIZER_H

#if defined(__SANITIZE_ADDRESS__)
#define HOST_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HOST_ASAN 1
#endif
#endif
#ifndef HOST_ASAN
#define HOST_ASAN 0
#endif

#if defined(__SANITIZE_THREAD__)
#define HOST_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HOST_TSAN 1
#endif
#endif
#ifndef HOST_TSAN
#define HOST_TSAN 0
#endif

/* UNSANITIZED: for a function that looks where no sanitizer lets it, at stacks or at all memory of a process.
 * UNORDERED: for one that reads what others write meanwhile, and knows it. */
#if defined(__clang__)
#define HOST_UNSANITIZED __attribute__((no_sanitize("address", "thread", "undefined")))
#define HOST_UNORDERED   __attribute__((no_sanitize("thread")))
#else
#define HOST_UNSANITIZED __attribute__((no_sanitize("address", "undefined"), no_sanitize_thread))
#define HOST_UNORDERED   __attribute__((no_sanitize_thread))
#endif

#endif
