#!/bin/bash
# test_cli.sh UWSK SOURCES [--only PATTERN] [--verbose]: the command as its users meet it: arguments, messages, exit
# statuses.
#
# Each test is a function whose name starts with cli_; listing.tsv says which rules it covers.  Result lines go to
# $UWSK_TEST_RESULTS.  $UWSK_SANITIZE: the sanitizers of this build; what a sanitizer reports itself is expected to be
# its report.
set -u

uwsk=$1
sources=$2
shift 2
. "$(dirname "$0")/../support/shell.sh"
shell_options "$@"
sanitize=${UWSK_SANITIZE:-}
without_uring=${UWSK_WITHOUT_URING:-$(dirname "$uwsk")/tests/without_uring}
shell_work

# ---- drivers

build() { # NAME: compiles NAME.c into NAME.so
    local options=
    [ -z "$sanitize" ] || options=-fsanitize=$sanitize
    # shellcheck disable=SC2086
    if ! "$uwsk" cc -Wall -Wextra -Wno-infinite-recursion -O1 -g $options -o "$1.so" "$sources/$1.c" >"$1.log" 2>&1; then
        echo "test_cli.sh: $1.c cannot be compiled" >&2
        cat "$1.log" >&2
        exit 1
    fi
}

build clean
build behave
build no_entry
build registry
build files
build nmr
# As one links who does not use `uwsk cc`: with functions that are nowhere.
"$uwsk" cc -c -o missing.o "$sources/missing.c" && gcc -shared -nostdlib -o missing.so missing.o || exit 1

behave() { # NAME: behave.so under the name that makes it behave so
    cp behave.so "$1.so"
}

# ---- what tests are written with

# run STATUS ARGUMENT...: `uwsk run` with these arguments ends with this status; its output is in out and err.
run() {
    local expected=$1 status
    shift
    timeout 60 "$uwsk" run "$@" >out 2>err
    status=$?
    [ "$status" = "$expected" ] || fail "uwsk run $*: status $status instead of $expected"
}

# usage_error PATTERN ARGUMENT...: `uwsk ARGUMENT...` is wrong usage and says so in one line.
usage_error() {
    local pattern=$1 status
    shift
    "$uwsk" "$@" >out 2>err
    status=$?
    [ "$status" = 2 ] || fail "uwsk $*: status $status instead of 2"
    has err "$pattern"
    one_line err
    [ ! -s out ] || fail "uwsk $*: something on standard output"
}

# has_said PATTERN FILE: within 10 s.
has_said() {
    for _ in $(seq 500); do
        grep -q "$1" "$2" && return
        sleep 0.02
    done
    fail "no '$1' in $2 within 10 s"
}

# start ARGUMENT...: `uwsk run` in the background; its process is $running.
start() {
    : >out # the job empties them too late: an earlier run's lines would be believed
    : >err
    "$uwsk" run "$@" >out 2>err &
    running=$!
}

# The same until it says that the driver is loaded.
in_background() {
    start "$@"
    has_said "is loaded" err
}

# Two signals that are both there before the process looks at one, as timeout(1) sends them.
two_signals() {
    kill -STOP "$running"
    kill -TERM "$running"
    kill -INT "$running"
    kill -CONT "$running"
}

ends_with() { # STATUS: the process in the background, within 30 s
    local status
    for _ in $(seq 1500); do
        kill -0 "$running" 2>/dev/null || break
        sleep 0.02
    done
    ! kill -KILL "$running" 2>/dev/null || fail "it has not ended within 30 s"
    wait "$running"
    status=$?
    [ "$status" = "$1" ] || fail "status $status instead of $1"
}

# ThreadSanitizer hands a signal over only when the thread calls into libc: a thread that waits does not tell its stack,
# and the command does not see a signal while it waits for a driver.
signals_come_late() {
    case $sanitize in
    *thread*) return 0 ;;
    esac
    return 1
}

