/*
 * device.c - driver objects, device objects and symbolic links: their lists, names and counts.
 *
 * file.c opens devices, attach.c stacks them.
 */
#include "nt/io/device.h"
#include "nt/io/file.h"
#include "nt/ex/ex.h"
#include "nt/ke/ke.h"
#include "nt/observe.h"
#include "nt/ps/ps.h"
#include <string.h>
#include <wdmsec.h>

#define DRIVER_TAG 0x76697244u /* "Driv" */
#define DEVICE_TAG 0x69766544u /* "Devi" */
#define LINK_TAG   0x6B6E694Cu /* "Link" */

struct io_link {
    struct io_link *next;
    UNICODE_STRING name;
    UNICODE_STRING target;
    WCHAR text[];
};

struct ke_lock io_device_lock; /* all lists here and every NextDevice chain */
static struct io_device *devices;
static struct io_device *leaving; /* deleted, and somebody has a reference */
static LONG freeing;              /* off that list, and not yet back in the pool */
static struct io_link *links;

/* ---- names -------------------------------------------------------------------------------------------- */

static WCHAR fold(WCHAR unit)
{
    return unit >= L'a' && unit <= L'z' ? (WCHAR)(unit - L'a' + L'A') : unit;
}

/* Object names are compared without regard to the case of letters.  What comes after the prefix in `name`
 * may be put into *rest; FALSE when it does not begin so. */
static BOOLEAN begins_with(PCUNICODE_STRING name, PCUNICODE_STRING prefix, PUNICODE_STRING rest)
{
    if (name->Length < prefix->Length)
        return FALSE;
    for (ULONG i = 0; i < prefix->Length / sizeof(WCHAR); i++)
        if (fold(name->Buffer[i]) != fold(prefix->Buffer[i]))
            return FALSE;
    rest->Buffer = name->Buffer + prefix->Length / sizeof(WCHAR);
    rest->Length = rest->MaximumLength = (USHORT)(name->Length - prefix->Length);
    return TRUE;
}

/* The folder of the names that programs use has several names itself.  *rest gets the name inside it, or the
 * whole name when it is not there. */
static BOOLEAN dos_name(PCUNICODE_STRING name, PUNICODE_STRING rest)
{
    static const UNICODE_STRING folders[] = {
        RTL_CONSTANT_STRING(L"\\??\\"), RTL_CONSTANT_STRING(L"\\DosDevices\\"),
        RTL_CONSTANT_STRING(L"\\GLOBAL??\\"), RTL_CONSTANT_STRING(L"\\\\.\\"),
        RTL_CONSTANT_STRING(L"\\\\?\\")};
    static const UNICODE_STRING global = RTL_CONSTANT_STRING(L"Global\\");

    for (ULONG i = 0; i < ARRAYSIZE(folders); i++)
        if (begins_with(name, &folders[i], rest)) {
            UNICODE_STRING inside = *rest;

            begins_with(&inside, &global, rest);
            return TRUE;
        }
    *rest = *name;
    return FALSE;
}

/* Is `name` this object, or something below it?  *rest gets what follows, with its backslash, or nothing. */
static BOOLEAN leads_through(PCUNICODE_STRING name, PCUNICODE_STRING object, PUNICODE_STRING rest)
{
    UNICODE_STRING a, b;

    if (dos_name(name, &a) != dos_name(object, &b))
        return FALSE;
    return begins_with(&a, &b, rest) && (!rest->Length || rest->Buffer[0] == L'\\');
}

static BOOLEAN same_name(PCUNICODE_STRING a, PCUNICODE_STRING b)
{
    UNICODE_STRING rest;

    return leads_through(a, b, &rest) && !rest.Length;
}

static BOOLEAN good_name(PCUNICODE_STRING name)
{
    return name && name->Buffer && name->Length >= sizeof(WCHAR) && name->Length % sizeof(WCHAR) == 0 &&
           name->Length <= name->MaximumLength && name->Buffer[0] == L'\\';
}

