# tools/drivers.sh: what the demo and the tests of drivers/ have in common; read by bash with `.`.
# $tree is the source tree, $build the build folder, $work a folder of the caller's own.

uwsk=$build/uwsk
peer=$build/peer-watch
driver_pid=

# The end of everything that was started here, by its process id.
end_driver() {
    [ -z "$driver_pid" ] || kill -KILL "$driver_pid" 2>/dev/null
    driver_pid=
}

# free_port: a port on loopback, below those that the system hands out, that nobody listens on and that was not handed
# out before: old connections in TIME_WAIT would hold it.
free_port() {
    local port
    port=$(cat "$work/port" 2>/dev/null) || port=$((10000 + (RANDOM * 32768 + RANDOM) % 20000))
    while :; do
        port=$((port < 29999 ? port + 1 : 10000))
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
    done
    echo "$port" | tee "$work/port"
}

# wait_for SECONDS COMMAND…: until the command succeeds.
wait_for() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.02
    done
}

# is_connected PORT [COUNT]: so many clients are connected to a driver's port.
is_connected() {
    [ "$(ss -Htn state established "sport = :$1" | wc -l)" -ge "${2:-1}" ]
}

# compile_driver NAME [OPTION…]: $work/NAME.so from drivers/NAME.
compile_driver() {
    local name=$1
    shift
    "$uwsk" cc "$@" -o "$work/$name.so" "$tree/drivers/$name"/*.c "$tree/drivers/common/wskclient.c"
}

# start_driver NAME [OPTION OF uwsk run…]: loads $work/NAME.so; its output goes to $work/NAME.log.
start_driver() {
    driver=$1
    shift
    : >"$work/$driver.log" # the background job empties it too late: an earlier run's lines would be believed
    "$uwsk" run --for 120 "$@" "$work/$driver.so" >"$work/$driver.log" 2>&1 &
    driver_pid=$!
    wait_for 20 driver_is_up
    grep -q "^uwsk: $driver is loaded" "$work/$driver.log"
}

driver_is_up() {
    grep -q "^uwsk: $driver is loaded" "$work/$driver.log" || ! kill -0 "$driver_pid" 2>/dev/null
}

# stop_driver: asks for the unload; answers the exit status of `uwsk run`.
stop_driver() {
    local status
    kill -INT "$driver_pid" 2>/dev/null
    wait "$driver_pid"
    status=$?
    driver_pid=
    return $status
}

# driver_says: what the driver has printed, without the columns of `uwsk run`.
driver_says() {
    sed -n 's/^\[ *[0-9.]*\] T[0-9]* *[A-Z]* \{1,2\}//p' "$work/$driver.log"
}

# What the peer has to see in each case of drivers/close, in order.
close_case_ends=(RST RST RST RST RST RST FIN FIN+RST RST RST RST RST RST RST RST RST RST RST)

# play_case NUMBER PORT: $saw is what the peer saw; status 0 when that and the driver's own account are right.
play_case() {
    local options=() status
    case $1 in
    3 | 10) options=(--deaf) ;;
    17) options=(--black-hole) ;;
    esac
    saw=$("$peer" "${options[@]}" --expect "${close_case_ends[$1 - 1]}" "$2" "case $1")
    status=$?
    wait_for 10 case_is_over "$1"
    driver_says | grep -q "^case $1, .*: right$" && [ $status -eq 0 ]
}

case_is_over() {
    driver_says | grep -q "^case $1, .*: \(right\|WRONG\)$"
}

# case_timeline NUMBER: what the driver printed for that case.
case_timeline() {
    driver_says | sed -n "/^case $1, /,/^case $1, .*: \(right\|WRONG\)$/p"
}

# curl_gets PORT LINE: curl as a plain TCP client sends the line and gets it back.  It would stay connected for ever: it
# is ended as soon as the line is there.
curl_gets() {
    local pid status
    echo "$2" >"$work/curl.in"
    : >"$work/curl.out"
    curl -sN -m 20 "telnet://127.0.0.1:$1" <"$work/curl.in" >"$work/curl.out" &
    pid=$!
    wait_for 15 grep -qx "$2" "$work/curl.out"
    status=$?
    kill "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
    return $status
}
