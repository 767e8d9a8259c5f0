/*
 * files.c - the directory that stands for the system's volume (`uwsk run --files`).
 */
#include "runner.h"

#include "nt/fs/fs.h"

#include <ntstatus.h>

int32_t uwsk_files_set(const char *directory, struct uwsk_problem *problem)
{
    const char *reason = NULL;
    struct uwsk_problem own;
    int root = directory ? host_file_root(directory, &reason) : -1;
    int32_t status = root == HOST_FILE_BROKEN ? STATUS_NOT_SUPPORTED : STATUS_OBJECT_PATH_NOT_FOUND;

    if (!directory || root >= 0) {
        fs_set_root(root);
        return STATUS_SUCCESS;
    }
    runner_problem(problem ? problem : &own, status, "%s: cannot be used: %s", directory, reason);
    return status;
}