# A crash is a bug check, or the sanitizer's report. crash NAME CODE PATTERN...
crash() {
    local name=$1 code=$2 status
    shift 2
    behave "$name"
    if [ -n "$sanitize" ]; then
        timeout 60 "$uwsk" run --for 0.05 "$name.so" >out 2>err
        status=$?
        [ "$status" != 0 ] && [ "$status" != 3 ] || fail "status $status under $sanitize"
        has err "Sanitizer"
        return
    fi
    run 3 --for 0.05 "$name.so"
    has err "^\*\*\* STOP: 0x$code \((0x[0-9A-F]{16},){3}0x[0-9A-F]{16}\) [A-Z_]+$"
    has err "driver $name"
    while [ $# -gt 0 ]; do
        has err "$1"
        shift
    done
}

# leak NAME PATTERN...: unloads, and is named for what it left.
leak() {
    local name=$1
    shift
    behave "$name"
    run 4 --for 0.05 "$name.so"
    has err "uwsk: $name left behind:"
    while [ $# -gt 0 ]; do
        has err "$1"
        shift
    done
}

# ---- the tests

cli_clean_driver() {
    run 0 --for 0.2 clean.so
    has out 'clean: \\Registry\\Machine\\System\\CurrentControlSet\\Services\\clean as \\Driver\\clean at IRQL 0'
    has out '^\[ +[0-9]+\.[0-9]{6}\] T[0-9]+ +PASSIVE +ticked$'
    has out '^\[ +[0-9]+\.[0-9]{6}\] T[0-9]+ +DISPATCH tick$'
    has out 'closed: 0x00000000$'
    has err 'uwsk: clean is unloaded'
    has err 'uwsk: clean left nothing behind'
    lacks err 'STOP'
}

# Every choice of every option is taken, as two words and with '='.
cli_run_options() {
    local how
    for how in natural always-pend inline-when-possible; do
        run 0 --for 0.05 --completion "$how" clean.so
    done
    for how in dispatch passive mixed; do
        run 0 --for=0.05 --deliver="$how" clean.so
    done
    for how in sent acked copied; do
        run 0 --for=0.05 --send-complete="$how" --transport=epoll clean.so
    done
    run 0 --for 0 -- clean.so
}

cli_processors() {
    run 0 --for 0.05 --processors 3 clean.so
    has out 'on 3 processors'
    run 0 --for 0.05 --processors 1 clean.so
    has out 'on 1 processors'
}

# A message with two newlines is two lines; each has time, thread and IRQL.
# DriverEntry waits for a provider that is late; a provider that leaves waits for the driver.
cli_provider_comes_and_goes() {
    local stay
    run 0 --for 0 --provider-delay 60 clean.so
    has err "^uwsk: WSK's provider has attached$"
    lacks err "provider leaves"
    for stay in 500 4000 16000; do # until the machine is quick enough: the driver has it when it is loaded
        : >err
        "$uwsk" run --provider-leave=$stay clean.so >out 2>err &
        running=$!
        for _ in $(seq 1000); do
            grep -Eq "is loaded|provider leaves" err && break
            sleep 0.02
        done
        grep -q "provider leaves" err || break
        kill -KILL "$running"
        wait "$running" 2>/dev/null
    done
    for _ in $(seq 1500); do
        grep -q "provider leaves" err && break
        sleep 0.02
    done
    lacks err "provider has"
    kill -TERM "$running"
    ends_with 0
    has err "^uwsk: WSK's provider has left$"
    has err 'uwsk: clean left nothing behind'
    usage_error '--provider-delay soon: ' run --provider-delay soon clean.so
    usage_error '--provider-leave -1: ' run --provider-leave -1 clean.so
}

cli_print_lines() {
    behave first
    run 0 --for 0.05 first.so
    has out '^\[ +[0-9]+\.[0-9]{6}\] T[0-9]+ +PASSIVE +first$'
    has out '^\[ +[0-9]+\.[0-9]{6}\] T[0-9]+ +PASSIVE +second line$'
    lacks err 'second line'
}

cli_entry_fails() {
    behave entry_fails
    run 1 entry_fails.so
    has err 'entry_fails: DriverEntry failed with 0xC000009A STATUS_INSUFFICIENT_RESOURCES: [a-z]'
    one_line err
}

cli_entry_fails_and_leaks() {
    behave entry_leaks
    run 1 entry_leaks.so
    has err 'STATUS_DEVICE_NOT_READY'
    has err "3 pool blocks, tag 'Behv', 300 bytes"
}

# One of several that fails: those before it are unloaded.
cli_second_driver_fails() {
    behave first
    behave entry_fails
    run 1 --for 5 first.so entry_fails.so
    has err 'first is unloaded'
    has err 'first left nothing behind'
}

cli_missing_file() {
    run 1 nowhere.so
    has err '^uwsk: nowhere.so: there is no such file$'
    one_line err
    run 1 .
    has err 'is a folder'
}

cli_not_a_driver() {
    echo "int x;" >text.so
    : >empty.so
    printf 'MZ\220\0\3' >windows.so
    run 1 text.so
    has err 'text.so: is not a driver: no ELF file' && one_line err
    run 1 empty.so
    has err 'empty.so: is empty' && one_line err
    run 1 windows.so
    has err 'windows.so: is a Windows driver' && one_line err
    run 1 missing.o
    has err 'missing.o: is an object file' && one_line err
    run 1 "$uwsk"
    has err 'is a program, not a driver' && one_line err
    head -c 100 clean.so >cut.so
    run 1 cut.so
    has err 'cut.so: is not a driver' && one_line err
}

cli_wrong_processor() {
    cp no_entry.so arm.so
    printf '\267' | dd of=arm.so bs=1 seek=18 conv=notrunc 2>/dev/null # e_machine
    run 1 arm.so
    has err 'arm.so: is made for 64-bit ARM, this is 64-bit x86'
    one_line err
}

cli_no_driver_entry() {
    run 1 no_entry.so
    has err 'no_entry.so: has no DriverEntry'
    one_line err
}

cli_undefined_symbol() {
    run 1 missing.so
    has err 'missing.so: this driver needs the WDK functions (IoReticulateSplines, KeFrobnicate|KeFrobnicate, IoReticulateSplines), which uwsk does not have$'
    one_line err
}

cli_loaded_twice() {
    run 1 clean.so ./clean.so
    has err 'clean.so: is loaded already'
    has err 'clean left nothing behind'
}

cli_usage() {
    usage_error 'no driver is named' run
    usage_error 'there is no option --fro; did you mean --for\?' run --fro 3 clean.so
    usage_error '--for needs a value' run clean.so --for
    usage_error '--for soon: not a number' run --for soon clean.so
    usage_error '--for -1: has to be from 0' run --for=-1 clean.so
    usage_error '--processors 0: has to be from 1 to 64' run --processors 0 clean.so
    usage_error '--processors 1.5: not a whole number' run --processors 1.5 clean.so
    usage_error '--completion never: not one of natural, always-pend or inline-when-possible' run --completion never clean.so
    usage_error '--deliver up: not one of dispatch, passive or mixed' run --deliver=up clean.so
    usage_error '--core takes no value' run --core=yes clean.so
    usage_error 'there is no command "rnu"; did you mean "uwsk run"\?' rnu
    usage_error 'there is no command "zzzzzz"' zzzzzz
    usage_error 'doctor: takes no argument' doctor now
    usage_error 'there is no option --halp; did you mean --help\?' doctor --halp
    "$uwsk" >out 2>err
    [ $? = 2 ] || fail "uwsk alone: not status 2"
    has err '^usage: uwsk COMMAND'
}

cli_registry() {
    run 0 --for 0 --registry Port=dword:0x1234 --registry 'List=multi:A;B' --registry=Text=sz:héh \
        --registry Big=qword:5000000000 --registry Raw=hex:01,02,0a0b registry.so
    has out 'Port type 4 length 4: 34120000$'
    has out 'List type 7 length 10: 41000000$'
    has out 'Text type 1 length 8: 6800e900$'
    has out 'Big type 11 length 8: 00f2052a$'
    has out 'Raw type 3 length 4: 01020a0b$'
    usage_error '--registry Port=dword:x: not NAME=dword:N' run --registry Port=dword:x clean.so
    usage_error '--registry Port=dword:4294967296: not' run --registry Port=dword:4294967296 clean.so
    usage_error '--registry Raw=hex:1: not' run --registry Raw=hex:1 clean.so
    usage_error '--registry Port: not' run --registry Port clean.so
    usage_error '--registry A=b:c: not' run --registry A=b:c clean.so
    usage_error '--registry needs a value' run clean.so --registry
}

cli_files() {
    mkdir -p disk/windows/SYSTEM32
    echo "a setting" >disk/windows/SYSTEM32/Config.txt
    run 0 --for 0 --files disk files.so
    has out 'config: 00000000$'
    has out 'read 00000000: a setting$'
    has out 'wrote 00000000$'
    run 0 --for 0 --files=disk files.so
    [ "$(cat disk/log.txt)" = "$(printf 'a line\na line')" ] || fail "disk/log.txt: $(cat disk/log.txt)"
    has err 'files left nothing behind'
    lacks err '--files DIR'
    rm -rf disk
}

# Without --files there is no file, and that is said once.
cli_files_without_a_directory() {
    run 0 --for 0 files.so
    has out 'config: c000003a$'
    has err '^uwsk: the driver opens \\SystemRoot\\System32\\config.txt, but no directory .*: run it with --files DIR$'
    usage_error '--files nowhere: cannot be used: No such file' run --files nowhere files.so
    usage_error '--files files.so: cannot be used: Not a directory' run --files files.so files.so
    usage_error '--files needs a value' run files.so --files
}

cli_help() {
    local how
    for how in "--help" "help" "run --help" "help run" "doctor --help" "cc --help" "help cc"; do
        # shellcheck disable=SC2086
        "$uwsk" $how >out 2>err || fail "uwsk $how: status $?"
        has out '^usage: uwsk'
        [ ! -s err ] || fail "uwsk $how: something on standard error"
    done
    "$uwsk" --version >out || fail "uwsk --version: status $?"
    has out '^uwsk [0-9]+\.[0-9]+\.[0-9]+$'
}

# Where io_uring is refused the transport is epoll, one line says why, and who insists on uring is told the same.
cli_io_uring_refused() {
    local how reason
    for how in EPERM ENOSYS sysctl; do
        case $how in
        EPERM) reason='io_uring_setup: EPERM, a seccomp filter or security module forbids it' ;;
        ENOSYS) reason='io_uring_setup: ENOSYS, not in this kernel or hidden by a seccomp filter' ;;
        sysctl) reason='io_uring_setup: EPERM, the sysctl kernel.io_uring_disabled is 2' ;;
        esac
        case $sanitize in
        *thread*) reason='ThreadSanitizer does not see through a ring' ;;
        esac
        "$without_uring" "$how" "$uwsk" run --for 0.05 clean.so >out 2>err
        case $? in
        0) ;;
        77) echo "cli_io_uring_refused: no mount namespace here, $how is not tried" && continue ;;
        *) fail "uwsk run without io_uring ($how): it did not end well" ;;
        esac
        [ "$(cat out err | grep -c io_uring)" = 1 ] || fail "$how: not one line about io_uring"
        cat out err >both
        has both "^uwsk: io_uring cannot be used here \\($reason\\): the transport is epoll\$"
        "$without_uring" "$how" "$uwsk" run --for 0.05 --transport uring clean.so >out 2>err
        [ $? = 1 ] || fail "--transport uring without io_uring ($how): not status 1"
        has err "the transport uring cannot be used here: $reason\$"
        "$without_uring" "$how" "$uwsk" run --for 0.05 --transport epoll clean.so >out 2>err ||
            fail "--transport epoll without io_uring ($how): it did not end well"
        lacks out io_uring
        lacks err io_uring
        "$without_uring" "$how" "$uwsk" doctor >out 2>err || fail "uwsk doctor without io_uring ($how)"
        has out "^io_uring +no: $reason; uwsk run takes epoll\$"
    done
}

