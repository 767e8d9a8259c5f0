#!/bin/sh
# run.sh BUILD CC: installs the build into a temporary folder and uses it from there, as a stranger would: a driver
# project with find_package(uwsk), and a program that links the library by pkg-config.
set -u
build=$1
cc=$2
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0
failed=0

# check NAME COMMAND…: one test; what it prints is shown when it fails.
check() {
    name=$1
    shift
    if "$@" >"$work/output" 2>&1; then
        result=pass passed=$((passed + 1))
    else
        result=fail failed=$((failed + 1))
        cat "$work/output"
        echo "FAIL $name"
    fi
    [ -z "${UWSK_TEST_RESULTS:-}" ] || printf '%s\t\t%s\n' "$name" "$result" >>"$UWSK_TEST_RESULTS"
}

install_it() {
    cmake --install "$build" --prefix "$work/prefix"
}

# The driver's project, C and C++, builds and its modules need nothing but the runtime.
driver_project() {
    cmake -S "$here/project" -B "$work/project" -G Ninja -Duwsk_DIR="$(dirname "$(find "$work/prefix" -name uwskConfig.cmake)")" &&
        cmake --build "$work/project" &&
        [ "$(readelf -d "$work/project/hello.so" | grep NEEDED)" = "$(readelf -d "$work/project/hello.so" | grep 'NEEDED.*libuwsk.so.0')" ] &&
        readelf -d "$work/project/hello_cpp.so" | grep -q 'NEEDED.*libuwsk.so.0'
}

# A changed header makes the driver be built again, nothing changed does not.
driver_depends() {
    cmake --build "$work/project" | grep -q 'no work to do' || return 1
    touch "$(find "$work/prefix" -name wdm.h | head -n 1)"
    ! cmake --build "$work/project" | grep -q 'no work to do'
}

driver_runs() {
    "$work/prefix/bin/uwsk" run --for 1 "$work/project/hello.so" >"$work/run" 2>&1
    status=$?
    cat "$work/run"
    [ $status -eq 0 ] && grep -q 'hello from an installed uwsk' "$work/run"
}

program_links() {
    pc=$(dirname "$(find "$work/prefix" -name uwsk.pc)")
    # shellcheck disable=SC2046
    "$cc" -o "$work/program" "$here/program.c" $(PKG_CONFIG_PATH=$pc pkg-config --cflags --libs uwsk) &&
        LD_LIBRARY_PATH=$(dirname "$pc") "$work/program"
}

check package_installs install_it
check package_builds_a_driver_project driver_project
check package_tracks_headers driver_depends
check package_runs_the_driver driver_runs
check package_links_a_program program_links
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
