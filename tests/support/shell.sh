# shell.sh: what the tests that are written in the shell have in common.  Sourced, not run.
#
# A test is a function that tells what is wrong with `fail`, `has`, `lacks` or `one_line`: it has failed when there is
# anything in the file problems.  Result lines, NAME MODE pass|fail RUNS BACK-END, go to $UWSK_TEST_RESULTS.
# shellcheck shell=bash

only='*'
verbose=
passed=0
failed=0

# shell_options [--only PATTERN] [--verbose]: which tests are run, and whether those that pass are named.
shell_options() {
    while [ $# -gt 0 ]; do
        case $1 in
        --only) only=$2 && shift ;;
        --verbose) verbose=1 ;;
        *) echo "$(basename "$0"): $1?" >&2 && exit 2 ;;
        esac
        shift
    done
}

# shell_work: goes to a new folder, $work, which is gone at the end; clean_up is called before, if there is one.
shell_work() {
    work=$(mktemp -d) || exit 2
    trap 'declare -F clean_up >/dev/null && clean_up; rm -rf "$work"' EXIT
    cd "$work" || exit 2
}

fail() {
    echo "$*" >>problems
}

# has FILE PATTERN, lacks FILE PATTERN: a line of it matches, none does.
has() {
    grep -qE -e "$2" "$1" || fail "no line of $1 matches $2"
}
lacks() {
    ! grep -qE -e "$2" "$1" || fail "a line of $1 matches $2"
}

one_line() { # FILE: one clear line, beside the one that tells why io_uring is not used
    local lines
    lines=$(grep -vc '^uwsk: io_uring cannot be used here ' "$1")
    [ "$lines" = 1 ] || fail "$1 has $lines lines instead of 1"
}

is_wanted() { # NAME
    # shellcheck disable=SC2254
    case $1 in
    $only) return 0 ;;
    *) return 1 ;;
    esac
}

# result NAME MODE pass|fail [BACK END]: counts and records it; the back end is what carried a network of ours.
result() {
    if [ "$3" = pass ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
    fi
    [ -z "${UWSK_TEST_RESULTS:-}" ] || printf '%s\t%s\t%s\t1\t%s\n' "$1" "$2" "$3" "${4:-}" >>"$UWSK_TEST_RESULTS"
}

# verdict NAME FILE...: of a test that has ended; of one that failed the beginnings of these files are shown.
verdict() {
    local name=$1 file
    shift
    if [ ! -s problems ]; then
        [ -z "$verbose" ] || echo "$name passed"
        result "$name" - pass
        return
    fi
    echo "$name failed:"
    sed 's/^/    /' problems
    for file in "$@"; do
        head -n 100 "$file" 2>/dev/null | sed "s/^/    $file: /"
    done
    result "$name" - fail
}

# shell_tests PREFIX FILE...: runs every function whose name begins so and that is wanted, none of these files there; and
# after_test behind each, if there is one.
shell_tests() {
    local prefix=$1 test
    shift
    for test in $(declare -F | awk '{ print $3 }' | grep "^$prefix"); do
        is_wanted "$test" || continue
        rm -f problems "$@"
        "$test"
        ! declare -F after_test >/dev/null || after_test
        verdict "$test" "$@"
    done
}

# The end of the script; not one test is a failure.
shell_end() {
    echo "$passed passed, $failed failed"
    [ "$failed" = 0 ] && [ "$passed" != 0 ]
    exit
}
