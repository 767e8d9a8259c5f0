#!/bin/bash
# tools/demo.sh [BUILD]: compiles the drivers of drivers/, runs them, lets real clients talk to them, closes their
# sockets in every way, shows what ended when and what the clients saw, and lets the simulator find a planted bug.
# Loopback only, ports that are free, ends by itself.  Exit status 0 when everything was as it has to be.
set -u

tree=$(cd "$(dirname "$0")/.." && pwd)
build=${1:-$tree/build}
if [ ! -x "$build/uwsk" ] || [ ! -x "$build/peer-watch" ]; then
    echo "demo: $build holds no build (make builds one)" >&2
    exit 2
fi
build=$(cd "$build" && pwd)
work=$(mktemp -d)
. "$tree/tools/drivers.sh"
trap 'end_driver; rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
wrong=0

title() {
    printf '\n== %s\n' "$*"
}

# verdict STATUS TEXT
verdict() {
    if [ "$1" -eq 0 ]; then
        printf '   %s\n' "$2"
    else
        printf '   WRONG: %s\n' "$2"
        wrong=$((wrong + 1))
    fi
}

# load NAME MACRO…: compiles a driver with a free port for each macro, and runs it.  Another process may take a port
# in between: then again with other ports.
load() {
    local name=$1 options macro try
    shift
    for try in 1 2 3; do
        options=()
        ports=()
        for macro in "$@"; do
            ports+=("$(free_port)")
            options+=("-D$macro=${ports[-1]}")
        done
        echo "\$ build/uwsk cc ${options[*]} -o $name.so drivers/$name/*.c drivers/common/wskclient.c"
        compile_driver "$name" "${options[@]}" || break
        echo "\$ build/uwsk run $name.so"
        start_driver "$name" && return 0
        end_driver
    done
    sed 's/^/   /' "$work/$name.log" 2>/dev/null
    verdict 1 "$name does not run"
    return 1
}

# unload: what the driver says last, and the account of `uwsk run`.
unload() {
    local lines status
    lines=$(wc -l <"$work/$driver.log")
    stop_driver
    status=$?
    tail -n +$((lines + 1)) "$work/$driver.log" | sed 's/^/   /'
    verdict $status "uwsk run ended with exit status $status"
}

close_cases() {
    local number count=${#close_case_ends[@]}
    title "close: $count ways to close a socket"
    load close CLOSE_PORT || return
    for ((number = 1; number <= count; number++)); do
        play_case "$number" "${ports[0]}"
        status=$?
        echo
        case_timeline "$number" | sed -e 's/^case \([0-9]*\), [a-z-]*: right$/   all as it has to be/' -e 's/^  \([0-9]\)/   \1/'
        verdict $status "the client saw: $saw"
    done
    echo
    unload
}

echo_clients() {
    local port style client
    title "echo: nc, socat, curl and 3,000,000 checked bytes, IPv4 and IPv6"
    load echo ECHO_EVENT_PORT ECHO_RECEIVE_PORT || return
    for port in "${ports[@]}"; do
        style="event callbacks"
        [ "$port" = "${ports[0]}" ] || style="WskReceive"
        echo "   with $style:"
        [ "$(echo "hello from nc" | timeout 5 nc -N 127.0.0.1 "$port")" = "hello from nc" ]
        verdict $? "nc got its line back, and then our FIN"
        [ "$(echo "hello from socat" | timeout 5 socat -t 5 - "TCP6:[::1]:$port")" = "hello from socat" ]
        verdict $? "socat got its line back over ::1, and then our FIN"
        curl_gets "$port" "hello from curl"
        verdict $? "curl got its line back"
        client=$("$peer" --echo 3000000 --burst 2049 "$port")
        verdict $? "bursts of 2049 bytes: $client"
    done
    # Clients that are still there when the driver goes.
    "$peer" --expect RST "${ports[0]}" >"$work/first" &
    first=$!
    "$peer" --expect RST "${ports[1]}" >"$work/second" &
    second=$!
    wait_for 10 is_connected "${ports[0]}"
    wait_for 10 is_connected "${ports[1]}"
    echo "   two clients are connected, and the driver is unloaded:"
    unload
    wait $first
    verdict $? "the first client saw: $(cat "$work/first")"
    wait $second
    verdict $? "the second client saw: $(cat "$work/second")"
}

rundown_clients() {
    local client
    title "rundown: sockets closed while two other threads send and receive on them"
    load rundown RUNDOWN_PORT || return
    client=$("$peer" --chat 300 --parallel 8 "${ports[0]}")
    verdict $? "$client"
    unload
}

# A driver with a planted bug, and the same driver without it, in simulated worlds.
explore_seeds() {
    local sources="tests/defects/two_closers.c tests/defects/defect.c drivers/common/wskclient.c"
    title "explore: a socket that two threads close, once in a while"
    cd "$tree" || return
    for define in "" -DFIXED; do
        echo "\$ build/uwsk cc ${define:+$define }-o two_closers.so $sources"
        # shellcheck disable=SC2086
        "$uwsk" cc $define -o "$work/two_closers.so" $sources || break
        echo "\$ build/uwsk explore --seeds 1000 two_closers.so"
        (cd "$work" && "$uwsk" explore --seeds 1000 two_closers.so >explored 2>&1)
        status=$?
        if [ -z "$define" ]; then
            sed -n -e '1,4s/^/   /p' -e '/^run it again/,$s/^/   /p' "$work/explored"
            [ $status -eq 1 ] && grep -q '^violation: closed-twice' "$work/explored"
            verdict $? "the bug was found, and has a command that shows it again"
        else
            tail -n 1 "$work/explored" | sed 's/^/   /'
            verdict $status "with one atomic step instead of two nothing is found"
        fi
    done
}

close_cases
echo_clients
rundown_clients
explore_seeds
title "$([ $wrong -eq 0 ] && echo "everything as it has to be" || echo "$wrong things were WRONG") ($SECONDS s)"
[ $wrong -eq 0 ]
