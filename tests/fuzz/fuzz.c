/*
 * fuzz.c - see fuzz.h.  The runtime is started once, on epoll unless UWSK_TEST_MODES says otherwise: what libFuzzer
 * watches is the code of the rooms, and that is the same on every back end.
 */
#include "fuzz.h"

#include "nt/ex/ex.h"

#define FUZZ_TAG 'zzuF'

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const UCHAR *data, SIZE_T size);

enum { BLOCKS = 256 };

static struct wt_op ops[FUZZ_OPS];
static BOOLEAN used[FUZZ_OPS], held[FUZZ_OPS];
static PVOID kept[BLOCKS];
static ULONG kept_count;

UCHAR fuzz_u8(struct fuzz *fuzz)
{
    if (fuzz->left == 0)
        return 0;
    fuzz->left--;
    return *fuzz->data++;
}

USHORT fuzz_u16(struct fuzz *fuzz)
{
    USHORT low = fuzz_u8(fuzz);

    return (USHORT)(low | fuzz_u8(fuzz) << 8);
}

ULONG fuzz_u32(struct fuzz *fuzz)
{
    ULONG low = fuzz_u16(fuzz);

    return low | (ULONG)fuzz_u16(fuzz) << 16;
}

ULONG fuzz_below(struct fuzz *fuzz, ULONG limit)
{
    return fuzz_u8(fuzz) % limit;
}

PVOID fuzz_block(struct fuzz *fuzz, SIZE_T size)
{
    UCHAR *block;

    if (size == 0)
        return NULL;
    block = ExAllocatePool2(POOL_FLAG_NON_PAGED, size, FUZZ_TAG); /* zeroed */
    EXPECT(block != NULL);
    if (size > fuzz->left)
        size = fuzz->left;
    RtlCopyMemory(block, fuzz->data, size);
    fuzz->data += size;
    fuzz->left -= size;
    return block;
}

void fuzz_free(PVOID block)
{
    if (block != NULL)
        ExFreePoolWithTag(block, FUZZ_TAG);
}

void fuzz_keep(PVOID block)
{
    if (block == NULL)
        return;
    EXPECT(kept_count < BLOCKS);
    kept[kept_count++] = block;
}

struct wt_op *fuzz_op(void)
{
    for (ULONG i = 0; i < FUZZ_OPS; i++) {
        if (used[i] && !held[i] && wt_is_done(&ops[i])) {
            fuzz_wait(&ops[i]);
        }
        if (!used[i]) {
            wt_op_init(&ops[i]);
            used[i] = TRUE;
            return &ops[i];
        }
    }
    return NULL;
}

NTSTATUS fuzz_wait(struct wt_op *op)
{
    NTSTATUS status = wt_wait(op);

    wt_op_free(op);
    used[op - ops] = held[op - ops] = FALSE;
    return status;
}

void fuzz_hold(struct wt_op *op)
{
    held[op - ops] = TRUE;
}

struct wt_op *fuzz_pending(ULONG index)
{
    return index < FUZZ_OPS && used[index] ? &ops[index] : NULL;
}

void fuzz_drain(void)
{
    for (ULONG i = 0; i < FUZZ_OPS; i++) {
        if (used[i])
            fuzz_wait(&ops[i]);
    }
    while (kept_count != 0)
        fuzz_free(kept[--kept_count]);
}

static BOOLEAN tell(void *context, const struct ex_pool_block *block)
{
    UNREFERENCED_PARAMETER(context);
    if (block->caller != NULL)
        TEST_NOTE("left: %llu bytes, tag %.4s, allocated at %p", (unsigned long long)block->bytes,
                  (const char *)&block->tag, block->caller);
    return TRUE;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    UNREFERENCED_PARAMETER(argc);
    UNREFERENCED_PARAMETER(argv);
    test_mode_from_environment();
    wt_setup();
    return 0;
}

int LLVMFuzzerTestOneInput(const UCHAR *data, SIZE_T size)
{
    struct fuzz fuzz = {data, size};
    SIZE_T before, after, bytes;

    ex_pool_driver_usage(&before, &bytes);
    fuzz_one(&fuzz);
    fuzz_drain();
    ex_pool_driver_usage(&after, &bytes);
    if (after != before)
        ex_pool_walk(tell, NULL);
    EXPECT_EQ(after, before);
    EXPECT_EQ(KeGetCurrentIrql(), PASSIVE_LEVEL);
    return 0;
}