static void put_name(UNICODE_STRING *to, WCHAR *text, PCUNICODE_STRING from)
{
    memcpy(text, from->Buffer, from->Length);
    text[from->Length / sizeof(WCHAR)] = 0;
    to->Buffer = text;
    to->Length = from->Length;
    to->MaximumLength = (USHORT)(from->Length + sizeof(WCHAR));
}

/* Is the name taken by a device or a link?  Called with the lock held. */
static BOOLEAN name_taken(PCUNICODE_STRING name)
{
    for (struct io_device *device = devices; device; device = device->next)
        if (device->name.Length && same_name(&device->name, name))
            return TRUE;
    for (struct io_link *link = links; link; link = link->next)
        if (same_name(&link->name, name))
            return TRUE;
    return FALSE;
}

/* ---- driver objects ----------------------------------------------------------------------------------- */

static NTSTATUS NTAPI refuse_request(PDEVICE_OBJECT device, PIRP irp)
{
    UNREFERENCED_PARAMETER(device);
    io_complete_request(irp, STATUS_INVALID_DEVICE_REQUEST, 0);
    return STATUS_INVALID_DEVICE_REQUEST;
}

static void widen(UNICODE_STRING *to, WCHAR *text, const char *prefix, const char *from)
{
    WCHAR *at = text;

    while (*prefix)
        *at++ = (UCHAR)*prefix++;
    while (*from)
        *at++ = (UCHAR)*from++;
    *at = 0;
    to->Buffer = text;
    to->Length = (USHORT)((at - text) * sizeof(WCHAR));
    to->MaximumLength = (USHORT)(to->Length + sizeof(WCHAR));
}

PDRIVER_OBJECT io_driver_create(const char *name, const char *registry_path)
{
    static const char prefix[] = "\\Driver\\";
    SIZE_T name_units = sizeof(prefix) + strlen(name);
    SIZE_T path_units = strlen(registry_path) + 1;
    struct io_driver *driver;

    if (name_units > 0x7000 || path_units > 0x7000)
        return NULL;
    driver = ex_allocate_pool(POOL_FLAG_NON_PAGED,
                              sizeof(*driver) + (name_units + path_units) * sizeof(WCHAR), DRIVER_TAG);
    if (!driver)
        return NULL;
    driver->object.Type = IO_TYPE_DRIVER;
    driver->object.Size = sizeof(driver->object);
    driver->object.DriverExtension = &driver->extension;
    driver->extension.DriverObject = &driver->object;
    for (ULONG i = 0; i <= IRP_MJ_MAXIMUM_FUNCTION; i++)
        driver->object.MajorFunction[i] = refuse_request;
    widen(&driver->object.DriverName, driver->text, prefix, name);
    widen(&driver->registry_path, driver->text + name_units, "", registry_path);
    return &driver->object;
}

PUNICODE_STRING io_driver_registry_path(PDRIVER_OBJECT driver)
{
    return &((struct io_driver *)driver)->registry_path;
}

void io_driver_started(PDRIVER_OBJECT driver)
{
    ke_lock_acquire(&io_device_lock);
    for (PDEVICE_OBJECT device = driver->DeviceObject; device; device = device->NextDevice)
        device->Flags &= ~(ULONG)DO_DEVICE_INITIALIZING;
    ke_lock_release(&io_device_lock);
}

void io_driver_delete(PDRIVER_OBJECT driver)
{
    while (driver->DeviceObject)
        io_delete_device(driver->DeviceObject);
    ex_free_pool(driver);
}

/* ---- devices ------------------------------------------------------------------------------------------ */

