#!/bin/sh
# run.sh HASHES FILE DRIVER.so...: writes the hashes of 100 seeds of each driver to FILE, and writes them twice: a
# second process, with other addresses, sees the same runs.  When that is not so, there is no FILE.
set -u
hashes=$1
file=$2
shift 2
seeds=100
[ -z "${UWSK_SANITIZE:-}" ] || seeds=10
result=pass
rm -f "$file"
if ! "$hashes" $seeds "$@" >"$file.new" || ! "$hashes" $seeds "$@" >"$file.again"; then
    result=fail
elif ! cmp "$file.new" "$file.again"; then
    diff "$file.new" "$file.again" | head -n 20
    result=fail
else
    mv "$file.new" "$file"
fi
rm -f "$file.new" "$file.again"
[ -z "${UWSK_TEST_RESULTS:-}" ] || printf 'explore_hashes\t-\t%s\n' $result >>"$UWSK_TEST_RESULTS"
[ $result = pass ]
