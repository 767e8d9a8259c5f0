#!/bin/bash
# test_explore.sh UWSK FOLDER DRIVERS [--only PATTERN] [--verbose]: `uwsk explore` as its users meet it.
#
# FOLDER has the drivers of tests/explore, DRIVERS those of drivers/.  Each test is a function whose name starts with
# explore_; listing.tsv says which rules it covers.  Result lines go to $UWSK_TEST_RESULTS.
set -u

tree=$(cd "$(dirname "$0")/../.." && pwd)
uwsk=$1
folder=$2
drivers=$3
shift 3
. "$tree/tests/support/shell.sh"
shell_options "$@"
shell_work
cp "$folder"/explore_closers.so closers.so
cp "$folder"/explore_closers_fixed.so fixed.so
cp "$folder"/explore_turns.so turns.so
cp "$folder"/explore_turns_race.so race.so
cp "$folder"/explore_turns_late.so late.so
cp "$folder"/explore_never.so never.so
cp "$folder"/explore_exits.so exits.so
cp "$folder"/explore_kinds.so kinds.so
cp "$folder"/explore_captures.so captures.so
cp "$folder"/explore_leaks.so leaks.so

# ThreadSanitizer makes each run a hundred times as slow.
case ${UWSK_SANITIZE:-} in
*thread*) few=20 ;;
*) few=100 ;;
esac

# ---- what tests are written with

# explore STATUS ARGUMENT...: ends with this status; output in out and err.
explore() {
    local expected=$1 status
    shift
    timeout 400 "$uwsk" explore "$@" >out 2>err
    status=$?
    [ "$status" = "$expected" ] || fail "uwsk explore $*: status $status instead of $expected"
}

usage_error() { # PATTERN ARGUMENT...
    local pattern=$1
    shift
    explore 2 "$@"
    has err "$pattern"
    one_line err
    [ ! -s out ] || fail "uwsk explore $*: something on standard output"
}

json() { # FILE [EXPRESSION]: is JSON, and the expression of it (report) is true
    python3 -c 'import json, sys; json.load(open(sys.argv[1]))' "$1" 2>/dev/null || fail "$1 is no JSON"
    [ -z "${2:-}" ] || python3 -c 'import json, sys; report = json.load(open(sys.argv[1]))
sys.exit(not eval(sys.argv[2]))' "$1" "$2" 2>/dev/null || fail "$1: not true: $2"
}

# The client leaves when the driver is unloaded.
cat >leaves.scn <<'SCENARIO'
unload at 200us
weather latency 10us 20us
peer
    connect 127.0.0.1:7100
    wait 80us
end
SCENARIO

# A server for a client that may be unloaded before it has connected.
cat >server.scn <<'SCENARIO'
host 10.0.0.9
registry Host=sz:10.0.0.9
registry Port=dword:7000
registry Text=sz:hello
unload at 1ms
weather latency 10us 20us
peer server from 10.0.0.9
    listen 10.0.0.9:7000
    accept
    send "hi"
    drain
end
SCENARIO

# ---- tests

explore_clean_drivers() {
    local driver
    for driver in close dns-query echo firewall proxy rundown tcp-client udp-echo; do
        explore 0 --seeds $few --registry Server=sz:10.0.0.1 --registry Name=sz:host.test \
            --registry Host=sz:10.0.0.1 --registry Port=dword:7000 --registry Text=sz:hello "$drivers/$driver/$driver.so"
        has out "^explored $few seeds from 1: [0-9]+ schedules, [0-9]+ close states, 0 violations"
        lacks out '^violation'
    done
    explore 0 --seeds $few --scenario server.scn "$drivers/tcp-client/tcp-client.so"
    explore 0 --seeds $few --faults all "$drivers/echo/echo.so"
    explore 0 --seeds $few --scheduler pct:3 "$drivers/rundown/rundown.so"
    has out '^pct: n = [0-9]+ threads, k = [0-9]+ steps: .* 1/\(n\*k\^2\) = '
    explore 0 --seeds 5 --scheduler pct:65 "$drivers/rundown/rundown.so"
    has out '1/\(n\*k\^64\) = '
    explore 0 --seeds $((2 * few)) --scenario leaves.scn fixed.so
}

