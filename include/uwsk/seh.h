/*
 * seh.h - structured exceptions, as `uwsk cc` writes them.
 *
 * `uwsk cc` rewrites __try, __except, __finally and __leave (in C the lower-case words, too) into the calls
 * below; drivers never name them. One frame per running __try statement lies on the driver's stack and hangs
 * off its thread. GetExceptionCode(), GetExceptionInformation() and AbnormalTermination() are rewritten, too:
 * each is known only where Windows allows it.
 */
#ifndef UWSK_SEH_H
#define UWSK_SEH_H

/* ThreadSanitizer must see who jumps where, else it goes on in the middle of the left functions: its own
 * _setjmp and longjmp do the jump then, and keep 200 bytes. */
#if defined(__SANITIZE_THREAD__)
#define UWSK_SEH_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define UWSK_SEH_TSAN 1
#endif
#endif
#ifdef UWSK_SEH_TSAN
#define UWSK_SEH_REGISTERS 26
#define UWSK_SEH_SAVE      __asm__("_setjmp")
#define UWSK_SEH_ENTER                                                                                       \
    __asm__("uwsk_seh_enter_tsan") /* a frame of one kind never meets a runtime of the other */
#else
#define UWSK_SEH_REGISTERS 8
#define UWSK_SEH_SAVE
#define UWSK_SEH_ENTER
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Laid out as EXCEPTION_RECORD. */
struct uwsk_seh_record {
    int code;
    unsigned int flags;
    struct uwsk_seh_record *next;
    void *address;
    unsigned int parameters;
    __SIZE_TYPE__ information[15];
};

/* Laid out as EXCEPTION_POINTERS. There is no context record: it is always NULL. */
struct uwsk_seh_pointers {
    struct uwsk_seh_record *record;
    void *context;
};

struct uwsk_seh_frame {
    void *registers[UWSK_SEH_REGISTERS]; /* what a function must keep, the stack pointer, the address:
                                            seh_amd64.S */
    struct uwsk_seh_frame *outer;
    void *gate; /* the driver routine it was entered in: an exception never leaves that */
    void *stack;
    int finally;
    int armed;
    struct uwsk_seh_record record;
    struct uwsk_seh_pointers pointers;
};

/* Puts a frame in front of the thread's others. finally: 1 for __finally, 0 for __except. */
void uwsk_seh_enter(struct uwsk_seh_frame *frame, int finally) UWSK_SEH_ENTER;
/* Returns 0, and later, when an exception has come to this frame, a second time with 1. The frame is then
 * disarmed. */
int uwsk_seh_save(struct uwsk_seh_frame *frame) UWSK_SEH_SAVE __attribute__((__returns_twice__));
/* Takes the frame out; harmless when it is out. */
void uwsk_seh_leave(struct uwsk_seh_frame *frame);
/* What the filter said: returns for EXCEPTION_EXECUTE_HANDLER (positive), hands the exception on for
 * EXCEPTION_CONTINUE_SEARCH (0). EXCEPTION_CONTINUE_EXECUTION (negative) cannot be done, as what the
 * exception interrupted is gone by then: bug check 0x1E with STATUS_NONCONTINUABLE_EXCEPTION. */
void uwsk_seh_filter(struct uwsk_seh_frame *frame, int disposition);
/* Behind a __finally block: hands the exception on. */
void uwsk_seh_resume(struct uwsk_seh_frame *frame) __attribute__((__noreturn__));
int uwsk_seh_code(const struct uwsk_seh_frame *frame);
void *uwsk_seh_information(struct uwsk_seh_frame *frame);

#ifdef __cplusplus
}
#endif

/* Compiled by hand: one clear error instead of many. */
#if defined(_KERNEL_MODE) && !defined(UWSK_CC)
#define __try _Pragma("GCC error \"__try is compiled by `uwsk cc`, not by the compiler alone\"") if (1)
#define __except (filter) else if (filter)
#define __finally
#define __leave (void)0
#endif

#endif
