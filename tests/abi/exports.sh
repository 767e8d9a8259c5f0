#!/bin/sh
# exports.sh INCLUDE_FOLDER EXPORTS_DEF - every function and datum that the base headers declare as exported is listed
# in exports.def, so that a driver that compiles against it also links.
set -u
include=$1
def=$2
declared=$(mktemp) || exit 1
listed=$(mktemp) || exit 1
trap 'rm -f "$declared" "$listed"' EXIT

# One declaration a line; an exported one carries the visibility attribute in front of its type.
printf '#include <ntifs.h>\n#include <wdmsec.h>\n' |
    gcc -E -P -x c -nostdinc -fshort-wchar -D_KERNEL_MODE -D_WIN64 -DDBG=1 -I"$include" - |
    tr '\n' ' ' | tr ';{}' '\n\n\n' |
    sed -n 's/^.*__attribute__((__visibility__("default"))) *//p' |
    sed -e 's/__attribute__((__[a-z]*__)) *//g' -e 's/(.*//' -e 's/ *$//' -e 's/.*[ *]//' |
    grep -v -e '^uwsk_' -e '^DriverEntry$' -e '^DRIVER_INITIALIZE$' | sort -u >"$declared"
sed -n 's/^[XD]([a-z]*, \([A-Za-z0-9_]*\).*/\1/p' "$def" | sort -u >"$listed"

missing=$(comm -23 "$declared" "$listed")
count=$(wc -l <"$declared")
echo "$count declared, $(wc -l <"$listed") listed"
if [ "$count" -lt 200 ]; then
    echo "FAILED: the declarations were not found"
    exit 1
fi
if [ -n "$missing" ]; then
    echo "FAILED: not in $def: $missing"
    exit 1
fi