cli_doctor() {
    local name
    "$uwsk" doctor >out 2>err || fail "uwsk doctor: status $?"
    for name in kernel Debian processors epoll io_uring somaxconn 'congestion control' 'network namespaces' RLIMIT_NOFILE \
        'protection keys' 'hardware counters' 'uwsk cc uses' 'headers and library'; do
        has out "^$name +[^ ]"
    done
    [ ! -s err ] || fail "something on standard error"
}

cli_access_violation() {
    crash crash_read 0000007E 'exception code, STATUS_ACCESS_VIOLATION' 'read of 0x10' 'IRQL 0 \(PASSIVE\)' \
        'read_at\+0x[0-9a-f]+ \(behave.c:[0-9]+\)' 'running: DriverEntry' 'DriverEntry\+0x[0-9a-f]+ \(behave.c:[0-9]+\)'
}

cli_access_violation_at_dispatch() {
    crash crash_dispatch 000000D1 'DRIVER_IRQL_NOT_LESS_OR_EQUAL' '^    1: 0x0000000000000020' '^    2: 0x0000000000000002' \
        'write to 0x20' 'IRQL 2 \(DISPATCH\)' 'crash_dispatch\+.* \(behave.c:[0-9]+\)'
}

cli_access_violation_in_dpc() {
    crash crash_dpc 000000D1 'running: KDEFERRED_ROUTINE, crash_in_dpc' 'IRQL 2 \(DISPATCH\)'
}

