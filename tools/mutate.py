#!/usr/bin/env python3
"""Breaks uwsk on purpose, in one place at a time, and looks whether a test notices: tests/mutants/README.md.

    tools/mutate.py [BUILD]                     every mutant; BUILD (default: build) holds a build with tests
    tools/mutate.py --sample 4 --seed 7         four of them, chosen by the seed
    tools/mutate.py --only 'gate-*' --only lane-budget
    tools/mutate.py --list                      name, rule and first test of each
    tools/mutate.py --copy DIR                  builds a copy of the tree in DIR first: while others edit here

Per mutant one object is compiled, the kernel world bound and the internal library linked, in a folder of its own; the
test programs of BUILD then find that library first.  They run in the simulator only, those that the mutant names first,
until one fails, hangs or crashes: then the mutant is killed.  Nothing in the tree or in BUILD changes, but that BUILD is
brought up to date.

Status 0: each mutant was killed, or is marked equivalent and was not.  1: one survived or does not compile, or one that is
said to be equivalent was killed.  2: bad arguments, no build, tests that fail without a mutant, a mutant whose text is
not there.
"""

import argparse
import concurrent.futures
import fnmatch
import glob
import json
import os
import random
import re
import selectors
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MUTANTS = os.path.join("tests", "mutants")
LIBRARY = "tests/internal/libuwsk.so"
MODES = "natural/dispatch/sim always-pend/passive/sim inline/mixed/sim"
RACE_MODES = " ".join(mode + "/races" for mode in MODES.split())
NAMED_SEEDS = "400"
LIMIT = 60  # seconds for one test program, and twenty times what it takes without a mutant: a hang ends long before
FAIL = re.compile(r"^FAIL (\S+)(?: \[(\S+)\])?: ?(.*)")


class Bad(Exception):
    """What the caller has to put right: status 2."""


# ---- the files ------------------------------------------------------------------------------------------------------

class Mutant:
    def __init__(self, name, where):
        self.name, self.where = name, where
        self.breaks = self.equivalent = ""
        self.first = []  # PROGRAM[:PATTERN]
        self.hunks = []  # [file, old lines, new lines]

    def check(self):
        if not self.breaks:
            raise Bad(f"{self.where}: {self.name} does not say what it breaks")
        if not self.hunks:
            raise Bad(f"{self.where}: {self.name} changes nothing")
        if len({hunk[0] for hunk in self.hunks}) > 1:
            raise Bad(f"{self.where}: {self.name} changes several files")

    def applied(self, root):
        """The file that it changes and what that then holds."""
        file = self.hunks[0][0]
        path = os.path.join(root, file)
        if not os.path.isfile(path):
            raise Bad(f"{self.where}: {self.name}: there is no {file}")
        with open(path, encoding="utf-8") as stream:
            text = stream.read()
        for _, old, new in self.hunks:
            found = text.count("".join(old))
            if found != 1:
                times = "is not there" if not found else f"is there {found} times"
                raise Bad(f"{self.where}: {self.name}: its text {times} in {file}:\n{''.join(old)}")
            text = text.replace("".join(old), "".join(new))
        return file, text


def read_mutants(root):
    mutants, names = [], set()
    for path in sorted(glob.glob(os.path.join(root, MUTANTS, "*.mutant"))):
        mutant = side = None
        with open(path, encoding="utf-8") as stream:
            for number, line in enumerate(stream, 1):
                where = f"{os.path.relpath(path, root)}:{number}"
                if line.startswith("== "):
                    mutant, side = Mutant(line[3:].strip(), where), None
                    if mutant.name in names:
                        raise Bad(f"{where}: a second {mutant.name}")
                    names.add(mutant.name)
                    mutants.append(mutant)
                elif mutant and line.startswith("--- "):
                    mutant.hunks.append([line[4:].strip(), [], []])
                    side = 1
                elif mutant and line.rstrip() == "+++" and side == 1:
                    side = 2
                elif side:
                    mutant.hunks[-1][side].append(line)
                elif mutant and line.startswith("breaks "):
                    mutant.breaks = line[7:].strip()
                elif mutant and line.startswith("equivalent "):
                    mutant.equivalent = line[11:].strip()
                elif mutant and line.startswith("first "):
                    mutant.first += line[6:].split()
                elif line.strip() and not line.startswith("#"):
                    raise Bad(f"{where}: expected '== name', 'breaks', 'first', 'equivalent' or '--- file'")
    for mutant in mutants:
        for hunk in mutant.hunks:  # an empty line before the next mutant belongs to neither
            while hunk[2] and not hunk[2][-1].strip():
                hunk[2].pop()
        mutant.check()
    return mutants


