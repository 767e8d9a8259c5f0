#!/bin/sh
# headers.sh INCLUDE_FOLDER - every header of include/ compiles alone and twice, without a warning, in C and in
# C++, with gcc and with clang (where it is installed), as drivers are compiled (T-02, T-09).  wdm.h also compiles
# in the host world, before and after libc's headers.
set -u
include=$1
flags="-fsyntax-only -Wall -Wextra -Werror -O2 -fno-strict-aliasing -fwrapv -fshort-wchar -fms-extensions
    -mms-bitfields -fPIC -fvisibility=hidden -nostdinc -I$include -D_KERNEL_MODE -D_WIN32 -D_WIN64 -D_AMD64_
    -D_M_AMD64=100 -D_M_X64=100 -D_WIN32_WINNT=0x0A00 -DNTDDI_VERSION=0x0A000010 -DDBG=1 -Wno-multichar
    -Wno-unknown-pragmas"
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failed=0
count=0

compile() { # file, compiler and options
    source=$1
    shift
    count=$((count + 1))
    if ! "$@" "$source" >"$work/messages" 2>&1; then
        echo "FAILED: $* $(head -1 "$source")"
        head -20 "$work/messages"
        failed=$((failed + 1))
    fi
}

compilers=gcc
if command -v clang >/dev/null; then
    compilers="gcc clang"
fi
for path in "$include"/*.h "$include"/uwsk/*.h; do
    header=${path#"$include"/}
    case $header in
    poppack.h) continue ;; # with each that it ends
    pshpack*.h) other=poppack.h ;;
    *) other=$header ;;
    esac
    printf '#include <%s>\n#include <%s>\nint one_declaration;\n' "$header" "$other" >"$work/alone.c"
    for compiler in $compilers; do
        more=
        if [ "$compiler" = clang ]; then
            more="-fms-compatibility -Wno-pragma-pack"
        fi
        # shellcheck disable=SC2086 # the flags are words
        compile "$work/alone.c" $compiler -x c -std=gnu17 $flags $more
        # shellcheck disable=SC2086
        compile "$work/alone.c" $compiler -x c++ -std=gnu++17 -nostdinc++ $flags $more
    done
done

libc='#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>'
printf '#include <wdm.h>\n%s\nint one_declaration;\n' "$libc" >"$work/before.c"
printf '%s\n#include <wdm.h>\nint one_declaration;\n' "$libc" >"$work/after.c"
printf '%s\n#include <ntstatus.h>\nNTSTATUS one_declaration = STATUS_PENDING;\n' "$libc" >"$work/status.c"
for compiler in $compilers; do
    for source in before after status; do
        compile "$work/$source.c" $compiler -fsyntax-only -std=gnu17 -D_GNU_SOURCE -Wall -Wextra -Werror \
            -idirafter "$include"
    done
done

echo "$count compilations, $failed failed"
[ "$failed" -eq 0 ]
