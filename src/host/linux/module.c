/*
 * module.c - loading of drivers, scheduling points (none of Linux's own) and the ends of the process.
 */
#include "host/backend.h"
#include "linux.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int uwsk_points_enabled;
int host_watched;

void uwsk_point(int kind, const volatile void *object)
{
    if (host_backend)
        host_backend->point(kind, object);
}

void host_access_watched(const volatile void *address, size_t bytes, int write)
{
    if (host_backend)
        host_backend->access(address, bytes, write);
}

void *host_module_load(const char *path, char *error, size_t error_bytes)
{
    char local[PATH_MAX];

    if (__builtin_expect(host_backend != NULL, 0))
        return host_backend->module_load(path, error, error_bytes);
    if (!strchr(path, '/')) { /* a file here, never a library of the system */
        snprintf(local, sizeof local, "./%s", path);
        path = local;
    }
    void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);

    if (!module) {
        const char *reason = dlerror();

        if (error && error_bytes)
            snprintf(error, error_bytes, "%s", reason ? reason : "unknown reason");
        return NULL;
    }
    linux_modules_changed();
    return module;
}

void *host_module_symbol(void *module, const char *name)
{
    return dlsym(module, name);
}

void host_module_unload(void *module)
{
    if (__builtin_expect(host_backend != NULL, 0)) {
        host_backend->module_unload(module);
        return;
    }
    dlclose(module);
    linux_modules_changed();
}

void host_exit(int status)
{
    if (__builtin_expect(host_backend != NULL, 0))
        host_backend->exit(status);
    _exit(status);
}

void host_abort(void)
{
    if (__builtin_expect(host_backend != NULL, 0))
        host_backend->abort();
    abort();
}
