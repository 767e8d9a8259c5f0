/*
 * order_cases.h - the cases of order.c: X(name, what is reported when the driver is not sound).
 * The registry value Case counts from 0 in this order.
 */
#define ORDER_CASES(X)                                                                                       \
    X(Event, "data-race")                                                                                    \
    X(SynchronizationEvent, "data-race")                                                                     \
    X(EventPolled, "data-race")                                                                              \
    X(WaitAny, "data-race")                                                                                  \
    X(WaitAll, "data-race")                                                                                  \
    X(Semaphore, "data-race")                                                                                \
    X(Mutex, "data-race")                                                                                    \
    X(TimerWait, "data-race")                                                                                \
    X(TimerDpc, "data-race")                                                                                 \
    X(Dpc, "data-race")                                                                                      \
    X(FlushDpcs, "data-race")                                                                                \
    X(WorkItem, "data-race")                                                                                 \
    X(IoWorkItem, "data-race")                                                                               \
    X(ThreadStart, "data-race")                                                                              \
    X(ThreadEnd, "data-race")                                                                                \
    X(SpinLock, "data-race")                                                                                 \
    X(QueuedSpinLock, "data-race")                                                                           \
    X(SharedSpinLock, "data-race")                                                                           \
    X(CancelSpinLock, "data-race")                                                                           \
    X(FastMutex, "data-race")                                                                                \
    X(GuardedMutex, "data-race")                                                                             \
    X(PushLock, "data-race")                                                                                 \
    X(PushLockReader, "data-race")                                                                           \
    X(Resource, "data-race")                                                                                 \
    X(ResourceReader, "data-race")                                                                           \
    X(Rundown, "data-race")                                                                                  \
    X(RemoveLock, "data-race")                                                                               \
    X(RunOnce, "data-race")                                                                                  \
    X(Interlocked, "data-race")                                                                              \
    X(InterlockedCount, "data-race")                                                                         \
    X(AcquireRelease, "data-race")                                                                           \
    X(VolatileFlag, "data-race")                                                                             \
    X(SequencedList, "data-race")                                                                            \
    X(InterlockedList, "data-race")                                                                          \
    X(CancelRoutine, "data-race")                                                                            \
    X(CopiedMemory, "data-race")                                                                             \
    X(StackOfAnother, "data-race")                                                                           \
    X(ReadByMany, "data-race")                                                                               \
    X(Neighbours, NULL)                                                                                      \
    X(Freed, "use-after-free")                                                                               \
    X(FreedIrp, "use-after-free")                                                                            \
    X(FreedMdl, "use-after-free")                                                                            \
    X(DeviceInFreedBlock, "use-after-free")                                                                  \
    X(FreedWhileUsed, NULL)
