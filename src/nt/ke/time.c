/*
 * time.c - what time it is.
 *
 * System time is the system clock; interrupt time, ticks and the performance counter count from the start of
 * the runtime and never jump.
 */
#include "nt/ke/internal.h"

uint64_t ke_query_system_time(void)
{
    return host_wall();
}

uint64_t ke_query_interrupt_time(void)
{
    return host_now() / 100;
}

/* ---- WDK ---------------------------------------------------------------------------------------------- */

/* System time, 100 ns units since 1601-01-01 UTC; both are precise here.  Any IRQL.  (wdm KeQuerySystemTime)
 */
VOID KeQuerySystemTime(PLARGE_INTEGER CurrentTime)
{
    CurrentTime->QuadPart = (LONGLONG)ke_query_system_time();
}

VOID KeQuerySystemTimePrecise(PLARGE_INTEGER CurrentTime)
{
    CurrentTime->QuadPart = (LONGLONG)ke_query_system_time();
}

/* Interrupt time, 100 ns units since the start.  Any IRQL.  (wdm KeQueryInterruptTime) */
ULONGLONG KeQueryInterruptTime(VOID)
{
    return ke_query_interrupt_time();
}

/* The same with the performance counter of that moment.  (wdm KeQueryInterruptTimePrecise) */
ULONGLONG KeQueryInterruptTimePrecise(PULONG64 QpcTimeStamp)
{
    ULONGLONG now = ke_query_interrupt_time();

    *QpcTimeStamp = now;
    return now;
}

/* Interrupt time without the time in sleep: the runtime never sleeps.  (wdm KeQueryUnbiasedInterruptTime) */
ULONGLONG KeQueryUnbiasedInterruptTime(VOID)
{
    return ke_query_interrupt_time();
}

/* Ticks since the start, and their length in 100 ns units (15.625 ms).  Any IRQL.  (wdm KeQueryTickCount) */
VOID KeQueryTickCount(PLARGE_INTEGER CurrentCount)
{
    CurrentCount->QuadPart = (LONGLONG)(ke_query_interrupt_time() / KE_TIME_INCREMENT);
}

ULONG KeQueryTimeIncrement(VOID)
{
    return KE_TIME_INCREMENT;
}

/* A steady counter; its frequency, 10 MHz, goes to *PerformanceFrequency unless NULL.  Any IRQL.
 * (wdm KeQueryPerformanceCounter) */
LARGE_INTEGER KeQueryPerformanceCounter(PLARGE_INTEGER PerformanceFrequency)
{
    LARGE_INTEGER now;

    if (PerformanceFrequency)
        PerformanceFrequency->QuadPart = 10000000;
    now.QuadPart = (LONGLONG)ke_query_interrupt_time();
    return now;
}

/* Keeps the processor busy for some microseconds, 50 at most by the rules.  Any IRQL.
 * (wdm KeStallExecutionProcessor) */
VOID KeStallExecutionProcessor(ULONG MicroSeconds)
{
    uint64_t end = host_now() + (uint64_t)MicroSeconds * 1000;

    while (host_now() < end) {
        host_point(HOST_POINT_YIELD, NULL);
        host_cpu_relax();
    }
}

/* Local time is UTC here, whatever the machine's zone: runs are the same everywhere.  Any IRQL.
 * (wdm ExSystemTimeToLocalTime) */
VOID ExSystemTimeToLocalTime(PLARGE_INTEGER SystemTime, PLARGE_INTEGER LocalTime)
{
    *LocalTime = *SystemTime;
}

VOID ExLocalTimeToSystemTime(PLARGE_INTEGER LocalTime, PLARGE_INTEGER SystemTime)
{
    *SystemTime = *LocalTime;
}
