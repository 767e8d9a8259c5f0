/*
 * process.c - the one process there is.
 */
#include "nt/ps/ps.h"
#include "nt/ob/ob.h"
#include "nt/ke/internal.h"

struct ps_process {
    DISPATCHER_HEADER header; /* ProcessObject: never signalled, it ends with the runtime */
};

static struct ps_process *system_process;

PEPROCESS ps_system_process(void)
{
    struct ps_process *process = __atomic_load_n(&system_process, __ATOMIC_ACQUIRE), *nothing = NULL;

    if (process)
        return (PEPROCESS)process;
    process = ob_create_object(&ob_process_type, sizeof *process);
    KE_ASSERT(process != NULL);
    ke_initialize_header(&process->header, ProcessObject, sizeof *process, 0);
    if (!__atomic_compare_exchange_n(&system_process, &nothing, process, 0, __ATOMIC_ACQ_REL,
                                     __ATOMIC_ACQUIRE)) {
        ob_dereference_object(process);
        process = nothing;
    }
    return (PEPROCESS)process;
}
