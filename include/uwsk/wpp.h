/*
 * wpp.h: what the name.tmh files of `uwsk cc` stand on (T-07).
 *
 * Every message is a trace line, whatever its level and flags: the runtime is the trace session that has
 * everything on. So WPP_xxx_ENABLED and WPP_xxx_LOGGER of a driver are never asked; WPP_xxx_PRE and _POST are
 * put around the message.
 */
#ifndef UWSK_WPP_H
#define UWSK_WPP_H

#include <ntdef.h>
#include <evntrace.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What one source has to say about itself. */
struct uwsk_wpp_file {
    const char *controls; /* "(Control)FLAG,FLAG,(Other)FLAG,", made of WPP_CONTROL_GUIDS */
    const char *types;    /* "|name=A,B,C" and "|name#BIT0,BIT1": CUSTOM_TYPEs of the config blocks */
};

/* The stand-in for a trace session's control block: WPP_CONTROL(bit).Level is what drivers compare with. */
struct uwsk_wpp_control {
    UCHAR Level;
    ULONG Flags[1];
};
extern const struct uwsk_wpp_control uwsk_wpp_everything;

/*
 * Prints a message as a trace line "WPP Control/FLAG LEVEL file:line: message". flags and level_text are the
 * message's own words, empty for none. format has DbgPrint's conversions and %!NAME!. Any IRQL.
 */
void uwsk_wpp_message(const struct uwsk_wpp_file *about, const char *flags, const char *level_text, int level,
                      const char *file, int line, const char *function, const char *format, ...);
/* WPP_INIT_TRACING and WPP_CLEANUP with whatever a driver passes. */
void uwsk_wpp_start(int count, ...);
void uwsk_wpp_stop(int count, ...);

#ifdef __cplusplus
}
#endif

#define WPP_INIT_TRACING(...)          uwsk_wpp_start(0, ##__VA_ARGS__)
#define WPP_CLEANUP(...)               uwsk_wpp_stop(0, ##__VA_ARGS__)
#define WPP_SYSTEMCONTROL(Driver)      ((void)(Driver))
#define WPP_SYSTEMCONTROL2(Pdo, Where) ((void)(Pdo), (void)(Where))

/* What a driver's own macros ask: all is on. */
#define WPP_LEVEL_ENABLED(Flag)          (1)
#define WPP_LEVEL_LOGGER(Flag)           ((void)0),
#define WPP_FLAG_ENABLED(Flag)           (1)
#define WPP_FLAG_LOGGER(Flag)            ((void)0),
#define WPP_CONTROL(Bit)                 (uwsk_wpp_everything)
#define WPP_IS_LEVEL_FLAGS_ENABLED(L, F) (1)

#endif