# What is found is told with a command that finds it again, and a trace that shows it.
explore_planted_bug() {
    local command kind
    explore 1 --seeds 5000 --scenario leaves.scn closers.so --trace found.trace --json found.json
    has out '^violation: [^ ]+ seed [0-9]+: .'
    has out 'at step [0-9]+, thread T[0-9]+ \('
    has out '^  [0-9]+ of the [0-9]+ switches are needed \(without any one of them it does not happen\)'
    has out '\| .*!! '
    has out '^shrunk: +uwsk explore --replay found.trace$'
    kind=$(sed -n 's/^violation: \([^ ]*\) .*/\1/p' out | head -1)
    command=$(sed -n 's/^run it again: *uwsk //p' out)
    [ -n "$command" ] || fail "no command to run it again"
    json found.json
    json found.trace
    eval "timeout 120 \"$uwsk\" $command" >again 2>&1
    [ $? = 1 ] || fail "\"uwsk $command\" does not find it again"
    has again "^violation: $kind "
    explore 1 --replay found.trace
    has out "^violation: $kind "
    explore 1 --replay found.trace closers.so
    has out "^violation: $kind "
}

# Names with all that a shell looks at: what is printed can be run as it stands.
explore_quoted_commands() {
    local driver="it's a \"driver\" \$(false) *.so" again shrunk
    cp never.so "$driver"
    explore 1 --seed 3 --trace 'the trace & more' --json 'its report.json' "$driver"
    again=$(sed -n 's/^run it again: *uwsk //p' out)
    shrunk=$(sed -n 's/^shrunk: *uwsk //p' out)
    json 'its report.json' "report['analyses'][0]['trace'] == 'the trace & more'"
    for command in "$again" "$shrunk"; do
        [ -n "$command" ] || fail "a command is missing"
        eval "timeout 120 \"$uwsk\" $command" >again 2>&1
        [ $? = 1 ] || fail "\"uwsk $command\" does not find it again"
        has again '^violation: unload-hangs seed 3: '
    done
    command -v gdb >/dev/null || return
    eval "timeout 120 \"$uwsk\" $again --gdb" >again 2>&1 <<<'kill'
    has again 'received signal SIGTRAP'
}

# Two workers: what one finds stops the other at the end of its seed, and the first seed is told.
explore_two_workers() {
    for _ in 1 2 3 4 5 6 7 8; do
        explore 1 --seeds 5000 --jobs 2 --scenario leaves.scn closers.so
        [ "$(grep -c '^violation' out)" = 1 ] || fail "$(grep -c '^violation' out) violations are told"
    done
}

explore_same_seed_same_run() {
    local first second
    for seed in 1 2 3 4 5; do
        explore 0 --seed $seed "$drivers/echo/echo.so"
        first=$(cat out)
        explore 0 --seed $seed "$drivers/echo/echo.so"
        second=$(cat out)
        [ "$first" = "$second" ] || fail "seed $seed: $first, then $second"
        has out "^seed $seed: nothing was found: [0-9]+ steps, [0-9]+ threads, hash [0-9a-f]{16}$"
    done
}

