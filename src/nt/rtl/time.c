/*
 * time.c - 100 ns units since 1601-01-01 to calendar fields and seconds, and back.
 *
 * Proleptic Gregorian calendar, no leap seconds, no time zone.  Any IRQL.
 */
#include "nt/rtl/rtl.h"

#define SECOND          10000000ll
#define SECONDS_TO_1970 11644473600ll
#define SECONDS_TO_1980 11960006400ll

static BOOLEAN is_leap(LONGLONG year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int days_of_month(LONGLONG year, int month)
{
    static const UCHAR days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return days[month - 1] + (month == 2 && is_leap(year));
}

/* Days from 1601-01-01 to the first of January of year. */
static LONGLONG days_to_year(LONGLONG year)
{
    LONGLONG years = year - 1601;

    return years * 365 + years / 4 - years / 100 + years / 400;
}

void rtl_time_to_time_fields(const LARGE_INTEGER *Time, PTIME_FIELDS TimeFields)
{
    ULONGLONG time = (ULONGLONG)Time->QuadPart;
    ULONG milliseconds = (ULONG)(time / (SECOND / 1000) % 86400000);
    LONGLONG days = (LONGLONG)(time / (ULONGLONG)SECOND / 86400);
    LONGLONG year = 1601 + days / 366;
    int month = 1;

    TimeFields->Weekday = (CSHORT)((days + 1) % 7); /* 1601-01-01 was a Monday */
    while (days_to_year(year + 1) <= days)
        year++;
    days -= days_to_year(year);
    for (; days >= days_of_month(year, month); month++)
        days -= days_of_month(year, month);
    TimeFields->Year = (CSHORT)year;
    TimeFields->Month = (CSHORT)month;
    TimeFields->Day = (CSHORT)(days + 1);
    TimeFields->Hour = (CSHORT)(milliseconds / 3600000);
    TimeFields->Minute = (CSHORT)(milliseconds / 60000 % 60);
    TimeFields->Second = (CSHORT)(milliseconds / 1000 % 60);
    TimeFields->Milliseconds = (CSHORT)(milliseconds % 1000);
}

/* Page: RtlTimeToTimeFields (wdm).  Weekday 0 is Sunday. */
VOID NTAPI RtlTimeToTimeFields(PLARGE_INTEGER Time, PTIME_FIELDS TimeFields)
{
    rtl_time_to_time_fields(Time, TimeFields);
}

/* FALSE when the fields name no time from 1601 on; the weekday is not looked at.  Page: RtlTimeFieldsToTime
 * (wdm). */
BOOLEAN NTAPI RtlTimeFieldsToTime(PTIME_FIELDS TimeFields, PLARGE_INTEGER Time)
{
    const TIME_FIELDS *fields = TimeFields;

    if (fields->Year < 1601 || fields->Month < 1 || fields->Month > 12 || fields->Day < 1 ||
        fields->Day > days_of_month(fields->Year, fields->Month) || fields->Hour < 0 || fields->Hour > 23 ||
        fields->Minute < 0 || fields->Minute > 59 || fields->Second < 0 || fields->Second > 59 ||
        fields->Milliseconds < 0 || fields->Milliseconds > 999)
        return FALSE;
    LONGLONG days = days_to_year(fields->Year) + fields->Day - 1;
    for (int month = 1; month < fields->Month; month++)
        days += days_of_month(fields->Year, month);
    LONGLONG seconds = ((days * 24 + fields->Hour) * 60 + fields->Minute) * 60 + fields->Second;
    Time->QuadPart = (seconds * 1000 + fields->Milliseconds) * (SECOND / 1000);
    return TRUE;
}

/* FALSE when the time lies outside of what 32 bits of seconds can say. */
static BOOLEAN to_seconds(const LARGE_INTEGER *time, LONGLONG epoch, PULONG seconds)
{
    LONGLONG since = time->QuadPart / SECOND - epoch;

    if (since < 0 || since > 0xffffffffll)
        return FALSE;
    *seconds = (ULONG)since;
    return TRUE;
}

BOOLEAN NTAPI RtlTimeToSecondsSince1970(PLARGE_INTEGER Time, PULONG ElapsedSeconds)
{
    return to_seconds(Time, SECONDS_TO_1970, ElapsedSeconds);
}

BOOLEAN NTAPI RtlTimeToSecondsSince1980(PLARGE_INTEGER Time, PULONG ElapsedSeconds)
{
    return to_seconds(Time, SECONDS_TO_1980, ElapsedSeconds);
}

VOID NTAPI RtlSecondsSince1970ToTime(ULONG ElapsedSeconds, PLARGE_INTEGER Time)
{
    Time->QuadPart = (ElapsedSeconds + SECONDS_TO_1970) * SECOND;
}

VOID NTAPI RtlSecondsSince1980ToTime(ULONG ElapsedSeconds, PLARGE_INTEGER Time)
{
    Time->QuadPart = (ElapsedSeconds + SECONDS_TO_1980) * SECOND;
}