# ---- building -------------------------------------------------------------------------------------------------------

class Build:
    """How one build makes the internal library, as ninja tells it."""

    def __init__(self, root, folder):
        self.root, self.folder = root, os.path.abspath(folder)
        programs = os.path.join(self.folder, "tests", "programs")
        if not os.path.isfile(programs):
            raise Bad(f"{folder} holds no tests (make builds them)")
        with open(programs, encoding="utf-8") as stream:
            names = sorted(set(stream.read().split()))
        self.programs = [name for name in names if name.startswith(("test_close_", "test_wsk_"))]
        if not self.programs:
            raise Bad(f"{folder} holds none of the tests of closing")
        self.run(["ninja", "uwsk_internal", "uwsk_test_world", *self.programs], "the build fails")
        real = os.path.relpath(os.path.realpath(os.path.join(self.folder, LIBRARY)), self.folder)
        commands = self.run(["ninja", "-t", "commands", real], "ninja does not say how").splitlines()
        self.compile = {}
        self.kernel = self.link = None
        for command in commands:
            words = command.split()
            if " -c " in command and "-o" in words:
                source = os.path.realpath(words[words.index("-c") + 1])
                self.compile[source] = (command, words[words.index("-o") + 1])
            elif "--localize-hidden" in command:
                self.kernel = command
            elif f" -o {real} " in command:
                self.link = command.replace(f" -o {real} ", " -o @LIBRARY@ -Wl,--strip-debug ")
        if not self.kernel or not self.link:
            raise Bad(f"{folder}: no command that binds the kernel world, or none that links {real}")

    def run(self, command, complaint):
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Bad(f"{self.folder}: {complaint}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
        return done.stdout

    def replaced(self, command, files):
        """The command with other files in the place of these, each of which it names."""
        words, left = command.split(" "), set(files)
        for i, word in enumerate(words):
            name = os.path.relpath(os.path.join(self.folder, word), self.folder) if word else ""
            if name in files:
                words[i] = files[name]
                left.discard(name)
        if left:
            raise Bad(f"{self.folder}: the library is not made of {', '.join(sorted(left))}")
        return " ".join(words)

    def library(self, folder, file, text):
        """Links the library with `text` as the contents of `file`; answers what went wrong, or None."""
        source = os.path.realpath(os.path.join(self.root, file))
        if source not in self.compile:
            raise Bad(f"{file} is no part of the library")
        command, object_file = self.compile[source]
        copy = os.path.join(folder, os.path.basename(file))
        mine = os.path.join(folder, "mutant.o")
        kernel = os.path.join(folder, "kernel.o")
        with open(copy, "w", encoding="utf-8") as stream:
            stream.write(text)
        words = shlex.split(command)
        for option, value in (("-o", mine), ("-MF", mine + ".d"), ("-c", copy)):
            if option in words:
                words[words.index(option) + 1] = value
        words[words.index("-c"):words.index("-c")] = ["-iquote", os.path.dirname(source), "-w"]
        bind = self.replaced(self.kernel, {object_file: mine, "kernel.o": kernel, "kernel.o.new": kernel + ".new"})
        link = self.replaced(self.link, {"kernel.o": kernel, "@LIBRARY@": os.path.join(folder, "libuwsk.so.0")})
        for step in (shlex.join(words), bind, link):
            done = subprocess.run(step, shell=True, cwd=self.folder, capture_output=True, text=True, check=False)
            if done.returncode:
                return (done.stdout + done.stderr)[-2000:]
        return None


# ---- testing --------------------------------------------------------------------------------------------------------

def plan(build, mutant, seconds):
    """(program, patterns, modes, seeds) in the order to run: what the mutant names, then all, the quick ones first.

    What it names is given many seeds: which of them meets a race changes with every step that the runtime takes."""
    steps = []
    for first in mutant.first if mutant else []:
        program, _, pattern = first.partition(":")
        if program not in build.programs:
            raise Bad(f"{mutant.where}: {mutant.name}: there is no test program {program}")
        steps.append((program, [pattern] if pattern else [], MODES, NAMED_SEEDS if pattern else ""))
        steps.append((program, [pattern] if pattern else [], RACE_MODES, NAMED_SEEDS if pattern else ""))
    programs = sorted(build.programs, key=lambda program: seconds.get(program, 0))
    steps += [(program, [], MODES, "") for program in programs]
    steps += [(program, [], RACE_MODES, "") for program in programs if "_race" in program]
    return steps


def run_program(build, library, step, until):
    """None when every test passes, else 'program:test [mode]' of the first that does not."""
    program, patterns, modes, seeds = step
    command = [os.path.join(build.folder, "tests", program), "--modes", modes]
    for pattern in patterns:
        command += ["--only", pattern]
    environment = dict(os.environ, UWSK_TEST_PART="sim", UWSK_TEST_RESULTS="", UWSK_TEST_FULL="", UWSK_SIM_SEEDS=seeds)
    environment.pop("UWSK_TEST_MODES", None)
    if library:
        environment["LD_LIBRARY_PATH"] = library
    child = subprocess.Popen(command, cwd=library or build.folder, env=environment, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True)
    selector = selectors.DefaultSelector()
    selector.register(child.stdout, selectors.EVENT_READ)
    output, failure, rest = [], None, b""
    try:
        while failure is None:
            left = until - time.monotonic()
            if left <= 0 or not selector.select(left):
                failure = f"{program}, which hangs"
                break
            data = os.read(child.stdout.fileno(), 65536)
            if not data:
                break
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                output.append(line.decode(errors="replace"))
                found = FAIL.match(output[-1])
                if found:
                    failure = f"{program}:{found[1]} [{found[2] or ''}]"
                    break
    finally:
        try:
            if failure:
                os.killpg(child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        child.stdout.close()
        status = child.wait()
    if failure is None and status == 2:  # it has run nothing: that kills nobody
        raise Bad(f"{shlex.join(command)}: status 2\n" + "\n".join(output[-30:]))
    if failure is None and status:
        failure = f"{program}, status {status}"
    return failure, "\n".join(output[-30:])


def baseline(build, jobs):
    """Without a mutant every test passes; answers how long each program takes.  Once for each build: what it was run
    with is kept beside it."""
    kept = os.path.join(build.folder, "mutate-baseline.json")
    made = [MODES, RACE_MODES]
    for file in sorted(glob.glob(os.path.join(build.folder, "tests", "lib*.so"))) + [
            os.path.join(build.folder, LIBRARY), *(os.path.join(build.folder, "tests", name) for name in build.programs)]:
        made.append([os.path.basename(file), os.stat(file).st_mtime_ns])
    try:
        with open(kept, encoding="utf-8") as stream:
            old = json.load(stream)
        if old["made"] == made:
            return old["seconds"]
    except (OSError, ValueError, KeyError, TypeError):
        pass
    print("first the tests without a mutant", flush=True)
    seconds = {}

    def one(step):
        start = time.monotonic()
        failure, output = run_program(build, None, step, start + 10 * LIMIT)
        if failure:
            raise Bad(f"without a mutant: {failure} fails\n{output}")
        seconds[step[0]] = seconds.get(step[0], 0) + time.monotonic() - start

    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        list(pool.map(one, plan(build, None, {})))
    with open(kept, "w", encoding="utf-8") as stream:
        json.dump({"made": made, "seconds": seconds}, stream)
    return seconds


def judge(build, mutant, seconds, verbose):
    """(passed, verdict, by whom, seconds)"""
    start = time.monotonic()
    file, text = mutant.applied(build.root)
    with tempfile.TemporaryDirectory(prefix="mutant-", dir=build.folder) as folder:
        wrong = build.library(folder, file, text)
        if wrong:
            return (False, "DOES NOT COMPILE", f"{mutant.where}: bring it up to date\n{wrong}", time.monotonic() - start)
        killer = None
        for step in plan(build, mutant, seconds):
            limit = LIMIT + 20 * seconds.get(step[0], 0)
            killer, output = run_program(build, folder, step, time.monotonic() + limit)
            if killer:
                if verbose:
                    print(output)
                break
    took = time.monotonic() - start
    if mutant.equivalent:
        return (not killer, "NOT EQUIVALENT" if killer else "equivalent", killer or mutant.equivalent, took)
    return (bool(killer), "killed by" if killer else "SURVIVED", killer or f"it breaks {mutant.breaks}", took)


# ---- the command ----------------------------------------------------------------------------------------------------

def copy_tree(folder):
    """A copy of what git knows of, built in folder/build; answers both."""
    tree, build = os.path.join(os.path.abspath(folder), "tree"), os.path.join(os.path.abspath(folder), "build")
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for file in filter(None, files.split("\0")):
        source, target = os.path.join(ROOT, file), os.path.join(tree, file)
        if not os.path.isfile(source):
            continue
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if not os.path.isfile(target) or open(source, "rb").read() != open(target, "rb").read():
            shutil.copy(source, target)
    done = subprocess.run(["cmake", "-S", tree, "-B", build, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
                           "-DUWSK_TESTS=close;wsk"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Bad(f"{folder}: cmake fails:\n{done.stderr[-3000:]}")
    return tree, build


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", nargs="?", default=os.path.join(ROOT, "build"), help="a build folder with tests")
    parser.add_argument("--copy", metavar="DIR", help="copy the tree to DIR, build it there and use that")
    parser.add_argument("--only", metavar="PATTERN", action="append", help="mutants of this name")
    parser.add_argument("--sample", metavar="N", type=int, help="so many of them")
    parser.add_argument("--seed", metavar="S", default="1", help="which ones (default 1)")
    parser.add_argument("--jobs", metavar="J", type=int, default=os.cpu_count(), help="mutants at the same time")
    parser.add_argument("--list", action="store_true", help="name, rule and first test; runs nothing")
    parser.add_argument("--verbose", action="store_true", help="what the test that kills it says")
    return parser.parse_args()


def chosen(mutants, options):
    if options.only:
        for pattern in options.only:
            if not any(fnmatch.fnmatch(mutant.name, pattern) for mutant in mutants):
                raise Bad(f"there is no mutant {pattern}")
        mutants = [m for m in mutants if any(fnmatch.fnmatch(m.name, pattern) for pattern in options.only)]
    if options.sample is not None:
        if options.sample < 1:
            raise Bad("--sample: at least 1")
        real = [mutant for mutant in mutants if not mutant.equivalent]
        picked = random.Random(options.seed).sample(real, min(options.sample, len(real)))
        mutants = [mutant for mutant in mutants if mutant in picked]
    return mutants


def main():
    options = arguments()
    root, folder = copy_tree(options.copy) if options.copy else (ROOT, options.build)
    everyone = read_mutants(root)
    for mutant in everyone:
        mutant.applied(root)  # those that are not chosen, too: a text that is gone is found at once
    mutants = chosen(everyone, options)
    if options.list:
        for mutant in mutants:
            print(f"{mutant.name}\t{mutant.breaks}\t{mutant.equivalent or ' '.join(mutant.first)}")
        return 0
    build = Build(root, folder)
    jobs = max(1, options.jobs)
    seconds = baseline(build, jobs)
    print(f"{len(mutants)} of {len(everyone)} mutants", flush=True)
    passed = failed = 0
    width = max(len(mutant.name) for mutant in mutants)
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        futures = {pool.submit(judge, build, mutant, seconds, options.verbose): mutant for mutant in mutants}
        try:
            for future in concurrent.futures.as_completed(futures):
                good, verdict, by, took = future.result()
                passed, failed = passed + good, failed + (not good)
                print(f"{futures[future].name:{width}}  {took:5.1f} s  {verdict} {by}", flush=True)
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Bad as bad:
        print(f"mutate: {bad}", file=sys.stderr)
        sys.exit(2)
