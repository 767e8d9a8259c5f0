#!/bin/bash
# run.sh BUILD COMPLETION DELIVERY [COMPILER]: the drivers of drivers/, compiled with `uwsk cc`, run with `uwsk run` in
# one completion and delivery mode, with real clients at the other end.  Which rules that proves: listing.tsv.
set -u
build=$(cd "$1" && pwd)
modes=(--completion "$2" --deliver "$3")
mode=$2/$3
compiler=(${4:+--compiler "$4"})
[ -z "${4:-}" ] || mode=$mode/$4
tree=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
. "$tree/tools/drivers.sh"
. "$tree/tests/support/shell.sh"
trap 'end_driver; rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

# What carries them, as the first driver that was loaded has been told.
back_end() {
    case ${UWSK_TRANSPORT:-} in
    epoll) echo epoll ;;
    *) grep -q ': the transport is epoll$' "$work/close.log" && echo epoll || echo io_uring ;;
    esac
}

# check NAME COMMAND…: one test; what it and the driver printed is shown when it fails.
check() {
    local name=$1
    shift
    if "$@" >"$work/output" 2>&1; then
        result "$name" "$mode" pass "$(back_end)"
    else
        result "$name" "$mode" fail "$(back_end)"
        echo "FAIL $name ($mode)"
        cat "$work/output"
        [ ! -f "$work/$driver.log" ] || tail -n 40 "$work/$driver.log"
    fi
}

# load NAME MACRO…: compiles it with a free port for each macro and loads it.  A port may be taken in between by a
# test that runs beside this one: then again with others.
load() {
    local name=$1 options macro try
    shift
    driver=$name
    for try in 1 2 3; do
        options=()
        ports=()
        for macro in "$@"; do
            ports+=("$(free_port)")
            options+=("-D$macro=${ports[-1]}")
        done
        compile_driver "$name" "${compiler[@]}" -Wall -Wextra -Werror "${options[@]}" || return 1
        start_driver "$name" "${modes[@]}" && return 0
        end_driver
    done
    cat "$work/$name.log"
    return 1
}

# unload: the driver has unloaded in time and `uwsk run` found nothing left.
unload() {
    stop_driver && grep -q "^uwsk: $driver left nothing behind" "$work/$driver.log"
}

# ---- close -----------------------------------------------------------------------------------------------------

close_case() {
    play_case "$1" "$port"
    local status=$?
    echo "the client saw: $saw"
    return $status
}

close_all_right() {
    unload && driver_says | grep -q "^${#close_case_ends[@]} cases right, 0 wrong$"
}

# A client that asks for nothing is there when the driver goes.
close_with_silent_client() {
    load close CLOSE_PORT || return 1
    "$peer" --expect RST "${ports[0]}" &
    local client=$!
    wait_for 10 is_connected "${ports[0]}" || return 1
    unload && wait $client
}

# ---- echo ------------------------------------------------------------------------------------------------------

same_line() {
    local line
    line=$(cat)
    echo "came back: $line"
    [ "$line" = "$1" ]
}

echo_nc() {
    echo "from nc" | timeout 10 nc -N 127.0.0.1 "$1" | same_line "from nc" &&
        echo "from nc 6" | timeout 10 nc -N ::1 "$1" | same_line "from nc 6"
}

echo_socat() {
    echo "from socat" | timeout 10 socat -t 5 - "TCP4:127.0.0.1:$1" | same_line "from socat" &&
        echo "from socat 6" | timeout 10 socat -t 5 - "TCP6:[::1]:$1" | same_line "from socat 6"
}

# Everything comes back in order, through every size of burst, then our FIN answers the client's.
echo_pattern() {
    "$peer" "$2" --echo 1000 --burst 1 "$1" &&
        "$peer" "$2" --echo 100000 --burst 2048 "$1" &&
        "$peer" "$2" --echo 500000 --burst 2049 "$1" &&
        "$peer" "$2" --echo 2000000 "$1"
}

# A client that first sends all it can and reads nothing: the driver's window closes, no byte is lost.
echo_slow_reader() {
    "$peer" --lazy --echo 8000000 "$1"
}

# A client that resets its connection in the middle takes nothing else with it.
echo_reset() {
    "$peer" --echo 200000 --reset "$1" && "$peer" -6 --echo 200000 --reset "$1" && "$peer" --echo 1000 "$1"
}

echo_many() {
    local clients=() client i
    for i in 1 2 3 4 5 6 7 8; do
        "$peer" --echo 300000 --burst 4099 "${ports[$((i % 2))]}" &
        clients+=($!)
    done
    for client in "${clients[@]}"; do
        wait "$client" || return 1
    done
}

# The unload ends connections that are idle, and those of clients that have sent something and do not read.
echo_unload() {
    local clients=() client port
    for port in "${ports[@]}"; do
        "$peer" --expect RST "$port" &
        clients+=($!)
        "$peer" --deaf --expect RST "$port" "some text" &
        clients+=($!)
        wait_for 10 is_connected "$port" 2 || return 1
    done
    unload || return 1
    for client in "${clients[@]}"; do
        wait "$client" || return 1
    done
}

# ---- rundown ---------------------------------------------------------------------------------------------------

rundown_loop() {
    "$peer" --chat "$([ -z "${UWSK_TEST_FULL:-}" ] && echo 100 || echo 1000)" --parallel 8 "${ports[0]}"
}

rundown_right() {
    unload && driver_says | grep -q "connections closed under fire, .* 0 wrong$"
}

# ---- workqueue -------------------------------------------------------------------------------------------------

