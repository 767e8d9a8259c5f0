#!/bin/bash
# run.sh SECONDS TARGET...: each libFuzzer target so long, two at a time; 0: only the inputs of its corpus.
# run.sh SECONDS --in BUILD [NAME...]: those of a build folder, all or some.
#
# What it finds is left as fuzz-TARGET-crash-*.  Ends with "N passed, N failed".
set -u

here=$(cd "$(dirname "$0")" && pwd)
seconds=$1
shift
if [ "${1:-}" = --in ]; then
    folder=$2/tests
    shift 2
    [ $# -gt 0 ] || set -- address calls control datagram descriptor listen message print stream
    set -- "${@/#/$folder/fuzz_}"
fi
for target in "$@"; do
    [ -x "$target" ] || { echo "$target is not there: the preset asan builds it" >&2 && exit 2; }
done
[[ $seconds =~ ^[0-9]+$ && $# -gt 0 ]] || { echo "usage: run.sh SECONDS TARGET... | SECONDS --in BUILD [NAME...]" >&2 && exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export UBSAN_OPTIONS=print_stacktrace=1

# one TARGET: its log is $work/NAME.log, its end $work/NAME.status.
one() {
    local name=${1##*/fuzz_} how=(-runs=0)
    [ "$seconds" = 0 ] || how=(-max_total_time="$seconds")
    mkdir -p "$work/$name"
    "$1" "${how[@]}" -timeout=60 -max_len=512 -artifact_prefix="fuzz-$name-" -print_final_stats=1 "$work/$name" \
        "$here/corpus/$name" >"$work/$name.log" 2>&1
    echo $? >"$work/$name.status"
}

for target in "$@"; do
    while [ "$(jobs -pr | wc -l)" -ge 2 ]; do wait -n; done
    one "$target" &
done
wait
passed=0
failed=0
for target in "$@"; do
    name=${target##*/fuzz_}
    if [ "$(cat "$work/$name.status")" = 0 ]; then
        passed=$((passed + 1))
        result=pass
        echo "fuzz_$name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$work/$name.log") inputs"
    else
        failed=$((failed + 1))
        result=fail
        echo "fuzz_$name: failed"
        tail -n 60 "$work/$name.log"
    fi
    [ -z "${UWSK_TEST_RESULTS:-}" ] || printf 'fuzz_%s\t-\t%s\t1\t\n' "$name" $result >>"$UWSK_TEST_RESULTS"
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