cli_division_by_zero() {
    [ -z "$sanitize" ] || return 0 # the sanitizer of undefined behaviour sees it before the processor does
    crash crash_divide 0000007E 'STATUS_INTEGER_DIVIDE_BY_ZERO' 'crash_divide\+'
}

cli_illegal_instruction() {
    bug_check crash_illegal 0000007E 'STATUS_ILLEGAL_INSTRUCTION' 'crash_illegal\+'
}

cli_stack_overflow() {
    crash crash_stack 0000007F '^    1: 0x0000000000000008' 'double fault' 'recurse\+.*, [0-9]+ times' 'crash_stack\+'
}

# A bug check that the runtime or the driver asks for is one under a sanitizer, too.
bug_check() {
    local kept=$sanitize
    sanitize=
    crash "$@"
    sanitize=$kept
}

cli_bug_check() {
    bug_check crash_bugcheck 000000E2 \
        'STOP: 0x000000E2 \(0x0000000000000001,0x0000000000000002,0x0000000000000003,0x0000000000000004\) MANUALLY_INITIATED_CRASH' \
        'crash_bugcheck\+.* \(behave.c:[0-9]+\)'
}

cli_unhandled_exception() {
    bug_check crash_raise 0000001E 'KMODE_EXCEPTION_NOT_HANDLED' 'STATUS_ACCESS_DENIED' 'crash_raise\+'
}

