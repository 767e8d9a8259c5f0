#!/bin/sh
# run.sh HASHES FILE DRIVER.so...: writes the hashes of 100 seeds of each driver to FILE, and writes them twice: a
# second process, with other addresses, sees the same runs.
set -u
hashes=$1
file=$2
shift 2
seeds=100
[ -z "${UWSK_SANITIZE:-}" ] || seeds=10
result=pass
if ! "$hashes" $seeds "$@" >"$file" || ! "$hashes" $seeds "$@" >"$file.again"; then
    result=fail
elif ! cmp "$file" "$file.again"; then
    diff "$file" "$file.again" | head -n 20
    result=fail
fi
rm -f "$file.again"
[ -z "${UWSK_TEST_RESULTS:-}" ] || printf 'explore_hashes\t-\t%s\n' $result >>"$UWSK_TEST_RESULTS"
[ $result = pass ]
