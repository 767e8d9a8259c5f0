#!/bin/bash
# tools/layer-check.sh [BUILD]: the arrows between the rooms of src/ (docs/architecture.md) hold.
#
#   objects   a room calls itself and the rooms below it; the kernel world takes nothing from libc but mem* and
#             strlen; cli, explore and runner start no thread, read no clock, open no socket
#   exports   a room calls other rooms' internal functions, never the WDK-named entries of exports.def; each of
#             these entries is in libuwsk.so
#   includes  a room includes no header of a higher one, nt, netio and nmr none of transport
#   threads   no thread-local data above host
set -u
cd "$(dirname "$0")/.." || exit 2
build=${1:-build}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
complaints=0

complain() {
    echo "layer-check: $*"
    complaints=$((complaints + 1))
}

# Lowest first.  "name world folder": the object libraries that the build makes of each folder.
rooms="host_linux host_sim transport nt netio nmr wsk verifier runner explore cli"
kernel_rooms="nt netio nmr wsk verifier"

objects_of() {
    case $1 in
    cli) find "$build/CMakeFiles/uwsk_cli.dir" -name '*.o' 2>/dev/null ;;
    crt) find "$build/src/crt" -path '*uwskcrt_*' -name '*.o' 2>/dev/null ;;
    *) find "$build/CMakeFiles/uwsk_room_$1.dir" -name '*.o' 2>/dev/null ;;
    esac
}

for room in $rooms crt; do
    objects_of "$room" >"$work/$room.objects"
    if [ -s "$work/$room.objects" ]; then
        # shellcheck disable=SC2046
        nm -A --defined-only $(cat "$work/$room.objects") | awk '$(NF-1) ~ /^[A-TV-Z]$/ || $(NF-1) == "V" { print $NF }' |
            sort -u >"$work/$room.defined"
        # shellcheck disable=SC2046
        nm -A -u $(cat "$work/$room.objects") | awk '{ sub(/:.*/, "", $1); print $NF, $1 }' | sort -u >"$work/$room.undefined"
    else
        : >"$work/$room.defined"
        : >"$work/$room.undefined"
    fi
done
[ -s "$work/host_linux.objects" ] || complain "no objects in $build (make builds them)"

# Calls upwards.
above=$rooms
for room in $rooms; do
    above=${above#"$room"}
    above=${above# }
    for higher in $above; do
        while read -r symbol object; do
            complain "$room calls $symbol of $higher (${object##*.dir/})"
        done < <(join "$work/$room.undefined" "$work/$higher.defined")
    done
done

# The kernel world: own room, rooms below, its C run time, memory functions, and what compilers insert.
cat >"$work/always" <<'LIST'
memcmp
memcpy
memmove
memset
strlen
LIST
inserted='^(_GLOBAL_OFFSET_TABLE_|__stack_chk_fail|__(asan|ubsan|tsan|sanitizer)_.*)$'
below="host_linux host_sim transport"
for room in $kernel_rooms; do
    below="$below $room"
    (for lower in $below crt; do cat "$work/$lower.defined"; done; cat "$work/always") | sort -u >"$work/allowed"
    while read -r symbol object; do
        [[ $symbol =~ $inserted ]] || complain "$room takes $symbol from outside (${object##*.dir/})"
    done < <(join -v 1 "$work/$room.undefined" "$work/allowed")
done

# nt, netio and nmr know nothing of the transports.
for room in nt netio nmr; do
    while read -r symbol object; do
        complain "$room calls $symbol of the transport (${object##*.dir/})"
    done < <(join "$work/$room.undefined" "$work/transport.defined")
done

# cli, explore and runner: no thread, no clock, no socket.
forbidden='^(pthread_.*|thrd_.*|clock_gettime|clock_nanosleep|gettimeofday|timer_create|timerfd_.*|epoll_.*|io_uring_.*|socket|socketpair|connect|bind|listen|accept4?|send|sendto|sendmsg|recv|recvfrom|recvmsg|getaddrinfo)$'
for room in runner explore cli; do
    while read -r symbol object; do
        [[ $symbol =~ $forbidden ]] && complain "$room uses $symbol (${object##*.dir/})"
    done <"$work/$room.undefined"
done

# WDK-named entries are for drivers.
if [ -f src/nt/exports.def ]; then
    awk -f cmake/exports.awk src/nt/exports.def | sed -n 's/^    \([A-Za-z][A-Za-z0-9_]*\);$/\1/p' | sort -u >"$work/exports"
    for room in $kernel_rooms; do
        while read -r symbol object; do
            case $symbol in
            mem* | str* | wcs* | _* | *printf* | to* | is*) continue ;; # the C run time
            KeBugCheckEx | NPI_WSK_INTERFACE_ID) continue ;; # inline list functions of wdm.h (K-LIST-07); a datum
            esac
            complain "$room calls the driver's entry $symbol (${object##*.dir/})"
        done < <(join "$work/$room.undefined" "$work/exports")
    done
fi

# What the table promises, the library has.
if [ -f "$build/libuwsk.so" ] && [ -s "$work/exports" ]; then
    nm -D --defined-only "$build/libuwsk.so" | awk '{ sub(/@.*/, "", $3); print $3 }' | sort -u >"$work/exported"
    while read -r symbol; do
        complain "exports.def lists $symbol, which libuwsk.so lacks"
    done < <(comm -23 "$work/exports" "$work/exported")
fi

# Includes.
rank() {
    case $1 in
    host) echo 0 ;; transport) echo 1 ;; nt) echo 2 ;; netio) echo 3 ;; nmr) echo 4 ;; wsk) echo 5 ;;
    verifier) echo 6 ;; runner) echo 7 ;; explore) echo 8 ;; cli) echo 9 ;; crt) echo 1 ;; *) echo -1 ;;
    esac
}
while IFS=: read -r file line text; do
    room=${file#src/}
    room=${room%%/*}
    header=${text#*\"}
    header=${header%%\"*}
    case $header in
    ../*) header=$(realpath -m --relative-to=src "$(dirname "$file")/$header") ;;
    esac
    other=${header%%/*}
    [ "$other" = "$header" ] && continue # beside the file
    mine=$(rank "$room")
    theirs=$(rank "$other")
    [ "$theirs" -lt 0 ] && continue
    if [ "$theirs" -gt "$mine" ] || { [ "$room" = crt ] && [ "$other" != crt ]; }; then
        complain "$file:$line includes $header of a higher room"
    elif [ "$other" = transport ] && { [ "$room" = nt ] || [ "$room" = netio ] || [ "$room" = nmr ]; }; then
        complain "$file:$line: $room includes the transport's $header"
    fi
done < <(grep -rnE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' --include='*.[chS]' src)

# Thread-local data.
while IFS= read -r hit; do
    complain "$hit: per-thread data belongs on host_self()"
done < <(grep -rnE '\b(_Thread_local|__thread|thread_local)\b' --include='*.[ch]' \
    src/nt src/netio src/nmr src/wsk src/verifier 2>/dev/null | grep -vE ':[[:space:]]*(/?\*|//)')

if [ "$complaints" -gt 0 ]; then
    echo "layer-check: $complaints complaints"
    exit 1
fi
echo "layer-check: the arrows hold"