cli_pool_freed_twice() {
    bug_check crash_free 000000C2 'BAD_POOL_CALLER' 'pool was freed that is free already' 'crash_free\+'
}

cli_core() {
    behave crash_bugcheck
    (
        ulimit -c 0
        run 134 --core --for 0.05 crash_bugcheck.so # 128 + SIGABRT
    ) 2>/dev/null
    has err 'STOP: 0x000000E2'
}

cli_leaves_pool() {
    leak leak_pool "^  3 pool blocks, tag 'Behv', 300 bytes" 'leak_pool\+0x[0-9a-f]+ \(behave.c:[0-9]+\)' 'DriverEntry\+'
}

cli_leaves_irp() {
    leak leak_irp '^  1 IRP \(' 'leak_irp\+'
}

cli_leaves_mdl() {
    leak leak_mdl '^  1 MDL \(' 'leak_mdl\+'
}

cli_leaves_registration() {
    leak leak_registration '^  1 WSK registration \(' '^  1 captured provider NPI \(' 'attach\+'
}

cli_leaves_socket() {
    leak leak_socket '^  1 socket: listening socket 1, listening 127.0.0.1:[0-9]+ \(' 'open_listener\+' '1 WSK registration'
}

cli_leaves_accepted_socket() {
    leak leak_accepted '^  1 socket: listening socket 1, listening' \
        '^  1 socket: connection socket [0-9], connected 127.0.0.1:[0-9]+ - 127.0.0.1:[0-9]+ \('
    [ "$(grep -c '^  1 socket: connection' err)" = 2 ] || fail "not both ends of the connection are named"
}

cli_leaves_datagram_socket() {
    leak leak_datagram '^  1 socket: datagram socket 1, bound 127.0.0.1:[0-9]+ \(' 'open_datagram\+' '1 WSK registration'
}

# One that is still open, and one that was closed without WskRelease.
cli_leaves_datagram_indication() {
    leak leak_indication '^  1 socket: datagram socket 1, bound' '^  1 retained data indication, 64 bytes \('
    leak leak_closed_indication '^  1 retained data indication, 64 bytes \('
    lacks err '^  1 (socket|WSK registration)'
    has out 'wsk: 1 retained indication list.s. were never given to WskRelease .*C-CLOSE-37'
}

cli_leaves_pending_irp() {
    leak leak_accept '^  1 IRP, pending in WskAccept on socket 1 \(' '1 socket: listening'
}

cli_leaves_thread() {
    leak leak_thread '^  1 system thread, runs wait_for_ever' 'leak_thread\+'
}

cli_leaves_timer() {
    leak leak_timer '^  1 queued timer, calls on_timer' 'leak_timer\+'
}

# With the driver's own routine, and not as a queued timer besides.
cli_leaves_ex_timer() {
    leak leak_ex_timer '^  1 EX_TIMER, calls on_ex_timer\+' 'new_ex_timer\+'
    [ "$(grep -c '^  1 EX_TIMER, ' err)" = 3 ] || fail "not the three that are not deleted, or not yet"
    lacks err 'queued|expired_routine'
}

cli_leaves_resource() {
    leak leak_resource '^  1 ERESOURCE \(' 'initialize_resources\+'
    [ "$(grep -c '^  1 ERESOURCE (' err)" = 2 ] || fail "not the two that were not deleted"
    lacks err 'pool block'
}

