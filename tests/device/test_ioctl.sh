#!/bin/bash
# test_ioctl.sh UWSK GATE.so [--only PATTERN] [--verbose]: `uwsk run --control` and `uwsk ioctl` as their users meet
# them.
#
# Each test is a function whose name starts with ioctl_; the driver is drivers/gate.c.  Result lines go to
# $UWSK_TEST_RESULTS.
set -u

uwsk=$1
gate=$2
shift 2
. "$(dirname "$0")/../support/shell.sh"
shell_options "$@"
runner=
clean_up() {
    [ -z "$runner" ] || kill "$runner" 2>/dev/null
}
shell_work

# Codes of gate.h: CTL_CODE(FILE_DEVICE_UNKNOWN, 0x800 + n, method, 0).
code() { # N METHOD
    printf '0x%08x' $((0x220000 | (0x800 + $1) << 2 | $2))
}
reverse=$(code 0 0) overflow=$(code 5 0) refuse=$(code 6 0) hold=$(code 7 0) stubborn=$(code 8 0) let_go=$(code 9 0)
counts=$(code 10 0) direct_out=$(code 2 2) direct_in=$(code 1 1) remembered=$(code 4 0)

# ---- what tests are written with

soon() { # COMMAND...: it succeeds within 20 s
    local tries=400
    until "$@"; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || { fail "not within 20 s: $*" && return 1; }
        sleep 0.05
    done
}

listens() { # it answers, although it has no such device
    timeout 60 "$uwsk" ioctl --control "$work/control" NoSuchGate 1 2>&1 | grep -q 'cannot be opened'
}
start() { # runs gate.so in the background with a control socket
    "$uwsk" run --control "$work/control" "$gate" >run.out 2>run.err &
    runner=$!
    soon listens
}
stop() { # [STATUS]: ends it; it ends with this status
    local status
    kill -INT "$runner"
    wait "$runner"
    status=$?
    runner=
    [ "$status" = "${1:-0}" ] || { fail "uwsk run: status $status instead of ${1:-0}" && cat run.err >>problems; }
    [ ! -e "$work/control" ] || fail "the control socket is still there"
}
# ioctl STATUS ARGUMENT...: it ends with this status; its output is in out and err.
ioctl() {
    local expected=$1 status
    shift
    timeout 60 "$uwsk" ioctl --control "$work/control" "$@" >out 2>err
    status=$?
    [ "$status" = "$expected" ] || fail "uwsk ioctl $*: status $status instead of $expected"
    one_line err
}
held() { # a file is open besides the one that asks: struct gate_counts begins with creates, cleanups, closes
    local creates cleanups closes
    timeout 60 "$uwsk" ioctl --control "$work/control" UwskGate "$counts" --raw --out-size 12 >count 2>/dev/null
    read -r creates cleanups closes < <(od -An -tu4 count) && [ $((creates - closes)) = 2 ] &&
        [ "$cleanups" = "$closes" ]
}

# ---- tests

ioctl_data() {
    start
    [ "$(stat -c %a "$work/control")" = 600 ] || fail "the socket has mode $(stat -c %a "$work/control")"
    printf 'abc' >in
    ioctl 0 UwskGate "$reverse" in --out-size 10 --raw
    [ "$(cat out)" = cba ] || fail "the output is $(cat out)"
    has err '^uwsk ioctl: STATUS_SUCCESS \(0x00000000\), 3 bytes$'
    ioctl 0 '\\.\UwskGate' "$reverse" in --out-size 10
    has out '^00000000  63 62 61 +cba$'
    printf 'x' | ioctl 0 '\Device\UwskGate' "$direct_out" - --out-size 100000 --raw
    [ "$(tr -d x <out | wc -c)/$(wc -c <out)" = 0/100000 ] || fail "not 100000 times x"
    ioctl 0 UwskGate "$let_go"
    [ ! -s out ] || fail "output without an output buffer"
    stop
}

# The second buffer of METHOD_IN_DIRECT is input: the driver keeps both one after the other, and nothing comes back.
ioctl_direct_in() {
    start
    printf 'head' >in
    printf 'second' >data
    ioctl 0 UwskGate "$direct_in" in --direct-file data
    [ ! -s out ] || fail "the second input is printed as output"
    has err '^uwsk ioctl: STATUS_SUCCESS \(0x00000000\), 0 bytes$'
    ioctl 0 UwskGate "$remembered" --out-size 100 --raw
    [ "$(cat out)" = headsecond ] || fail "the driver has read $(cat out)"
    ioctl 0 UwskGate "$direct_in" in --out-size 8 --direct-file - <data
    ioctl 0 UwskGate "$remembered" --out-size 100 --raw
    [ "$(tr '\0' . <out)" = headsecond.. ] || fail "the driver has read $(cat -v out)"
    ioctl 0 UwskGate "$direct_in" in --out-size 3
    [ ! -s out ] || fail "a second input of zeroes is printed as output"
    ioctl 0 UwskGate "$remembered" --out-size 100 --raw
    [ "$(tr '\0' . <out)" = head... ] || fail "the driver has read $(cat -v out)"
    ioctl 1 UwskGate "$direct_in" in --direct-file no-such-file
    has err 'no-such-file: cannot be read'
    ioctl 2 UwskGate "$direct_out" in --direct-file data
    has err 'only a code of METHOD_IN_DIRECT has a second input, 0x[0-9a-f]* is METHOD_OUT_DIRECT'
    ioctl 2 UwskGate "$direct_in" - --direct-file -
    has err 'standard input cannot be both'
    stop
}