explore_other_build() {
    explore 1 --seeds 5000 --scenario leaves.scn closers.so --trace of.trace
    cp closers.so kept.so
    cp fixed.so closers.so
    explore 2 --replay of.trace
    has err 'of.trace: is the trace of another build of closers.so \(build-id [0-9a-f]+'
    cp kept.so closers.so
    explore 2 --replay of.trace fixed.so
    has err 'another build of fixed.so'
    explore 2 --replay of.trace closers.so fixed.so
    has err 'is the trace of 1 driver, 2 are named'
    sed 's/"runtime":.*/"runtime": "0123456789abcdef0123",/' of.trace >other.trace
    explore 2 --replay other.trace
    has err 'other.trace: is the trace of another build of uwsk'
    sed 's/"switches"/"twitches"/' of.trace >broken.trace
    explore 2 --replay broken.trace
    has err 'broken.trace: is damaged'
    echo '{}' >no.trace
    explore 2 --replay no.trace
    has err 'no.trace: is no trace of uwsk explore'
    explore 2 --replay nowhere.trace
    has err 'nowhere.trace: cannot be read: No such file'
}

explore_every_schedule() {
    explore 0 --scheduler dfs:0 --processors 1 turns.so
    has out '^dfs:0: [0-9]+ schedules: .*; complete'
    explore 0 --scheduler dfs:1 --processors 1 turns.so
    has out '^dfs:1: [0-9]{3,} schedules: [0-9]+ with 0 preemptions, [0-9]+ with 1 preemption; complete'
    explore 1 --scheduler dfs:1 --processors 1 --json race.json race.so
    json race.json 'report["violations"] == len(report["found"]) == len(report["analyses"]) == 1'
    json race.json 'report["found"][0]["kind"] == "unload-hangs" and report["runs"] > 1 == report["seeds"]'
    has out '^violation: unload-hangs seed 1: '
    has out 'who waits for what'
    lacks out '^in a debugger:' # which would make all of these runs
    explore 1 --replay uwsk-explore-1.trace
    explore 1 --scheduler dfs:1 --processors 1 late.so
    has out '^violation: unload-hangs seed 1: '
    explore 0 --scheduler dfs:2 --seeds 50 turns.so
    has out '^dfs:2: 50 schedules: .*; not complete'
}

# WSK's provider comes and goes while a driver captures it, gives it back, is attached, detached and unloaded: at moments
# that the seed draws, in every schedule with one preemption, and with memory that is short.
explore_provider_comes_and_goes() {
    printf 'unload at 300us\nprovider delay 0us 200us\nprovider leave 1us 300us\n' >provider.scn
    explore 0 --seeds $((10 * few)) --scenario provider.scn captures.so
    explore 0 --seeds "$few" --faults low-memory --scenario provider.scn captures.so
    printf 'unload at 40us\nprovider delay 10us\nprovider leave 20us\n' >close.scn
    case ${UWSK_SANITIZE:-} in
    '')
        explore 0 --scheduler dfs:1 --processors 1 --scenario close.scn captures.so
        has out '^dfs:1: [0-9]{4,} schedules: .*; complete'
        ;;
    esac
    explore 0 --seed 1 --scenario close.scn --trace provider.trace captures.so
    printf 'provider delay 2us 1us\n' >wrong.scn
    explore 2 --seed 1 --scenario wrong.scn captures.so
    has err 'wrong.scn:1: expected the smaller time first'
    printf 'provider stays\n' >wrong.scn
    explore 2 --seed 1 --scenario wrong.scn captures.so
    has err 'wrong.scn:1: expected "delay TIME" or "leave TIME", found "stays"'
}

# SEED JOBS: the last output tells of a sweep of this seed that has made every call fail, once and from there on; each
# worker counts the calls in a run of its own.
swept() {
    local points runs
    read -r points runs < <(sed -n "s/^swept seed $1: \\([0-9]*\\) fault points, \\([0-9]*\\) runs: .*/\\1 \\2/p" out)
    [ "${points:-0}" -gt 5 ] || fail "${points:-no} fault points of seed $1"
    [ "${runs:-0}" = $((2 * ${points:-0} + $2)) ] || fail "${runs:-no} runs for ${points:-no} fault points"
}

