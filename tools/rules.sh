#!/bin/sh
# tools/rules.sh [BUILD] [options of tools/rules.py]: which rule is proved by which test (docs/rules/README.md).
# Runs the tests first when the results of the build are older than what was built.
#
# What a test proves comes from the test programs (--list) and, for tests that are scripts, from listing.tsv beside
# them: test<TAB>rules<TAB>what is missing.  Such a script appends test<TAB>mode<TAB>pass|fail to $UWSK_TEST_RESULTS.
set -u

tree=$(cd "$(dirname "$0")/.." && pwd)
build=build
case ${1:-} in
    "" | -*) ;;
    *) build=$1 && shift ;;
esac
if [ ! -f "$build/tests/programs" ]; then
    echo "rules: $build holds no tests (make builds them)" >&2
    exit 2
fi
build=$(cd "$build" && pwd)
results=$build/test-results.tsv
listings=$build/rule-listings

rm -rf "$listings"
mkdir -p "$listings"
for program in $(sort -u "$build/tests/programs"); do
    if ! "$build/tests/$program" --list >"$listings/$program"; then
        echo "rules: $program --list failed" >&2
        exit 2
    fi
done
for listing in "$tree"/tests/*/listing.tsv; do
    [ ! -f "$listing" ] || cp "$listing" "$listings/$(basename "$(dirname "$listing")").tsv"
done

if [ ! -f "$results" ] || [ -n "$(find "$build" -maxdepth 2 -type f \( -name 'libuwsk*' -o -perm -u+x \) \
        -newer "$results" -print -quit)" ]; then
    "$tree/tools/check.sh" "$build" >"$build/rules-check.log" 2>&1 ||
        echo "rules: some tests failed ($build/rules-check.log)" >&2
fi

exec python3 "$tree/tools/rules.py" --listing "$listings"/* --results "$results" \
    --sources "$tree/src" "$tree/include" "$tree/drivers" "$tree/tests" "$@"
