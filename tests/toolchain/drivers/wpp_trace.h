/* wpp_trace.h: controls and trace functions of wpp.c, as drivers write them. */
#ifndef WPP_TRACE_H
#define WPP_TRACE_H

#define WPP_CONTROL_GUIDS                                                                                    \
    WPP_DEFINE_CONTROL_GUID(EchoTrace, (81b20fea, 73a8, 4b62, 95bc, 354477c97a6f),                           \
                            WPP_DEFINE_BIT(TRACE_DRIVER) WPP_DEFINE_BIT(TRACE_SOCKET))                       \
    WPP_DEFINE_CONTROL_GUID(DataTrace, (91b20fea, 73a8, 4b62, 95bc, 354477c97a6f), WPP_DEFINE_BIT(TRACE_DATA))

#define WPP_LEVEL_FLAGS_LOGGER(level, flags) WPP_LEVEL_LOGGER(flags)
#define WPP_LEVEL_FLAGS_ENABLED(level, flags)                                                                \
    (WPP_LEVEL_ENABLED(flags) && WPP_CONTROL(WPP_BIT_##flags).Level >= level)
#define WPP_FLAG_LEVEL_STATUS_PRE(flag, level, status)                                                       \
    {                                                                                                        \
        if ((status) != 0) {
#define WPP_FLAG_LEVEL_STATUS_POST(flag, level, status)                                                      \
    ;                                                                                                        \
    }                                                                                                        \
    }

/*
 * begin_wpp config
 * FUNC TraceEvents(LEVEL, FLAGS, MSG, ...);
 * FUNC TraceError{LEVEL=TRACE_LEVEL_ERROR, FLAGS=TRACE_DRIVER}(MSG, ...);
 * USEPREFIX (TraceError, "%!STDPREFIX! %!FUNC! failed: ");
 * FUNC TraceBad{FLAG=TRACE_SOCKET}(LEVEL, STATUS, MSG, ...);
 * FUNC TraceExit{LEVEL=TRACE_LEVEL_VERBOSE}(RESULT);
 * USESUFFIX (TraceExit, "leaves with %!STATUS!", RESULT);
 * FUNC TraceOld((LEVEL, MSG, ...));
 * CUSTOM_TYPE(color, ItemListLong(Red, Green, Blue));
 * CUSTOM_TYPE(bits, ItemSetLong(One, Two, Four));
 * end_wpp
 */

#endif
