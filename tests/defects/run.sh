#!/bin/bash
# run.sh UWSK FOLDER [--only PATTERN] [--verbose]: what `uwsk explore` makes of the drivers of this folder.
#
# FOLDER has <name>.so and <name>_fixed.so.  The first must be reported within a fixed range of seeds as its source
# says (the line "Found:", a regular expression for the kind), again by the command that the report names, and by the
# shrunk trace.  Of the other nothing may be reported: in 300 seeds, in 3,000 of a full check.
set -u

here=$(cd "$(dirname "$0")" && pwd)
uwsk=$1
folder=$2
shift 2
. "$here/../support/shell.sh"
shell_options "$@"
shell_work
clean=300
[ -z "${UWSK_TEST_FULL:-}" ] || clean=3000
# A sanitizer takes the process down before the simulator can tell what it has seen, and needs its time.
[ -z "${UWSK_SANITIZE:-}" ] || clean=40

# report STATUS OUTPUT KIND: does it tell of a violation of this kind?
report() {
    [ "$1" = 1 ] || fail "$2: status $1 instead of 1"
    grep -qE "^violation: ($3) " "$2" || fail "$2: no line matches ^violation: ($3)"
}

# What is told of the shrunk run is what the headline says, or the report says that it is not.
headline() {
    local head below
    head=$(sed -n 's/^violation: [^ ]* seed [0-9]*: //p' first | head -n 1)
    below=$(sed -n '/^$/,/^$/p' first | sed -n '2s/^  //p')
    [ -z "$below" ] || [[ $below = "stack of "* || $below = "threads: "* ]] || [ "$below" = "$head" ] ||
        grep -q '^  what follows tells of the shrunk run' first || fail "first: two runs are told as one"
}

finds() {
    local driver=$folder/$1.so kind again
    kind=$(sed -n 's/^ \* Found: *//p' "$here/$1.c")
    [ -n "$kind" ] || fail "$1.c has no line \"Found:\""
    [ -z "${UWSK_SANITIZE:-}" ] || kind='[^ ]+'
    "$uwsk" explore --jobs 1 --seeds 20000 --trace of.trace "$driver" >first 2>&1
    report $? first "$kind"
    [ -z "${UWSK_SANITIZE:-}" ] || return
    kind=$(sed -n 's/^violation: \([^ ]*\) .*/\1/p' first | head -n 1)
    again=$(sed -n 's/^run it again: *uwsk //p' first | head -n 1)
    [ -n "$again" ] || fail "first: no command to run it again"
    eval "\"$uwsk\" $again --trace again.trace" >second 2>&1
    report $? second "$kind"
    grep -qE '^ +[0-9]+ of the [0-9]+ switches are needed' first || fail "first: it was not shrunk"
    headline
    "$uwsk" explore --replay of.trace >third 2>&1
    report $? third "$kind"
}

stays_silent() {
    "$uwsk" explore --jobs 1 --seeds $clean --trace fixed.trace "$folder/$1_fixed.so" >fixed 2>&1 ||
        fail "fixed: status $? instead of 0"
    grep -q "^explored $clean seeds from 1: .* 0 violations" fixed || fail "fixed: not $clean seeds in silence"
}

for source in "$here"/*.c; do
    name=$(basename "$source" .c)
    [ "$name" != defect ] || continue
    is_wanted "$name" || continue
    rm -f problems first second third fixed
    # Thousands of seeds would take ThreadSanitizer minutes, and memory is not watched there.
    [[ ${UWSK_SANITIZE:-} = *thread* ]] || finds "$name"
    stays_silent "$name"
    verdict "defects_$name" first second third fixed
done
shell_end