cli_leaves_thread_handle() {
    leak leak_thread_handle '^  1 handle of a system thread, its routine is return_at_once' 'leak_thread_handle\+'
    lacks err 'reference|  1 system thread'
}

cli_leaves_thread_reference() {
    leak leak_thread_reference '^  1 reference to a thread object, its routine is return_at_once' 'leak_thread_reference\+'
    lacks err 'handle of|  1 system thread'
}

# It is told to the driver that has it, and the other one's device stays open.
cli_leaves_file_object() {
    behave named_device
    behave leak_file_object
    run 5 --for 0.05 named_device.so leak_file_object.so
    has err 'leak_file_object left behind:'
    has err '^  1 reference to a FILE_OBJECT, \\Device\\Behave \('
    has err 'leak_file_object\+'
    has err 'named_device cannot be unloaded: a device of it is open'
}

# Two drivers refer to one: the second gives its reference back, and the first, which has taken a later one, does not.
cli_leaves_file_object_of_another() {
    behave named_device_refers
    behave file_object
    run 5 --for 0.05 named_device_refers.so file_object.so
    has err 'file_object left nothing behind'
    has err 'named_device_refers cannot be unloaded: a device of it is open'
}

cli_leaves_work_item() {
    leak leak_workitem '^  1 work item \(' 'leak_workitem\+'
}

cli_leaves_lookaside_list() {
    leak leak_lookaside '^  1 lookaside list \(' 'leak_lookaside\+'
}

cli_leaves_device() {
    leak leak_device '^  1 device object \(' 'DriverEntry\+'
}

cli_leaves_symbolic_link() {
    leak leak_link '^  1 symbolic link, \\DosDevices\\Left \(' 'leak_link\+'
    lacks err 'Gone'
}

cli_leaves_registry_key() {
    leak leak_key '^  1 open registry key, \\Registry\\Machine\\System\\CurrentControlSet\\Control \(' 'leak_key\+'
}

cli_leaves_file() {
    mkdir -p disk/LOGS
    behave leak_file
    run 4 --for 0.05 --files disk leak_file.so
    has err '^  1 open file, C:\\LOGS\\left.log \('
    has err 'leak_file\+'
    rm -rf disk
}

# What was unregistered is not told.
cli_leaves_event_providers() {
    leak leak_events '^  1 event provider, Behave.Driver \(' \
        '^  1 event provider, \{21C4A2F9-0002-0003-0405-060708090A0B\} \(' 'leak_events\+'
}

# A driver that uses WSK through the Network Module Registrar.
nmr() { # NAME
    cp nmr.so "$1.so"
}

cli_nmr_driver() {
    nmr nmr_clean
    run 0 --for 0.05 nmr_clean.so
    has out 'attached: 1$'
    has out 'closed 00000000$'
    has out 'client detaches$'
    has out 'deregister 00000103$'
    has out 'wait 00000000$'
    has err 'nmr_clean left nothing behind'
}

cli_leaves_nmr_registration() {
    nmr nmr_leaves_client
    run 4 --for 0.05 nmr_leaves_client.so
    has err '^  1 NMR registration, client of NPI WSK \{2227E803-8D8B-11D4-ABAD-009027719E09\} \('
    lacks err 'WSK registration'
    nmr nmr_leaves_both
    run 4 --for 0.05 nmr_leaves_both.so
    has err '^  1 NMR registration, client of NPI \{6A1C2BF1-0005-0006-0102-030405060708\} \('
    has err '^  1 NMR registration, provider of NPI \{6A1C2BF1-0005-0006-0102-030405060708\} \('
    has err 'own_interface\+'
}

cli_unload_waits_for_nmr() {
    nmr nmr_hang_socket
    run 5 --for 0.05 --unload-timeout 0.3 nmr_hang_socket.so
    has err 'PASSIVE\) NmrWaitForClientDeregisterComplete waits for 1 attachment; 1 whose provider has not called NmrProviderDetachClientComplete, for'
    has err 'listening socket 1, unbound .*: WskCloseSocket was not called'
    nmr nmr_hang_provider
    run 5 --for 0.05 --unload-timeout 0.3 nmr_hang_provider.so
    has err 'PASSIVE\) NmrWaitForProviderDeregisterComplete waits for 1 attachment; 1 whose client has not called NmrClientDetachProviderComplete, for'
}