NTSTATUS io_create_device(PDRIVER_OBJECT driver, ULONG extension_bytes, PUNICODE_STRING name,
                          DEVICE_TYPE type, ULONG characteristics, BOOLEAN exclusive, PDEVICE_OBJECT *out,
                          void *caller)
{
    SIZE_T name_at = ((SIZE_T)extension_bytes + 15) & ~(SIZE_T)15;
    SIZE_T name_bytes = 0;
    struct io_device *device;
    NTSTATUS status = STATUS_SUCCESS;

    *out = NULL;
    if (name && name->Length) {
        if (!good_name(name))
            return STATUS_OBJECT_NAME_INVALID;
        name_bytes = name->Length + sizeof(WCHAR);
    }
    device = ex_allocate_pool_for(POOL_FLAG_NON_PAGED, sizeof(*device) + name_at + name_bytes, DEVICE_TAG,
                                  EX_POOL_DEVICE, caller);
    if (!device)
        return STATUS_INSUFFICIENT_RESOURCES;
    device->object.Type = IO_TYPE_DEVICE;
    device->object.Size = (USHORT)(sizeof(device->object) + extension_bytes);
    device->object.DriverObject = driver;
    device->object.DeviceExtension = extension_bytes ? device->extension : NULL;
    device->object.DeviceType = type;
    device->object.Characteristics = characteristics;
    device->object.StackSize = 1;
    device->object.Flags = DO_DEVICE_INITIALIZING | (exclusive ? DO_EXCLUSIVE : 0);
    if (name_bytes) {
        device->object.Flags |= DO_DEVICE_HAS_NAME;
        put_name(&device->name, (WCHAR *)(device->extension + name_at), name);
    }

    ke_lock_acquire(&io_device_lock);
    if (name_bytes && name_taken(name)) {
        status = STATUS_OBJECT_NAME_COLLISION;
    } else {
        device->next = devices;
        if (devices)
            devices->previous = device;
        devices = device;
        device->object.NextDevice = driver->DeviceObject;
        driver->DeviceObject = &device->object;
    }
    ke_lock_release(&io_device_lock);
    if (status == STATUS_SUCCESS)
        *out = &device->object;
    else
        ex_free_pool_kind(device, DEVICE_TAG, EX_POOL_DEVICE);
    return status;
}

void io_delete_device(PDEVICE_OBJECT object)
{
    struct io_device *device = (struct io_device *)object;
    PDEVICE_OBJECT *link;
    BOOLEAN last;

    ke_lock_acquire(&io_device_lock);
    for (link = &object->DriverObject->DeviceObject; *link && *link != object; link = &(*link)->NextDevice)
        ;
    if (!*link || device->deleted) { /* deleted already */
        ke_lock_release(&io_device_lock);
        ke_bug_check_ex(BAD_POOL_CALLER, 0x07, 0, DEVICE_TAG, object);
    }
    *link = object->NextDevice;
    object->NextDevice = NULL;
    if (device->previous)
        device->previous->next = device->next;
    else
        devices = device->next;
    if (device->next)
        device->next->previous = device->previous;
    device->deleted = TRUE;
    last = object->ReferenceCount == 0;
    if (!last) {
        device->previous = NULL;
        device->next = leaving;
        if (leaving)
            leaving->previous = device;
        leaving = device;
    }
    ke_lock_release(&io_device_lock);
    if (last)
        ex_free_pool_kind(object, DEVICE_TAG, EX_POOL_DEVICE);
}

void io_reference_device(PDEVICE_OBJECT device)
{
    ke_lock_acquire(&io_device_lock);
    device->ReferenceCount++;
    ke_lock_release(&io_device_lock);
}

void io_dereference_device(PDEVICE_OBJECT object)
{
    struct io_device *device = (struct io_device *)object;
    BOOLEAN last;

    ke_lock_acquire(&io_device_lock);
    KE_ASSERT(object->ReferenceCount > 0);
    last = --object->ReferenceCount == 0 && device->deleted;
    if (last) {
        if (device->previous)
            device->previous->next = device->next;
        else
            leaving = device->next;
        if (device->next)
            device->next->previous = device->previous;
        freeing++;
    }
    ke_lock_release(&io_device_lock);
    if (!last)
        return;
    ex_free_pool_kind(object, DEVICE_TAG, EX_POOL_DEVICE);
    ke_lock_acquire(&io_device_lock);
    freeing--;
    ke_lock_release(&io_device_lock);
}

BOOLEAN io_devices_leave(PDRIVER_OBJECT driver)
{
    BOOLEAN found;

    ke_lock_acquire(&io_device_lock);
    found = freeing != 0;
    for (struct io_device *device = leaving; device && !found; device = device->next)
        found = device->object.DriverObject == driver;
    ke_lock_release(&io_device_lock);
    return found;
}

