/*
 * device.h - what the files about devices share: the I/O manager's own part of driver and device objects.
 */
#ifndef UWSK_NT_IO_DEVICE_H
#define UWSK_NT_IO_DEVICE_H

#include "nt/io/io.h"
#include "nt/ke/ke.h"

struct io_driver {
    DRIVER_OBJECT object;
    DRIVER_EXTENSION extension;
    LONG opens; /* files on its devices that are not closed, whether the device is deleted or not */
    UNICODE_STRING registry_path;
    WCHAR text[]; /* name, then registry path */
};

struct io_device {
    DEVICE_OBJECT object;
    struct io_device *next, *previous; /* all that are not deleted, or all that are, and still referenced */
    BOOLEAN deleted;                   /* goes away with its last reference */
    LONG opens;                        /* files that are not closed */
    UNICODE_STRING name;
    UCHAR extension[] __attribute__((aligned(16)));
};

/* Guards all lists and links between devices, their counts, and DRVO_UNLOAD_INVOKED. */
extern struct ke_lock io_device_lock;

#define IO_NAME_UNITS 1024 /* longer names are refused where a device is looked for */

/* The device that the name leads to, links and all of \DosDevices, \?? and \\.\ followed, with a reference.
 * What follows the device's own name is copied to rest (IO_NAME_UNITS units; NULL: there may be nothing).
 * With `open` the device counts one file more, which io_end_open takes back.
 * STATUS_OBJECT_NAME_INVALID, STATUS_OBJECT_NAME_NOT_FOUND, STATUS_NO_SUCH_DEVICE (still initialising, or its
 * driver is being unloaded), STATUS_ACCESS_DENIED (exclusive and open). */
NTSTATUS io_find_device(PCUNICODE_STRING name, BOOLEAN open, PDEVICE_OBJECT *device, WCHAR *rest,
                        USHORT *rest_bytes);
void io_end_open(PDEVICE_OBJECT device);

/* The uppermost device of a stack. */
PDEVICE_OBJECT io_top_of_stack(PDEVICE_OBJECT device);

#endif