cli_unload_waits_for_socket() {
    behave hang_socket
    run 5 --for 0.05 --unload-timeout 0.3 hang_socket.so
    has err 'hang_socket: unload did not finish: DriverUnload has not returned within 0.3 s'
    has err 'thread [0-9]+ \(DriverUnload hang_socket, PASSIVE\) WskDeregister waits for: 1 open socket, .*, for [0-9]+ ms'
    signals_come_late || has err 'WskDeregister\+'
    signals_come_late || has err 'deregister\+.* \(behave.c:[0-9]+\)'
    has err 'listening socket 1, listening 127.0.0.1:[0-9]+ \(0x[0-9a-f]+\): WskCloseSocket was not called'
    has err 'pending: WskAccept, IRP 0x[0-9a-f]+, queued, for [0-9]+'
    has err 'open_listener\+'
}

cli_unload_waits_for_callback() {
    local port
    behave hang_callback
    in_background --deliver passive --unload-timeout 0.5 hang_callback.so
    port=$(sed -n 's/.*port \([0-9]*\)$/\1/p' out)
    exec 9<>"/dev/tcp/127.0.0.1/$port" || fail "port $port does not answer"
    for _ in $(seq 500); do
        grep -q "in the callback" out && break
        sleep 0.02
    done
    kill -TERM "$running"
    ends_with 5
    exec 9>&-
    has err 'listening socket 1, listening 127.0.0.1:[0-9]+, closing'
    has err 'pending: WskCloseSocket, IRP 0x[0-9a-f]+, waits for the others'
    has err 'running: WskAcceptEvent on thread [0-9]+, for .*, on_accept\+'
    has err 'thread [0-9]+ \(.*, PASSIVE\) waits for event 0x'
    signals_come_late || has err '^      on_accept\+.* \(behave.c:[0-9]+\)'
}

# A client that waits in a callback at DISPATCH_LEVEL is stopped, not hung.
cli_wait_in_callback() {
    local port
    behave hang_callback
    in_background --deliver dispatch hang_callback.so
    port=$(sed -n 's/.*port \([0-9]*\)$/\1/p' out)
    exec 9<>"/dev/tcp/127.0.0.1/$port" || fail "port $port does not answer"
    ends_with 3
    exec 9>&-
    has err 'STOP: 0x000000C4 \(0x0000000000000121'
    has err 'running: WskAcceptEvent, on_accept'
}

# Nobody can be asked when driver code holds all processors: the report comes all the same.
cli_unload_spins() {
    behave hang_spin
    run 5 --for 0.05 --processors 1 --unload-timeout 0.3 hang_spin.so
    has err 'DISPATCH\) does not wait: it runs'
    signals_come_late || has err 'spin_at_dispatch\+'
    has err 'sockets: not known'
}

# Those loaded before the one that hangs stay, and that is said.
cli_unload_hangs_before_others() {
    behave first
    behave hang_socket
    run 5 --for 0.05 --unload-timeout 0.2 first.so hang_socket.so
    has err 'first was not unloaded: it was loaded before hang_socket'
    lacks err 'first is unloaded'
}

cli_cannot_be_unloaded() {
    behave no_unload
    run 0 --for 0.05 no_unload.so
    has err 'no_unload cannot be unloaded: its DriverUnload is NULL'
    has err 'no_unload left nothing behind'
    behave no_unload_leaks
    run 4 --for 0.05 no_unload_leaks.so
    has err 'cannot be unloaded'
    has err '3 pool blocks'
}

cli_several_in_order() {
    behave first
    behave second
    run 0 --for 0.05 first.so second.so clean.so
    grep -E 'is (un)?loaded' err | sed 's/uwsk: //' >order
    printf '%s\n' 'first is loaded' 'second is loaded' 'clean is loaded' 'clean is unloaded' 'second is unloaded' \
        'first is unloaded' | cmp -s - order || fail "order: $(tr '\n' ';' <order)"
}

# What one of several left is charged to that one.
cli_account_per_driver() {
    behave first
    behave leak_pool
    run 4 --for 0.05 leak_pool.so first.so
    has err 'first left nothing behind'
    has err 'leak_pool left behind:'
}

cli_for_seconds() {
    local before after
    before=$(date +%s%N)
    run 0 --for 0.5 clean.so
    after=$(date +%s%N)
    [ $(((after - before) / 1000000)) -ge 500 ] || fail "took only $(((after - before) / 1000000)) ms"
}