/* ---- finding a device ---------------------------------------------------------------------------------- */

#define LINK_DEPTH 32 /* links that lead to links */

/* Called with the lock held: the device or the link with the longest name that leads on; *rest gets what
 * follows. */
static struct io_device *find_step(PCUNICODE_STRING name, struct io_link **link, PUNICODE_STRING rest)
{
    struct io_device *found = NULL;
    USHORT best = 0xFFFF;
    UNICODE_STRING after;

    *link = NULL;
    for (struct io_device *device = devices; device; device = device->next)
        if (device->name.Length && leads_through(name, &device->name, &after) && after.Length < best) {
            found = device;
            *rest = after;
            best = after.Length;
        }
    for (struct io_link *at = links; at; at = at->next)
        if (leads_through(name, &at->name, &after) && after.Length < best) {
            *link = at;
            found = NULL;
            *rest = after;
            best = after.Length;
        }
    return found;
}

/* Called with the lock held.  `name` lies in buffer[0]. */
static NTSTATUS follow(UNICODE_STRING *name, WCHAR buffer[2][IO_NAME_UNITS], struct io_device **device,
                       PUNICODE_STRING rest)
{
    for (unsigned depth = 0; depth < LINK_DEPTH; depth++) {
        WCHAR *into = buffer[(depth + 1) % 2];
        struct io_link *link;

        *device = find_step(name, &link, rest);
        if (*device)
            return STATUS_SUCCESS;
        if (!link)
            return STATUS_OBJECT_NAME_NOT_FOUND;
        if (link->target.Length + rest->Length > IO_NAME_UNITS * sizeof(WCHAR))
            return STATUS_OBJECT_NAME_INVALID;
        memcpy(into, link->target.Buffer, link->target.Length);
        memcpy(into + link->target.Length / sizeof(WCHAR), rest->Buffer, rest->Length);
        name->Length = name->MaximumLength = (USHORT)(link->target.Length + rest->Length);
        name->Buffer = into;
    }
    return STATUS_OBJECT_NAME_NOT_FOUND; /* they lead in a circle */
}

/* Called with the lock held. */
static NTSTATUS may_open(const struct io_device *device)
{
    if (device->object.Flags & DO_DEVICE_INITIALIZING ||
        device->object.DriverObject->Flags & DRVO_UNLOAD_INVOKED)
        return STATUS_NO_SUCH_DEVICE;
    if (device->object.Flags & DO_EXCLUSIVE && device->opens > 0)
        return STATUS_ACCESS_DENIED;
    return STATUS_SUCCESS;
}

NTSTATUS io_find_device(PCUNICODE_STRING asked, BOOLEAN open, PDEVICE_OBJECT *out, WCHAR *rest_out,
                        USHORT *rest_bytes)
{
    WCHAR buffer[2][IO_NAME_UNITS];
    UNICODE_STRING name = {.Buffer = buffer[0]}, rest = {0};
    struct io_device *device;
    NTSTATUS status;

    *out = NULL;
    if (!good_name(asked) || asked->Length > sizeof(buffer[0]))
        return STATUS_OBJECT_NAME_INVALID;
    memcpy(buffer[0], asked->Buffer, asked->Length);
    name.Length = name.MaximumLength = asked->Length;
    ke_lock_acquire(&io_device_lock);
    status = follow(&name, buffer, &device, &rest);
    if (status == STATUS_SUCCESS && !rest_out && rest.Length)
        status = STATUS_OBJECT_NAME_NOT_FOUND;
    if (status == STATUS_SUCCESS && open)
        status = may_open(device);
    if (status == STATUS_SUCCESS) {
        device->object.ReferenceCount++;
        if (open) {
            device->opens++;
            ((struct io_driver *)device->object.DriverObject)->opens++;
        }
        if (rest_out) {
            memcpy(rest_out, rest.Buffer, rest.Length);
            *rest_bytes = rest.Length;
        }
        *out = &device->object;
    }
    ke_lock_release(&io_device_lock);
    return status;
}

