#!/usr/bin/env python3
"""bench/explore.py BUILD [--starts N] [--only NAME,...]: how long `uwsk explore` needs for each planted
bug of tests/defects, from scratch and on one core, with each scheduler; then how many seeds it does a second.

For each defect and scheduler the command is started N times (20), each time with another first seed, as a user would
start it: it loads the driver, runs seed after seed until it finds a violation, shrinks and tells it.  Printed are the
median and the worst of seeds and seconds.  Ends with status 1 when a median is not below 10 s.
"""
import argparse
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile

SCHEDULERS = ("random", "pct:3")
GOAL = 10.0
SPEED = ("rundown", "echo", "close", "workqueue")


def spent():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def explore(build, folder, *arguments):
    """Output, and the seconds of CPU that it took: others on this machine do not count."""
    before = spent()
    run = subprocess.run([os.path.join(build, "uwsk"), "explore", "--jobs", "1", *arguments], cwd=folder,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return run.stdout, spent() - before


def hunt(build, folder, driver, scheduler, first):
    out, seconds = explore(build, folder, "--scheduler", scheduler, "--first-seed", str(first), "--seeds", "1000000",
                           "--for", "60", "--trace", "bench.trace", driver)
    found = re.search(r"^violation: (\S+) seed (\d+):", out, re.MULTILINE)
    if not found:
        return None, seconds, None
    return int(found.group(2)) - first + 1, seconds, found.group(1)


def hunts(build, folder, starts, only):
    defects = os.path.join(build, "tests", "defects")
    worst = 0.0
    for name in sorted(f[:-3] for f in os.listdir(defects) if f.endswith(".so") and not f.endswith("_fixed.so")):
        if only and name not in only:
            continue
        for scheduler in SCHEDULERS:
            results = [hunt(build, folder, os.path.join(defects, name + ".so"), scheduler, 1 + 1000003 * i)
                       for i in range(starts)]
            seconds = [r[1] for r in results]
            seeds = [r[0] for r in results if r[0]]
            kinds = sorted({r[2] for r in results if r[2]})
            missed = starts - len(seeds)
            worst = max(worst, GOAL if missed > starts // 2 else statistics.median(seconds))
            yield (name, scheduler, statistics.median(seeds) if seeds else 0, max(seeds, default=0),
                   statistics.median(seconds), max(seconds), missed, kinds)
    print(f"\nworst median: {worst:.2f} s (goal: below {GOAL:.0f} s)")
    if worst >= GOAL:
        sys.exit(1)


def speed(build, folder):
    print("\n| driver | seeds a second, one core |\n|---|---:|")
    for name in SPEED:
        driver = os.path.join(build, "drivers", name, name + ".so")
        out, seconds = explore(build, folder, "--seeds", "5000", driver)
        if "5000 seeds" not in out or " 0 violations" not in out:
            sys.exit(f"{name}: {out}")
        print(f"| {name} | {5000 / seconds:,.0f} |", flush=True)
    lifecycle = os.path.join(build, "bench", "sim_lifecycle")
    if os.path.exists(lifecycle):
        print("\nconnect, echo, close:", subprocess.run([lifecycle, os.path.join(build, "drivers", "echo", "echo.so"), "5"],
                                                       stdout=subprocess.PIPE, text=True, check=True).stdout.strip())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--starts", type=int, default=20)
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    build = os.path.abspath(arguments.build)
    only = [name for name in arguments.only.split(",") if name]
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as folder:
        if not only:
            speed(build, folder)
        print("\n| defect | scheduler | seeds, median | worst | seconds, median | worst | missed | found as |")
        print("|---|---|---:|---:|---:|---:|---:|---|")
        for name, scheduler, seeds, most, seconds, longest, missed, kinds in hunts(build, folder, arguments.starts, only):
            print(f"| {name} | {scheduler} | {seeds:.0f} | {most} | {seconds:.2f} | {longest:.2f} | {missed} | "
                  f"{', '.join(kinds)} |", flush=True)


main()