cli_signals() {
    local signal
    for signal in TERM INT; do
        # A shell's background processes ignore SIGINT: give it back.
        : >err
        "$uwsk_env" --default-signal=INT "$uwsk" run clean.so >out 2>err &
        running=$!
        for _ in $(seq 500); do
            grep -q "is loaded" err && break
            sleep 0.02
        done
        kill "-$signal" "$running"
        ends_with 0
        has err 'clean left nothing behind'
    done
}

cli_one_wish() {
    in_background clean.so
    two_signals
    ends_with 0
    has err 'clean left nothing behind'
    signals_come_late && return
    behave hang_socket
    start --for 0 --unload-timeout 1 hang_socket.so
    has_said 'PASSIVE  unload' out
    two_signals # the first ones, while it unloads
    ends_with 5
    has err 'unload did not finish'
}

cli_signal_in_entry() {
    behave slow_entry
    start slow_entry.so
    has_said 'slow_entry' out
    kill -TERM "$running"
    ends_with 0
    has err 'slow_entry: waits for DriverEntry to return, 10 s at most'
    has err 'slow_entry left nothing behind'
    behave hang_entry
    start --unload-timeout 0.3 clean.so hang_entry.so
    has_said 'hang_entry' out
    kill -TERM "$running"
    ends_with 5
    has err 'hang_entry: DriverEntry did not finish: it has not returned within 0.3 s of the signal; who waits for what:'
    has err 'waits for event 0x'
    signals_come_late || has err 'hang_entry\+.* \(behave.c:[0-9]+\)'
    has err 'clean was not unloaded: it was loaded before hang_entry'
}

cli_closed_descriptors() {
    local before after
    before=$(date +%s%N)
    "$uwsk" run --for 0.5 clean.so <&- >&- 2>&-
    [ $? = 0 ] || fail "not 0"
    after=$(date +%s%N)
    [ $(((after - before) / 1000000)) -ge 500 ] || fail "took only $(((after - before) / 1000000)) ms"
}

cli_output_that_is_lost() {
    "$uwsk" run --for 0 clean.so >/dev/full 2>err
    [ $? = 1 ] || fail "not 1"
    has err 'standard output: No space left on device: lines of drivers are missing'
    "$uwsk" run --for 0 clean.so 2>err | true # who has gone wants no more
    [ "${PIPESTATUS[0]}" = 0 ] || fail "not 0"
}

cli_one_name_one_driver() {
    mkdir -p other
    cp clean.so other/clean.so
    run 1 --for 0 clean.so other/clean.so
    has err 'other/clean.so: another driver named clean is loaded already'
    has err 'clean left nothing behind'
}

cli_pool_fill() {
    UWSK_POOL_FILL=1 run 1 --for 0 clean.so
    has err 'UWSK_POOL_FILL is "1": it may be "all", or not be set'
    UWSK_POOL_FILL=all run 0 --for 0 clean.so
}

cli_second_signal() {
    signals_come_late && return
    behave hang_socket
    in_background --unload-timeout 60 hang_socket.so
    kill -TERM "$running"
    has_said 'PASSIVE  unload' out
    while kill -TERM "$running" 2>/dev/null; do # one that comes too soon is none
        sleep 0.02
    done
    ends_with 143 # 128 + SIGTERM
    has err 'a second signal: ended at once'
}

# The public API by itself, started and stopped several times.
cli_api() {
    local folder
    folder=$(dirname "$uwsk")
    behave leak_pool
    # shellcheck disable=SC2086
    ${UWSK_TEST_CC:-gcc} -g -Wall -Wextra -Werror ${sanitize:+-fsanitize=$sanitize} -idirafter "$folder/include" -o api "$sources/api.c" \
        -L"$folder" -luwsk -Wl,-rpath,"$folder" >err 2>&1 || { fail "api.c cannot be compiled" && return; }
    timeout 60 ./api >out 2>err || fail "api: status $?"
    lacks err 'not so'
}

cli_manual() {
    local page=$sources/../../../man/uwsk.1
    command -v groff >/dev/null || { echo "groff is missing" >>problems && return; }
    groff -man -ww -z -Tutf8 "$page" 2>err
    [ ! -s err ] || fail "groff complains: $(head -1 err)"
    for option in --for --processors --completion --deliver --send-complete --transport --unload-timeout --core --control --registry --files --provider-delay --provider-leave; do
        grep -qF -- "$(echo "$option" | sed 's/-/\\-/g')" "$page" || fail "uwsk.1 does not tell about $option"
    done
}

# ---- all of them

uwsk_env=$(command -v env)
shell_tests cli_ out err
shell_end
