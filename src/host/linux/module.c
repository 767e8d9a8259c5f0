/*
 * module.c - loading of drivers, scheduling points (none here) and the ends of the process.
 */
#include "linux.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int uwsk_points_enabled;

void uwsk_point(int kind, const volatile void *object)
{
    (void)kind;
    (void)object;
}

void *host_module_load(const char *path, char *error, size_t error_bytes)
{
    char local[PATH_MAX];

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
    dlclose(module);
    linux_modules_changed();
}

void host_exit(int status)
{
    _exit(status);
}

void host_abort(void)
{
    abort();
}
