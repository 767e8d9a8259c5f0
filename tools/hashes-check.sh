#!/bin/sh
# tools/hashes-check.sh BUILD...: are the simulated runs of these builds the same?  Each has an explore-hashes.tsv from
# its tests (tests/hashes); where that is not there, or older than what it is of, it is made now.  Ends with
# "N passed, N failed".
set -u
cd "$(dirname "$0")/.." || exit 2
[ $# -ge 2 ] || { echo "usage: tools/hashes-check.sh BUILD BUILD..." >&2 && exit 2; }
first=$1
passed=0
failed=0
for build in "$@"; do
    file=$build/explore-hashes.tsv
    cmake --build "$build" --target hashes hash_drivers >"$build/hashes.log" 2>&1 ||
        { tail -n 20 "$build/hashes.log" && echo "0 passed, 1 failed" && exit 1; }
    if [ ! -f "$file" ] || [ -n "$(find "$build"/libuwsk.so* "$build/tests/hashes" -maxdepth 1 -type f \
        \( -name "*.so*" -o -name hashes \) -newer "$file")" ]; then
        rm -f "$file"
        ctest --test-dir "$build" -R '^explore_hashes$' --output-on-failure >>"$build/hashes.log" 2>&1 ||
            tail -n 40 "$build/hashes.log"
    fi
    [ "$build" != "$first" ] || continue
    if cmp -s "$first/explore-hashes.tsv" "$file"; then
        passed=$((passed + 1))
        echo "$build: the same $(wc -l <"$file") runs as $first"
    else
        failed=$((failed + 1))
        echo "$build: not the same runs as $first:"
        diff "$first/explore-hashes.tsv" "$file" | head -n 20
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