# A client that has shut its direction down still gets everything, and then our FIN.
workqueue_half_close() {
    local bytes
    bytes=$(head -c 300000 /dev/zero | timeout 20 nc -N "$2" "$1" | wc -c)
    echo "$bytes bytes came back behind the FIN"
    [ "$bytes" -eq 300000 ]
}

workqueue_many() {
    local clients=() client i
    for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
        case $((i % 4)) in
        0) "$peer" -6 --echo 200000 --reset "${ports[0]}" & ;;
        1) "$peer" -6 --echo 200000 --burst 2049 "${ports[0]}" & ;;
        2) "$peer" --echo 20000 --burst 100 "${ports[0]}" & ;;
        3) "$peer" --echo 3000000 "${ports[0]}" & ;;
        esac
        clients+=($!)
    done
    for client in "${clients[@]}"; do
        wait "$client" || return 1
    done
}

# ---- firewall --------------------------------------------------------------------------------------------------

firewall_decides() {
    timeout 60 "$tree/tests/drivers/knocks.py" "$1" 300
}

# The driver goes while clients knock: those that come too late find nobody.
firewall_unload() {
    local knocker
    (while timeout 5 nc -d -w 1 127.0.0.1 "$1" >/dev/null; do :; done) &
    knocker=$!
    timeout 60 "$tree/tests/drivers/knocks.py" "$1" 0 2>/dev/null # how many are let in beside the other is chance
    unload
    local status=$?
    wait $knocker
    [ $status -eq 0 ] && driver_says | grep -Eq "^[0-9]+ let in, [0-9]+ turned away, [0-9]+ gave up$"
}

# ---- udp-echo --------------------------------------------------------------------------------------------------

udp_echo_socat() {
    echo "from socat" | timeout 10 socat -t 2 - "UDP4:127.0.0.1:$1" | same_line "from socat" &&
        echo "from socat 6" | timeout 10 socat -t 2 - "UDP6:[::1]:$1" | same_line "from socat 6"
}

udp_pattern() { # ADDRESS PORT
    timeout 60 "$tree/tests/drivers/udp_pattern.py" "$1" "$2" 3000
}

# The driver goes while clients send: nothing of it is left, and what they then get is nothing.
udp_echo_unload() {
    local clients=() i
    for i in 1 2 3 4; do
        timeout 60 "$tree/tests/drivers/udp_pattern.py" --until-silent 127.0.0.1 "$1" 1000000 &
        clients+=($!)
    done
    driver_echoes_udp "$1" || return 1
    unload || return 1
    for i in "${clients[@]}"; do
        wait "$i" || return 1
    done
    driver_says | grep -Eq "^[0-9]+ datagrams echoed in [0-9]+ requests, [0-9]+ dropped$"
}

# So many were echoed that the clients are at it.
driver_echoes_udp() {
    timeout 30 "$tree/tests/drivers/udp_pattern.py" 127.0.0.1 "$1" 200
}


check drivers_close_loads load close CLOSE_PORT
port=${ports[0]}
for ((number = 1; number <= ${#close_case_ends[@]}; number++)); do
    check "drivers_close_case_$number" close_case "$number"
done
check drivers_close_unloads close_all_right
end_driver
check drivers_close_unloads_with_silent_client close_with_silent_client
end_driver

check drivers_echo_loads load echo ECHO_EVENT_PORT ECHO_RECEIVE_PORT
for style in events receive; do
    port=${ports[0]}
    [ $style = events ] || port=${ports[1]}
    check drivers_echo_${style}_nc echo_nc "$port"
    check drivers_echo_${style}_socat echo_socat "$port"
    check drivers_echo_${style}_curl curl_gets "$port" "from curl"
    check drivers_echo_${style}_pattern echo_pattern "$port" -4
    check drivers_echo_${style}_pattern_ipv6 echo_pattern "$port" -6
    check drivers_echo_${style}_slow_reader echo_slow_reader "$port"
    check drivers_echo_${style}_reset echo_reset "$port"
done
check drivers_echo_many_clients echo_many
check drivers_echo_unloads_with_clients echo_unload
end_driver

check drivers_rundown_loads load rundown RUNDOWN_PORT
check drivers_rundown_loop rundown_loop
check drivers_rundown_unloads rundown_right
end_driver

check drivers_workqueue_loads load workqueue WORKQUEUE_PORT
port=${ports[0]}
check drivers_workqueue_nc echo_nc "$port"
check drivers_workqueue_pattern echo_pattern "$port" -4
check drivers_workqueue_pattern_ipv6 echo_pattern "$port" -6
check drivers_workqueue_half_close workqueue_half_close "$port" 127.0.0.1
check drivers_workqueue_half_close_ipv6 workqueue_half_close "$port" ::1
check drivers_workqueue_slow_reader echo_slow_reader "$port"
check drivers_workqueue_reset echo_reset "$port"
check drivers_workqueue_many_clients workqueue_many
check drivers_workqueue_unloads_with_clients echo_unload

end_driver

check drivers_udp_echo_loads load udp-echo UDP_ECHO_PORT
port=${ports[0]}
check drivers_udp_echo_socat udp_echo_socat "$port"
check drivers_udp_echo_pattern udp_pattern 127.0.0.1 "$port"
check drivers_udp_echo_pattern_ipv6 udp_pattern ::1 "$port"
check drivers_udp_echo_unloads_with_clients udp_echo_unload "$port"
end_driver

check drivers_firewall_loads load firewall FIREWALL_PORT
port=${ports[0]}
check drivers_firewall_decides firewall_decides "$port"
check drivers_firewall_unloads_with_clients firewall_unload "$port"

shell_end
