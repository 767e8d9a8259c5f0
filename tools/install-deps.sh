#!/bin/sh
# Installs the Debian packages that building, testing and the demo need, if any is missing.
# `install-deps.sh bench`: those of `make bench`, too.
# Not root and something missing: says what to install, status 1.  Nothing missing: silent and quick.
set -eu

packages="cmake ninja-build gcc g++ libc6-dev clang-14 libclang-rt-14-dev clang-format-14 check liburing-dev
libdw-dev libcjson-dev pkg-config python3 curl netcat-openbsd socat iperf3 dnsmasq-base gdb iproute2"
[ "${1-}" != bench ] || packages="$packages libuv1-dev util-linux"

if ! command -v dpkg-query >/dev/null 2>&1; then
    missing=
    for tool in cmake ninja cc c++ pkg-config; do
        command -v "$tool" >/dev/null 2>&1 || missing="$missing $tool"
    done
    if [ -n "$missing" ]; then
        echo "install-deps: this is not Debian; please install:$missing and libdw, check (development files)" >&2
        exit 1
    fi
    exit 0
fi

# shellcheck disable=SC2086
installed=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' $packages 2>/dev/null | sed -n 's/^installed //p')
missing=
for package in $packages; do
    printf '%s\n' "$installed" | grep -qxF "$package" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
    echo "install-deps: missing Debian packages:$missing" >&2
    echo "install-deps: not root, so please run: sudo apt-get install$missing" >&2
    exit 1
fi
echo "install-deps: installing$missing"
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086
apt-get install -y --no-install-recommends $missing >/dev/null 2>&1 || {
    apt-get update >/dev/null
    apt-get install -y --no-install-recommends $missing >/dev/null
}
