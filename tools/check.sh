#!/bin/sh
# tools/check.sh [--full[=N]] [BUILD [options of ctest]]: runs every test of a build, or those that the options choose, and
# ends with one line "N passed, N failed".  --full runs the loops and modes that a quick check leaves out, --full=N
# one of N rounds of the loops.  A line before it says how often tests ran on which back end, as they told; in the
# simulator each seed is a run.
#
# What every test has shown is in BUILD/test-results.tsv (tools/rules.sh reads it); what a choice of tests or of modes
# (UWSK_TEST_PART and the like) has shown is in test-results-some.tsv.
set -u

full=
limit=600 # seconds for one program
case ${1:-} in
--full | --full=[1-9]*)
    full=${1#--full}
    full=${full#=}
    full=${full:-1}
    limit=3000
    shift
    ;;
esac
build=${1:-build}
[ $# -eq 0 ] || shift
if [ ! -f "$build/CTestTestfile.cmake" ]; then
    echo "check: $build holds no build (make builds one)" >&2
    exit 2
fi
build=$(cd "$build" && pwd)

results=$build/test-results.tsv
[ "$#${UWSK_TEST_PART:-}${UWSK_TEST_SKIP:-}${UWSK_TEST_MODES:-}" = 0 ] || results=$build/test-results-some.tsv
failed_programs=$build/Testing/Temporary/LastTestsFailed.log
rm -f "$results" "$failed_programs"
UWSK_TEST_RESULTS=$results
UWSK_TEST_FULL=$full
UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1${UBSAN_OPTIONS:+:$UBSAN_OPTIONS}
export UWSK_TEST_RESULTS UWSK_TEST_FULL UBSAN_OPTIONS

status=0
ctest --test-dir "$build" --output-on-failure --no-tests=error -j "${UWSK_TEST_JOBS:-$(nproc)}" \
    --timeout "$limit" "$@" || status=1

# A program that ended before it could record a failure counts as one.
touch "$results" "$failed_programs"
awk -F '\t' -v status=$status -v programs="$(grep -c . "$failed_programs")" '
    {
        end = $5 == "" ? "nothing" : $5
        runs[end] += $4 == "" ? 1 : $4
    }
    $3 == "pass" { passed++ }
    $3 == "fail" { failed++; print "failed: " $1 ($2 == "" ? "" : " [" $2 "]") }
    END {
        if (failed < programs)
            failed = programs
        if (failed == 0 && status != 0)
            failed = 1
        if (passed + failed == 0) {
            failed = 1
            print "failed: no test has run"
        }
        printf "runs: %d on epoll, %d on io_uring, %d on sim, %d without our network\n", runs["epoll"], runs["io_uring"],
            runs["sim"], runs["nothing"]
        printf "%d passed, %d failed\n", passed, failed
        exit failed > 0
    }' "$results"