ioctl_statuses() {
    start
    ioctl 1 UwskGate "$overflow" --out-size 8 --raw
    has err 'STATUS_BUFFER_OVERFLOW \(0x80000005\), 2 bytes'
    [ "$(cat out)" = ov ] || fail "a warning brings $(cat out)"
    ioctl 1 UwskGate "$refuse" --out-size 8
    has err 'STATUS_ACCESS_DENIED'
    [ ! -s out ] || fail "an error brings data"
    ioctl 1 NoSuchGate "$reverse"
    has err 'NoSuchGate: cannot be opened: STATUS_OBJECT_NAME_NOT_FOUND'
    ioctl 1 UwskGate "$hold" --timeout 0.1
    has err 'STATUS_IO_TIMEOUT'
    stop
    has run.err 'gate left nothing behind'
}

ioctl_interrupt() {
    local child
    start
    "$uwsk" ioctl --control "$work/control" UwskGate "$hold" >out 2>err &
    child=$!
    soon held
    # Bash starts background jobs with SIGINT ignored; SIGTERM has the same handler.
    kill -TERM "$child"
    wait "$child"
    [ $? = 1 ] || fail "an interrupted ioctl does not end with 1"
    has err 'STATUS_CANCELLED'
    stop
}

ioctl_killed() {
    local child
    start
    "$uwsk" ioctl --control "$work/control" UwskGate "$hold" >out 2>err &
    child=$!
    soon held
    kill -KILL "$child"
    wait "$child" 2>/dev/null
    stop
    has run.err 'gate left nothing behind'
}

ioctl_run_ends() {
    local child
    start
    "$uwsk" ioctl --control "$work/control" UwskGate "$hold" >out 2>err &
    child=$!
    soon held
    stop
    wait "$child"
    [ $? = 1 ] || fail "an ioctl whose driver goes does not end with 1"
    has err 'STATUS_CANCELLED'
    has run.err 'gate left nothing behind'
}

ioctl_kept_request_keeps_the_driver() {
    start
    ioctl 1 UwskGate "$stubborn" --timeout 0.1
    has err 'STATUS_DEVICE_BUSY'
    stop 5
    has run.err 'gate cannot be unloaded: a device of it is open'
}

ioctl_nobody_there() {
    ioctl 1 UwskGate "$reverse"
    has err 'No such file'
    start
    kill -KILL "$runner"
    wait "$runner" 2>/dev/null
    runner=
    ioctl 1 UwskGate "$reverse"
    has err 'listens there any more'
    start # the socket that was left is replaced
    ioctl 0 UwskGate "$let_go"
    timeout 60 "$uwsk" run --control "$work/control" "$gate" >out 2>err
    [ $? = 1 ] || fail "a second run takes the socket of the first"
    has err 'no control socket there: Address already in use'
    ioctl 0 UwskGate "$let_go"
    stop
    echo mine >precious
    timeout 60 "$uwsk" run --control precious "$gate" >out 2>err
    [ $? = 1 ] || fail "a file that is no socket is no obstacle"
    [ "$(cat precious)" = mine ] || fail "a file that is no socket was replaced"
}

ioctl_usage() {
    local arguments
    for arguments in "" "--control c" "--control c D" "D 1" "--control c D x" "--control c D -1" \
        "--control c D 0x100000000" "--control c D 1 f g" "--control c --bogus D 1" "--control c D 1 --out-size 1e9"; do
        # shellcheck disable=SC2086
        "$uwsk" ioctl $arguments >out 2>err
        [ $? = 2 ] || fail "uwsk ioctl $arguments: not wrong usage"
        has err '^uwsk ioctl: '
    done
    "$uwsk" ioctl --help >out 2>err || fail "--help fails"
    has out '^usage: uwsk ioctl'
    [ ! -s err ] || fail "--help complains"
    ioctl 1 UwskGate 1 no-such-file
    has err 'no-such-file: cannot be read'
}

# ---- all of them

after_test() {
    [ -z "$runner" ] || kill -KILL "$runner" 2>/dev/null
    runner=
}
shell_tests ioctl_ err out run.out run.err control
shell_end