void io_end_open(PDEVICE_OBJECT device)
{
    ke_lock_acquire(&io_device_lock);
    ((struct io_device *)device)->opens--;
    ((struct io_driver *)device->DriverObject)->opens--;
    ke_lock_release(&io_device_lock);
    io_dereference_device(device);
}

LONG io_driver_opens(PDRIVER_OBJECT driver)
{
    LONG opens;

    ke_lock_acquire(&io_device_lock);
    opens = ((struct io_driver *)driver)->opens;
    ke_lock_release(&io_device_lock);
    return opens;
}

BOOLEAN io_driver_begin_unload(PDRIVER_OBJECT driver)
{
    BOOLEAN free;

    ke_lock_acquire(&io_device_lock);
    free = ((struct io_driver *)driver)->opens == 0;
    if (free)
        driver->Flags |= DRVO_UNLOAD_INVOKED;
    ke_lock_release(&io_device_lock);
    return free;
}

void io_device_walk(PDRIVER_OBJECT driver,
                    void (*fn)(void *context, PDEVICE_OBJECT device, PCUNICODE_STRING name), void *context)
{
    ke_lock_acquire(&io_device_lock);
    for (struct io_device *device = devices; device; device = device->next)
        if (!driver || device->object.DriverObject == driver)
            fn(context, &device->object, &device->name);
    ke_lock_release(&io_device_lock);
}

static void count_device(void *context, PDEVICE_OBJECT device, PCUNICODE_STRING name)
{
    UNREFERENCED_PARAMETER(device);
    UNREFERENCED_PARAMETER(name);
    ++*(size_t *)context;
}

size_t io_device_count(PDRIVER_OBJECT driver)
{
    size_t count = 0;

    io_device_walk(driver, count_device, &count);
    return count;
}

/* ---- symbolic links ----------------------------------------------------------------------------------- */

NTSTATUS io_create_symbolic_link(PUNICODE_STRING name, PUNICODE_STRING target, void *caller)
{
    struct io_link *link;
    NTSTATUS status = STATUS_SUCCESS;

    if (!good_name(name) || !target || !target->Buffer)
        return STATUS_OBJECT_NAME_INVALID;
    link = ex_allocate_pool(POOL_FLAG_NON_PAGED,
                            sizeof(*link) + name->Length + target->Length + 2 * sizeof(WCHAR), LINK_TAG);
    if (!link)
        return STATUS_INSUFFICIENT_RESOURCES;
    put_name(&link->name, link->text, name);
    put_name(&link->target, link->text + name->Length / sizeof(WCHAR) + 1, target);
    ke_lock_acquire(&io_device_lock);
    if (name_taken(name)) {
        status = STATUS_OBJECT_NAME_COLLISION;
    } else {
        link->next = links;
        links = link;
        OBSERVE(born, OBSERVE_LINK, link, 0, sizeof(*link), caller);
    }
    ke_lock_release(&io_device_lock);
    if (status != STATUS_SUCCESS)
        ex_free_pool(link);
    return status;
}

NTSTATUS io_delete_symbolic_link(PUNICODE_STRING name)
{
    struct io_link **at;
    struct io_link *link;

    if (!good_name(name))
        return STATUS_OBJECT_NAME_INVALID;
    ke_lock_acquire(&io_device_lock);
    for (at = &links; *at && !same_name(&(*at)->name, name); at = &(*at)->next)
        ;
    link = *at;
    if (link) {
        *at = link->next;
        OBSERVE(dead, OBSERVE_LINK, link);
    }
    ke_lock_release(&io_device_lock);
    if (!link)
        return STATUS_OBJECT_NAME_NOT_FOUND;
    ex_free_pool(link);
    return STATUS_SUCCESS;
}

void io_symbolic_link_walk(void (*fn)(void *context, PCUNICODE_STRING link, PCUNICODE_STRING target),
                           void *context)
{
    ke_lock_acquire(&io_device_lock);
    for (struct io_link *link = links; link; link = link->next)
        fn(context, &link->name, &link->target);
    ke_lock_release(&io_device_lock);
}

