/*
 * Bug check codes: the first argument of KeBugCheckEx. The table holds those
 * that this runtime can raise and the ones that drivers commonly name.
 * Values: Microsoft's published bug check code reference.
 */
#ifndef _BUGCODES_
#define _BUGCODES_

#define APC_INDEX_MISMATCH                                       0x00000001
#define DEVICE_QUEUE_NOT_BUSY                                    0x00000002
#define INVALID_AFFINITY_SET                                     0x00000003
#define INVALID_DATA_ACCESS_TRAP                                 0x00000004
#define INVALID_PROCESS_ATTACH_ATTEMPT                           0x00000005
#define INVALID_PROCESS_DETACH_ATTEMPT                           0x00000006
#define INVALID_SOFTWARE_INTERRUPT                               0x00000007
#define IRQL_NOT_DISPATCH_LEVEL                                  0x00000008
#define IRQL_NOT_GREATER_OR_EQUAL                                0x00000009
#define IRQL_NOT_LESS_OR_EQUAL                                   0x0000000A
#define NO_EXCEPTION_HANDLING_SUPPORT                            0x0000000B
#define MAXIMUM_WAIT_OBJECTS_EXCEEDED                            0x0000000C
#define MUTEX_LEVEL_NUMBER_VIOLATION                             0x0000000D
#define NO_USER_MODE_CONTEXT                                     0x0000000E
#define SPIN_LOCK_ALREADY_OWNED                                  0x0000000F
#define SPIN_LOCK_NOT_OWNED                                      0x00000010
#define THREAD_NOT_MUTEX_OWNER                                   0x00000011
#define TRAP_CAUSE_UNKNOWN                                       0x00000012
#define REFERENCE_BY_POINTER                                     0x00000018
#define BAD_POOL_HEADER                                          0x00000019
#define MEMORY_MANAGEMENT                                        0x0000001A
#define NO_SPIN_LOCK_AVAILABLE                                   0x0000001D
#define KMODE_EXCEPTION_NOT_HANDLED                              0x0000001E
#define SHARED_RESOURCE_CONV_ERROR                               0x0000001F
#define KERNEL_APC_PENDING_DURING_EXIT                           0x00000020
#define QUOTA_UNDERFLOW                                          0x00000021
#define FILE_SYSTEM                                              0x00000022
#define RDR_FILE_SYSTEM                                          0x00000027
#define SECURITY_SYSTEM                                          0x00000029
#define INCONSISTENT_IRP                                         0x0000002A
#define PANIC_STACK_SWITCH                                       0x0000002B
#define PORT_DRIVER_INTERNAL                                     0x0000002C
#define DATA_BUS_ERROR                                           0x0000002E
#define SET_OF_INVALID_CONTEXT                                   0x00000030
#define PHASE0_INITIALIZATION_FAILED                             0x00000031
#define PHASE1_INITIALIZATION_FAILED                             0x00000032
#define CACHE_MANAGER                                            0x00000034
#define NO_MORE_IRP_STACK_LOCATIONS                              0x00000035
#define DEVICE_REFERENCE_COUNT_NOT_ZERO                          0x00000036
#define SYSTEM_EXIT_OWNED_MUTEX                                  0x00000039
#define SYSTEM_UNWIND_PREVIOUS_USER                              0x0000003A
#define SYSTEM_SERVICE_EXCEPTION                                 0x0000003B
#define INTERRUPT_UNWIND_ATTEMPTED                               0x0000003C
#define INTERRUPT_EXCEPTION_NOT_HANDLED                          0x0000003D
#define MULTIPROCESSOR_CONFIGURATION_NOT_SUPPORTED               0x0000003E
#define NO_MORE_SYSTEM_PTES                                      0x0000003F
#define TARGET_MDL_TOO_SMALL                                     0x00000040
#define MUST_SUCCEED_POOL_EMPTY                                  0x00000041
#define MULTIPLE_IRP_COMPLETE_REQUESTS                           0x00000044
#define CANCEL_STATE_IN_COMPLETED_IRP                            0x00000048
#define PAGE_FAULT_WITH_INTERRUPTS_OFF                           0x00000049
#define IRQL_GT_ZERO_AT_SYSTEM_SERVICE                           0x0000004A
#define NO_PAGES_AVAILABLE                                       0x0000004D
#define PFN_LIST_CORRUPT                                         0x0000004E
#define NDIS_INTERNAL_ERROR                                      0x0000004F
#define PAGE_FAULT_IN_NONPAGED_AREA                              0x00000050
#define REGISTRY_ERROR                                           0x00000051
#define PROCESS_HAS_LOCKED_PAGES                                 0x00000076
#define KERNEL_STACK_INPAGE_ERROR                                0x00000077
#define KERNEL_DATA_INPAGE_ERROR                                 0x0000007A
#define SYSTEM_THREAD_EXCEPTION_NOT_HANDLED                      0x0000007E
#define UNEXPECTED_KERNEL_MODE_TRAP                              0x0000007F
#define NMI_HARDWARE_FAILURE                                     0x00000080
#define KERNEL_MODE_EXCEPTION_NOT_HANDLED                        0x0000008E
#define MACHINE_CHECK_EXCEPTION                                  0x0000009C
#define DRIVER_POWER_STATE_FAILURE                               0x0000009F
#define INTERNAL_POWER_ERROR                                     0x000000A0
#define ATTEMPTED_SWITCH_FROM_DPC                                0x000000B8
#define ATTEMPTED_WRITE_TO_READONLY_MEMORY                       0x000000BE
#define MUTEX_ALREADY_OWNED                                      0x000000BF
#define SPECIAL_POOL_DETECTED_MEMORY_CORRUPTION                  0x000000C1
#define BAD_POOL_CALLER                                          0x000000C2
#define DRIVER_VERIFIER_DETECTED_VIOLATION                       0x000000C4
#define DRIVER_CORRUPTED_EXPOOL                                  0x000000C5
#define DRIVER_CAUGHT_MODIFYING_FREED_POOL                       0x000000C6
#define TIMER_OR_DPC_INVALID                                     0x000000C7
#define IRQL_UNEXPECTED_VALUE                                    0x000000C8
#define DRIVER_VERIFIER_IOMANAGER_VIOLATION                      0x000000C9
#define DRIVER_LEFT_LOCKED_PAGES_IN_PROCESS                      0x000000CB
#define PAGE_FAULT_IN_FREED_SPECIAL_POOL                         0x000000CC
#define PAGE_FAULT_BEYOND_END_OF_ALLOCATION                      0x000000CD
#define DRIVER_UNLOADED_WITHOUT_CANCELLING_PENDING_OPERATIONS    0x000000CE
#define DRIVER_CORRUPTED_MMPOOL                                  0x000000D0
#define DRIVER_IRQL_NOT_LESS_OR_EQUAL                            0x000000D1
#define DRIVER_PORTION_MUST_BE_NONPAGED                          0x000000D3
#define SYSTEM_SCAN_AT_RAISED_IRQL_CAUGHT_IMPROPER_DRIVER_UNLOAD 0x000000D4
#define DRIVER_PAGE_FAULT_IN_FREED_SPECIAL_POOL                  0x000000D5
#define DRIVER_PAGE_FAULT_BEYOND_END_OF_ALLOCATION               0x000000D6
#define DRIVER_USED_EXCESSIVE_PTES                               0x000000D8
#define SYSTEM_PTE_MISUSE                                        0x000000DA
#define POOL_CORRUPTION_IN_FILE_AREA                             0x000000DE
#define WORKER_THREAD_RETURNED_AT_BAD_IRQL                       0x000000E1
#define MANUALLY_INITIATED_CRASH                                 0x000000E2
#define RESOURCE_NOT_OWNED                                       0x000000E3
#define WORKER_INVALID                                           0x000000E4
#define DRIVER_VERIFIER_DMA_VIOLATION                            0x000000E6
#define THREAD_STUCK_IN_DEVICE_DRIVER                            0x000000EA
#define CRITICAL_PROCESS_DIED                                    0x000000EF
#define FLTMGR_FILE_SYSTEM                                       0x000000F5
#define DRIVER_OVERRAN_STACK_BUFFER                              0x000000F7
#define ATTEMPTED_EXECUTE_OF_NOEXECUTE_MEMORY                    0x000000FC
#define BUGCODE_USB_DRIVER                                       0x000000FE
#define CLOCK_WATCHDOG_TIMEOUT                                   0x00000101
#define CRITICAL_STRUCTURE_CORRUPTION                            0x00000109
#define WDF_VIOLATION                                            0x0000010D
#define VIDEO_SCHEDULER_INTERNAL_ERROR                           0x00000119
#define WHEA_UNCORRECTABLE_ERROR                                 0x00000124
#define NMR_INVALID_STATE                                        0x00000125
#define NETIO_INVALID_POOL_CALLER                                0x00000126
#define DPC_WATCHDOG_VIOLATION                                   0x00000133
#define KERNEL_SECURITY_CHECK_FAILURE                            0x00000139
#define KERNEL_MODE_HEAP_CORRUPTION                              0x0000013A

/* Marks exceptions turned into a bug check although a handler existed (M forms). */
#define SYSTEM_THREAD_EXCEPTION_NOT_HANDLED_M (SYSTEM_THREAD_EXCEPTION_NOT_HANDLED | 0x10000000)
#define KMODE_EXCEPTION_NOT_HANDLED_M         (KMODE_EXCEPTION_NOT_HANDLED | 0x10000000)
#define KERNEL_MODE_EXCEPTION_NOT_HANDLED_M   (KERNEL_MODE_EXCEPTION_NOT_HANDLED | 0x10000000)

#endif