explore_sweep() {
    local driver again shrunk
    for driver in echo rundown; do
        explore 0 --sweep --jobs 1 "$drivers/$driver/$driver.so"
        swept 1 1
        has out ' 0 violations'
    done
    explore 0 --sweep --seed 4 --jobs 2 "$drivers/rundown/rundown.so"
    swept 4 2
    explore 1 --sweep --jobs 1 leaks.so
    has out '^violation: left-behind seed 1: leaks left behind: 1 pool block'
    again=$(sed -n 's/^run it again: *uwsk //p' out)
    shrunk=$(sed -n 's/^shrunk: *uwsk //p' out)
    [[ $again = *'--seed 1 --fail once:'* ]] || fail "how to run it again: $again"
    [[ $shrunk = *'--replay uwsk-explore-1-once-'*.trace ]] || fail "the trace: $shrunk"
    # shellcheck disable=SC2086
    explore 1 ${again#explore }
    has out '^violation: left-behind seed 1: '
    # shellcheck disable=SC2086
    explore 1 ${shrunk#explore }
    has out '^violation: left-behind seed 1: '
    explore 1 --sweep --keep-going --json sweep.json leaks.so
    json sweep.json '["once:" in report["found"][0]["command"], "from:" in report["found"][1]["command"]] == [True] * 2'
    json sweep.json 'report["violations"] == len(report["found"]) == 2 and len(report["analyses"]) == 1'
    explore 0 --seed 1 --fail once:3 "$drivers/echo/echo.so"
    explore 0 --seed 1 --fail from:3 "$drivers/echo/echo.so"
}

# A driver that does not become quiet; many violations; a report of them.
explore_never_quiet() {
    explore 1 --seeds 1 never.so
    has out '^violation: unload-hangs seed 1: DriverUnload of never has not returned within 60 s'
    has out '0 of the [0-9]+ switches are needed'
    has out 'who waits for what'
    explore 1 --seeds 20 --keep-going --jobs 2 --json never.json never.so
    [ "$(grep -c '^violation: unload-hangs' out)" = 20 ] || fail "not 20 violations"
    has out '^explored 20 seeds from 1: .* 20 violations'
    json never.json
}

# A driver that takes the process with it: found and counted by every kind of campaign.
explore_process_crashed() {
    local how
    for how in '--seeds 1' '--seed 1' '--seed 1 --scheduler pct:2' '--scheduler dfs:0'; do
        # shellcheck disable=SC2086
        explore 1 $how --json crashed.json exits.so
        has out '^violation: process-crashed seed 1: the process ends with status 77$'
        json crashed.json 'report["violations"] == report["runs"] == report["seeds"] == 1'
        json crashed.json '[(one["kind"], one["seed"]) for one in report["found"]] == [("process-crashed", "1")]'
    done
    explore 1 --seeds 10 --jobs 2 --keep-going --json crashed.json exits.so
    has out '^explored 10 seeds from 1: .* 10 violations'
    json crashed.json 'report["violations"] == report["runs"] == report["seeds"] == len(report["found"]) == 10'
    json crashed.json 'report["analyses"] == []'
}

# However many kinds there are, the first of each is looked at.
explore_many_kinds() {
    local kinds many=150
    [ $few = 100 ] || many=40
    explore 1 --seeds $many --keep-going --json kinds.json kinds.so
    kinds=$(sed -n 's/^violation: \([^ ]*\) .*/\1/p' out | sort -u | wc -l)
    [ "$kinds" -gt 6 ] || fail "$kinds kinds"
    [ "$(grep -c '^violation' out)" = $many ] || fail "not $many violations"
    [ "$(grep -c '^run it again:' out)" = "$kinds" ] || fail "not all of $kinds kinds are analysed"
    json kinds.json "report['violations'] == len(report['found']) == $many"
    json kinds.json "len(report['analyses']) == $kinds == len({one['kind'] for one in report['found']})"
}

# Nothing is left out in silence.
explore_many_violations() {
    [ $few = 100 ] || return # a thousand processes are too many for ThreadSanitizer
    explore 1 --seeds 1005 --keep-going --json many.json exits.so
    [ "$(grep -c '^violation' out)" = 1000 ] || fail "not 1000 violations are listed"
    has out '^5 more violations of these kinds are not listed$'
    has out '^explored 1005 seeds from 1: .* 1005 violations'
    json many.json 'report["violations"] == 1005 and len(report["found"]) == 1000'
    mkdir many && mv many.json many/1.json
    explore 1 --merge many
    has out '^5 more violations of these kinds are not listed$'
    has out '^merged 1 reports: .* 1005 violations'
}

explore_shards() {
    local i
    mkdir shards empty
    for i in 1 2 3; do
        explore 0 --seeds 20 --shard $i/4 --json shards/$i.json "$drivers/echo/echo.so"
        has out "^explored 20 seeds from $i of this shard"
    done
    explore 0 --merge shards
    has out '^merged 3 reports: 60 seeds, 60 runs, 60 schedules, [0-9]+ close states, 0 violations'
    has out '^missing: 1 of 4 shards: 4$'
    explore 1 --seeds 1 --shard 4/4 --json shards/4.json never.so
    explore 1 --merge shards --json all.json
    has out '^violation: unload-hangs seed 4: '
    has out '^  run it again: uwsk explore --seed 4 never.so$'
    lacks out missing
    json all.json
    explore 2 --merge empty
    has err 'empty: has no reports'
    explore 2 --merge nowhere
    has err 'nowhere: cannot be read'
    echo '[' >shards/5.json
    explore 2 --merge shards
    has err 'shards/5.json: is no report'
}

# Ctrl-C: what was found so far is told.
explore_interrupted() {
    local status
    "$uwsk" explore --for 60 --jobs 2 "$drivers/echo/echo.so" >out 2>err &
    for _ in $(seq 500); do
        [ "$(pgrep -P $! | wc -l)" -ge 2 ] && break
        sleep 0.02
    done
    kill -TERM $!
    wait $!
    status=$?
    [ "$status" = 0 ] || fail "status $status instead of 0"
    has out '^explored [0-9]+ seeds'
}

explore_for_seconds() {
    explore 0 --for 3 --jobs 1 "$drivers/echo/echo.so"
    has out '^explored [0-9]+ seeds'
    lacks out '^explored 0 seeds'
}

explore_gdb() {
    command -v gdb >/dev/null || { echo "gdb is missing" >>problems && return; }
    timeout 120 "$uwsk" explore --seed 1 --gdb never.so >out 2>&1 <<'GDB'
backtrace 3
kill
quit
GDB
    has out '^gdb stops at step [0-9]+; right after it comes: DriverUnload of never'
    has out 'received signal SIGTRAP'
}

explore_bad_input() {
    printf 'deliver sometimes\n' >bad.scn
    usage_error 'bad.scn:1: expected dispatch, passive or mixed, found "sometimes"' --scenario bad.scn turns.so
    usage_error 'nowhere.scn: cannot be read' --scenario nowhere.scn turns.so
    usage_error 'no driver is named'
    usage_error 'nowhere.so' --seeds 3 nowhere.so
    usage_error 'leaves.scn: is not a driver' leaves.scn
    usage_error '--seed x1: expected a seed: a whole number such as 17 or 0x11' --seed x1 turns.so
    usage_error '--seed -1: expected a seed' --seed -1 turns.so
    usage_error '--seed 1.5: expected a seed' --seed 1.5 turns.so
    usage_error '--seed 99999999999999999999: expected a seed' --seed 99999999999999999999 turns.so
    usage_error '--seeds 0: expected how many seeds' --seeds 0 turns.so
    usage_error '--scheduler pct: expected random, pct:D .* or dfs:B' --scheduler pct turns.so
    usage_error '--scheduler pct:66: expected .* \(a depth from 1 to 65, ' --scheduler pct:66 turns.so
    usage_error '--scheduler dfs:17: expected .* \(preemptions from 0 to 16, ' --scheduler dfs:17 turns.so
    usage_error '--scheduler dfs:x: expected' --scheduler dfs:x turns.so
    usage_error '--shard 3/2: expected I/N' --shard 3/2 turns.so
    usage_error '--fail 3: expected once:K or from:K' --fail 3 turns.so
    usage_error '--jobs 0: expected a number from 1 to 256' --jobs 0 turns.so
    usage_error '--jobs 257: expected a number from 1 to 256' --jobs 257 turns.so
    usage_error '--processors 65: expected a number from 1 to 64' --processors 65 turns.so
    usage_error 'faults' --faults sometimes turns.so
    usage_error '--gdb needs --seed' --gdb turns.so
    usage_error '--gdb .* cannot be given with --replay' --gdb --replay some.trace
    usage_error '--gdb makes one run, --sweep many' --gdb --seed 1 --sweep turns.so
    usage_error '--gdb makes one run, --scheduler dfs many' --gdb --seed 1 --scheduler dfs:1 turns.so
    usage_error '--shard splits seeds' --shard 1/2 --sweep turns.so
    usage_error '--shard splits seeds' --shard 2/2 --seed 5 turns.so
    usage_error '--shard splits seeds' --shard 2/2 --scheduler dfs:1 turns.so
    usage_error '--sweep' --sweep --faults all turns.so
    usage_error 'no value such as Port=dword:5007' --registry Port turns.so
    usage_error 'turns.so: is loaded already' turns.so turns.so
    usage_error 'seedz' --seedz 3 turns.so
    usage_error 'takes no driver' --merge . turns.so
    explore 2 --seeds 5 --registry 'Port=dword:x' turns.so
    has err 'Port=dword:x'
    explore 0 --seed 0x11 --json seed.json turns.so
    json seed.json
    has out '^seed 17: '
    explore 0 --help
    has out '^usage: uwsk explore'
}

explore_manual() {
    local page option
    page=$tree/man/uwsk-explore.1
    command -v groff >/dev/null || { echo "groff is missing" >>problems && return; }
    groff -man -ww -z -Tutf8 "$page" 2>err
    [ ! -s err ] || fail "groff complains: $(head -1 err)"
    "$uwsk" explore --help | grep -oE '^ +--[a-z-]+' | tr -d ' ' | sort -u | while read -r option; do
        grep -qF -- "${option//-/\\-}" "$page" || fail "uwsk-explore.1 does not tell about $option"
    done
}

# docs/simulator.md says that test_world.c uses all of the API.
explore_api_is_used() {
    local name
    grep -oE 'uwsk_(world|peer)_[a-z_]+\(' "$tree/include/uwsk/sim.h" | sort -u >names
    [ "$(wc -l <names)" -gt 30 ] || fail "$(wc -l <names) functions in sim.h"
    while read -r name; do
        grep -qF "$name" "$tree/tests/explore/test_world.c" || fail "test_world.c does not use $name)"
    done <names
}

# Each kind of violation is explained, and those of invariants.c are provoked.
explore_kinds_are_told() {
    local kind
    cat "$tree"/src/explore/*.c | tr '\n' ' ' |
        grep -oE '(world_violation|world_violation_begin|begin_violation|hang|irp_gone)\([^,]*,( *object,)? *"[a-z-]+"' |
        sed 's/.*"\(.*\)"/\1/' | sort -u >kinds
    [ "$(wc -l <kinds)" -gt 20 ] || fail "$(wc -l <kinds) kinds in src/explore"
    while read -r kind; do
        grep -qF -- "${kind//-/\\-}" "$tree/man/uwsk-explore.1" || fail "uwsk-explore.1 does not tell about $kind"
        ! grep -qF "\"$kind\"" "$tree/src/explore/invariants.c" ||
            grep -qF "\"$kind\"" "$tree/tests/explore/test_invariants.c" || fail "test_invariants.c does not provoke $kind"
    done <kinds
}

# ---- all of them

shell_tests explore_ out err
shell_end