BOOLEAN io_symbolic_link_name(const void *object, char *text, size_t bytes)
{
    const struct io_link *link;
    size_t used = 0;

    ke_lock_acquire(&io_device_lock);
    for (link = links; link && link != object; link = link->next)
        ;
    for (; link && used < link->name.Length / sizeof(WCHAR) && used + 1 < bytes; used++)
        text[used] = (char)(link->name.Buffer[used] < 0x7F ? link->name.Buffer[used] : '?');
    ke_lock_release(&io_device_lock);
    text[used] = 0;
    return used > 0;
}

/* ---- what a driver calls ------------------------------------------------------------------------------ */

/*
 * IoCreateDevice - a device object with DeviceExtensionSize zeroed bytes at DeviceExtension, the driver's
 * until IoDeleteDevice.  DeviceName may be NULL.  STATUS_SUCCESS, STATUS_INSUFFICIENT_RESOURCES,
 * STATUS_OBJECT_NAME_COLLISION, STATUS_OBJECT_NAME_INVALID.  PASSIVE_LEVEL.  Page: wdm IoCreateDevice.
 */
NTSTATUS NTAPI IoCreateDevice(PDRIVER_OBJECT DriverObject, ULONG DeviceExtensionSize,
                              PUNICODE_STRING DeviceName, DEVICE_TYPE DeviceType, ULONG DeviceCharacteristics,
                              BOOLEAN Exclusive, PDEVICE_OBJECT *DeviceObject)
{
    return io_create_device(DriverObject, DeviceExtensionSize, DeviceName, DeviceType, DeviceCharacteristics,
                            Exclusive, DeviceObject, __builtin_return_address(0));
}

/*
 * IoCreateDeviceSecure - IoCreateDevice; security descriptor and class do not matter: who can reach a device here
 * may open it. STATUS_INVALID_PARAMETER without a name, which it requires.  PASSIVE_LEVEL.  Page: wdmsec
 * WdmlibIoCreateDeviceSecure.
 */
NTSTATUS NTAPI WdmlibIoCreateDeviceSecure(PDRIVER_OBJECT DriverObject, ULONG DeviceExtensionSize,
                                          PUNICODE_STRING DeviceName, DEVICE_TYPE DeviceType,
                                          ULONG DeviceCharacteristics, BOOLEAN Exclusive,
                                          PCUNICODE_STRING DefaultSDDLString, LPCGUID DeviceClassGuid,
                                          PDEVICE_OBJECT *DeviceObject)
{
    UNREFERENCED_PARAMETER(DefaultSDDLString);
    UNREFERENCED_PARAMETER(DeviceClassGuid);
    if (!DeviceName || !DeviceName->Length)
        return STATUS_INVALID_PARAMETER;
    return io_create_device(DriverObject, DeviceExtensionSize, DeviceName, DeviceType, DeviceCharacteristics,
                            Exclusive, DeviceObject, __builtin_return_address(0));
}

/* IoDeleteDevice - deletes it; the memory goes with the last work item or held completion that refers to it.
 */
VOID NTAPI IoDeleteDevice(PDEVICE_OBJECT DeviceObject)
{
    io_delete_device(DeviceObject);
}

/* IoCreateSymbolicLink - a second name for a device.  Statuses as IoCreateDevice.  PASSIVE_LEVEL. */
NTSTATUS NTAPI IoCreateSymbolicLink(PUNICODE_STRING SymbolicLinkName, PUNICODE_STRING DeviceName)
{
    return io_create_symbolic_link(SymbolicLinkName, DeviceName, __builtin_return_address(0));
}

/* IoDeleteSymbolicLink - STATUS_SUCCESS or STATUS_OBJECT_NAME_NOT_FOUND.  PASSIVE_LEVEL. */
NTSTATUS NTAPI IoDeleteSymbolicLink(PUNICODE_STRING SymbolicLinkName)
{
    return io_delete_symbolic_link(SymbolicLinkName);
}

/* IoGetCurrentProcess - the one process there is.  Any IRQL. */
PEPROCESS NTAPI IoGetCurrentProcess(VOID)
{
    return ps_system_process();
}
