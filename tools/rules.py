#!/usr/bin/env python3
"""Which rule is proved by which test.

Reads the rules (docs/rules/*.md), what this version claims (docs/rules/claimed.txt), what departs from Windows
(docs/divergences.md), what the tests say they prove (listings) and how they ended (results); prints one line per rule
and a summary per area.  docs/rules/README.md explains the output.

Exit status: 0 every claimed rule is proved or its divergence written down; 1 there is a gap; 2 an input is malformed.
"""

import argparse
import collections
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

RULE_ID = r"(?:[CRK]-[A-Z]+-\d+|[DTHW]-\d+|WV-\d+)"
PIPE_RULE = re.compile(r"^([CRK]-[A-Z]+-\d+) \| ([^|]+?) \| (.+)$")
ITEM_RULE = re.compile(r"^- ([DTHW]-\d+) (.+)$")
TABLE_RULE = re.compile(r"^\| (WV-\d+) \| (.+)$")
RANGE = re.compile(r"^(%s)\.\.(%s|\d+)$" % (RULE_ID, RULE_ID))
AREA = re.compile(r"^(?:[CRK]-[A-Z]+|[DTHW]|WV)$")

OURS = ("provider must", "runtime must", "layout", "")
MAY = ("provider may", "runtime may")
THEIRS = ("client must", "driver must")

# States of a rule, in the order in which the summary shows them.
PASS, PARTIAL, DIVERGENCE, OUT, OPTIONAL, VERIFIER = "pass", "partial", "divergence", "out of scope", "optional", "verifier"
FAIL, NOT_RUN, MISSING = "FAIL", "not run", "missing"
GAPS = (FAIL, NOT_RUN, MISSING)

SHOWN_TESTS = 4
FIRST_FILES = ("wsk-concept-rules.md", "wsk-ddi-rules.md", "kernel-runtime-rules.md")

Rule = collections.namedtuple("Rule", "id area who text where")
Verdict = collections.namedtuple("Verdict", "rule state note tests")


class BadInput(Exception):
    """An input file is not what it should be; the message says where."""


def read_lines(path):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput("%s: %s" % (path, error)) from error


def area_of(rule_id):
    return rule_id.rsplit("-", 1)[0]


def expand(name, where):
    """'C-DATA-04' -> itself; 'C-DATA-04..06' and 'C-DATA-04..C-DATA-06' -> all of them."""
    match = RANGE.match(name)
    if not match:
        return [name]
    first, last = match.groups()
    area, low = first.rsplit("-", 1)
    if "-" in last:
        last_area, high = last.rsplit("-", 1)
        if last_area != area:
            raise BadInput("%s: a range from one area into another: %s" % (where, name))
    else:
        high = last
    if int(high) < int(low):
        raise BadInput("%s: a range that runs backwards: %s" % (where, name))
    return ["%s-%0*d" % (area, len(low), n) for n in range(int(low), int(high) + 1)]


def read_rules(folder):
    """All rules of the .md files in folder, in the order of files and lines."""
    rules = collections.OrderedDict()
    try:
        names = [name for name in os.listdir(folder) if name.endswith(".md") and name != "README.md"]
    except OSError as error:
        raise BadInput("%s: %s" % (folder, error)) from error
    names.sort(key=lambda name: (FIRST_FILES.index(name) if name in FIRST_FILES else len(FIRST_FILES), name))
    for name in names:
        path = os.path.join(folder, name)
        lines = read_lines(path)
        # A file of pipe rules may end in numbered remarks that look like list items.
        has_pipe_rules = any(PIPE_RULE.match(line) for line in lines)
        for number, line in enumerate(lines, 1):
            where = "%s:%d" % (path, number)
            if has_pipe_rules:
                match = PIPE_RULE.match(line)
                if not match:
                    if re.match(r"^[CRK]-[A-Z]+-\d+ ", line):
                        raise BadInput("%s: not `ID | who | sentence | page`" % where)
                    continue
                rule_id, who, rest = match.groups()
                if who not in OURS + MAY + THEIRS:
                    raise BadInput("%s: nobody is called `%s`" % (where, who))
                if " | " not in rest:
                    raise BadInput("%s: no page" % where)
                text = rest.rsplit(" | ", 1)[0]
            else:
                match = ITEM_RULE.match(line) or TABLE_RULE.match(line)
                if not match:
                    continue
                rule_id, text = match.groups()
                who = "driver must" if rule_id.startswith("WV-") else ""
            if rule_id in rules:
                raise BadInput("%s: %s is already at %s" % (where, rule_id, rules[rule_id].where))
            rules[rule_id] = Rule(rule_id, area_of(rule_id), who, text, where)
    if not rules:
        raise BadInput("%s: no rules" % folder)
    return rules


def read_claims(path, rules):
    """-> ({area: claims the other side's duties, too}, {rule id: why later})"""
    areas = {rule.area for rule in rules.values()}
    claimed, later = {}, {}
    for number, line in enumerate(read_lines(path), 1):
        where = "%s:%d" % (path, number)
        words = line.split("#", 1)[0].split()
        if not words:
            continue
        if words[0] == "later":
            if len(words) < 3:
                raise BadInput("%s: `later RULE reason`" % where)
            for rule_id in expand(words[1], where):
                if rule_id not in rules:
                    raise BadInput("%s: there is no rule %s" % (where, rule_id))
                if rule_id in later:
                    raise BadInput("%s: %s is there twice" % (where, rule_id))
                later[rule_id] = " ".join(words[2:])
            continue
        area = words[0]
        if not AREA.match(area) or area not in areas:
            raise BadInput("%s: there is no area %s" % (where, area))
        if area in claimed:
            raise BadInput("%s: %s is there twice" % (where, area))
        if words[1:] not in ([], ["provider"], ["runtime"]):
            raise BadInput("%s: `AREA`, `AREA provider` or `AREA runtime`" % where)
        claimed[area] = len(words) == 1
    return claimed, later


def read_divergences(path, rules):
    """{rule id: what happens instead}; a missing file is an empty one."""
    divergences = {}
    if not os.path.exists(path):
        return divergences
    for number, line in enumerate(read_lines(path), 1):
        where = "%s:%d" % (path, number)
        if not line.startswith("|"):
            continue
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        ids = re.findall(RULE_ID + r"(?:\.\.(?:%s|\d+))?" % RULE_ID, cells[0]) if cells else []
        if not ids:
            continue
        if len(cells) < 3 or not cells[1] or not cells[2]:
            raise BadInput("%s: `| ID | what happens instead | why |`" % where)
        for name in ids:
            for rule_id in expand(name, where):
                if rule_id not in rules:
                    raise BadInput("%s: there is no rule %s" % (where, rule_id))
                divergences[rule_id] = cells[1]
    return divergences


def read_listings(paths, rules):
    """-> ({rule id: [test]}, {test: what is missing}); a line is test<TAB>rules<TAB>missing."""
    proofs, partial = collections.defaultdict(list), {}
    for path in paths:
        for number, line in enumerate(read_lines(path), 1):
            if not line.strip():
                continue
            where = "%s:%d" % (path, number)
            fields = line.split("\t")
            if len(fields) not in (2, 3) or not fields[0]:
                raise BadInput("%s: `test<TAB>rules<TAB>what is missing`" % where)
            test = fields[0]
            if len(fields) == 3 and fields[2].strip():
                partial[test] = fields[2].strip()
            for name in fields[1].replace(",", " ").split():
                for rule_id in expand(name, where):
                    if rule_id not in rules:
                        raise BadInput("%s: test %s names %s, and there is no such rule" % (where, test, rule_id))
                    if test not in proofs[rule_id]:
                        proofs[rule_id].append(test)
    return proofs, partial


def read_results(paths):
    """{test: {mode: outcome}}; a line is test<TAB>mode<TAB>pass|fail|skip, and a later line replaces an earlier one."""
    results = collections.defaultdict(dict)
    for path in paths:
        for number, line in enumerate(read_lines(path), 1):
            if not line.strip():
                continue
            fields = line.split("\t")
            if len(fields) not in (3, 4, 5) or fields[2] not in ("pass", "fail", "skip"):
                raise BadInput("%s:%d: `test<TAB>mode<TAB>pass|fail|skip`" % (path, number))
            results[fields[0]][fields[1]] = fields[2]
    return results


def check_citations(folders, rules):
    """Complaints about rules that sources cite and nobody wrote."""
    complaints = []
    cited = re.compile(r"\b[CRK]-[A-Z]{2,}-\d+\b|\bD-\d\d\b")
    for folder in folders:
        for parent, folders_below, names in os.walk(folder):
            folders_below.sort()
            for name in sorted(names):
                if not name.endswith((".c", ".h", ".cpp", ".S", ".def")):
                    continue
                path = os.path.join(parent, name)
                for number, line in enumerate(read_lines(path), 1):
                    for rule_id in cited.findall(line):
                        if rule_id not in rules:
                            complaints.append("%s:%d: cites %s, and there is no such rule" % (path, number, rule_id))
    return complaints


def judge(rule, claimed, later, divergences, proofs, partial, results):
    """The Verdict on one rule."""
    tests = proofs.get(rule.id, [])
    failed = ["%s (%s)" % (test, ", ".join(sorted(mode or "-" for mode, outcome in results[test].items()
                                                  if outcome == "fail")))
              for test in tests if "fail" in results.get(test, {}).values()]
    if failed:
        return Verdict(rule, FAIL, "", failed)
    if rule.id in divergences:
        return Verdict(rule, DIVERGENCE, divergences[rule.id], tests)
    is_claimed = rule.area in claimed and rule.id not in later
    ran = [test for test in tests if "pass" in results.get(test, {}).values()]
    if ran:
        whole = [test for test in ran if test not in partial]
        if whole:
            return Verdict(rule, PASS, "", whole + [test for test in ran if test in partial])
        return Verdict(rule, PARTIAL, "; ".join(sorted({partial[test] for test in ran})), ran)
    if tests and is_claimed:
        return Verdict(rule, NOT_RUN, "", tests)
    if not is_claimed:
        return Verdict(rule, OUT, later.get(rule.id, ""), tests)
    if rule.who in MAY:
        return Verdict(rule, OPTIONAL, "", [])
    if rule.who in THEIRS and not claimed[rule.area]:
        return Verdict(rule, VERIFIER, "", [])
    return Verdict(rule, MISSING, "", [])


def describe(verdict, all_tests):
    """One line of text."""
    text = {
        PARTIAL: "pass, partial: " + verdict.note,
        DIVERGENCE: "divergence: " + verdict.note,
        OUT: "out of scope: later issue" + (" (%s)" % verdict.note if verdict.note else ""),
        VERIFIER: "verifier: later issue",
    }.get(verdict.state, verdict.state)
    tests = verdict.tests
    if tests and verdict.state != OUT:
        shown = tests if all_tests or verdict.state == FAIL else tests[:SHOWN_TESTS]
        text += "  " + ", ".join(shown)
        if len(shown) < len(tests):
            text += ", and %d more" % (len(tests) - len(shown))
    return "%-14s %s" % (verdict.rule.id, text)


def summarise(verdicts, claimed):
    """The table of areas, as lines."""
    columns = (("pass", (PASS,)), ("partial", (PARTIAL,)), ("diverge", (DIVERGENCE,)), ("GAP", GAPS),
               ("verifier", (VERIFIER,)), ("optional", (OPTIONAL,)), ("later", (OUT,)))
    counts = collections.OrderedDict()
    for verdict in verdicts:
        counts.setdefault(verdict.rule.area, collections.Counter())[verdict.state] += 1
    lines = ["%-12s %6s" % ("area", "rules") + "".join("%9s" % title for title, _ in columns)]
    total = collections.Counter()

    def row(title, count):
        cells = [sum(count[state] for state in states) for _, states in columns]
        return "%-12s %6d" % (title, sum(count.values())) + "".join("%9s" % (cell or "-") for cell in cells)

    for area, count in counts.items():
        total.update(count)
        lines.append(row(area + ("" if area in claimed else " *"), count))
    lines.append(row("all", total))
    if any(area not in claimed for area in counts):
        lines.append("* not claimed yet")
    return lines


def page(verdicts, claimed):
    """docs/conformance.md: the table of areas, then area by area what became of each rule."""
    lines = ["# What is proved", "",
             "Written by `make rules` from the results of the tests; not edited by hand. [rules/README.md](rules/README.md) says",
             "what the words mean, [divergences.md](divergences.md) what happens instead where Linux cannot do what Windows does.",
             "", "```"] + summarise(verdicts, claimed) + ["```"]
    area = None
    for verdict in verdicts:
        if verdict.state in (OUT, VERIFIER):
            continue
        if verdict.rule.area != area:
            area = verdict.rule.area
            lines += ["", "## " + area, "", "| rule | | tests |", "|---|---|---|"]
        shown = sorted(verdict.tests)[:SHOWN_TESTS]
        tests = ", ".join("`%s`" % test for test in shown)
        if len(verdict.tests) > len(shown):
            tests += ", and %d more" % (len(verdict.tests) - len(shown))
        state = verdict.state + (": " + verdict.note if verdict.state == PARTIAL else "")
        lines.append("| %s | %s | %s |" % (verdict.rule.id, state, tests))
    return "\n".join(lines) + "\n"


def is_page(name, text):
    try:
        with open(name, encoding="utf-8") as file:
            return file.read() == text
    except FileNotFoundError:
        return False


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0],
                                     epilog="docs/rules/README.md explains the output and the inputs.")
    parser.add_argument("--rules", default=os.path.join(ROOT, "docs", "rules"), metavar="FOLDER",
                        help="the rules and claimed.txt (default: docs/rules)")
    parser.add_argument("--divergences", default=os.path.join(ROOT, "docs", "divergences.md"), metavar="FILE",
                        help="what departs from Windows (default: docs/divergences.md)")
    parser.add_argument("--listing", nargs="+", default=[], metavar="FILE", help="output of test programs with --list")
    parser.add_argument("--results", nargs="+", default=[], metavar="FILE", help="what UWSK_TEST_RESULTS collected")
    parser.add_argument("--sources", nargs="+", default=[], metavar="FOLDER", help="check the rules that sources cite")
    parser.add_argument("--area", nargs="+", default=[], help="show only these areas (C-CLOSE, D, …)")
    parser.add_argument("--gaps", action="store_true", help="show only rules with a gap")
    parser.add_argument("--write", metavar="FILE", help="write a page of it, unless there is a gap")
    parser.add_argument("--check", metavar="FILE", help="fail when FILE is not the page that --write would write")
    parser.add_argument("--all-tests", action="store_true", help="name every test of a rule")
    options = parser.parse_args(arguments)
    if (options.write or options.check) and options.area:
        parser.error("--write, --check: the page is of all areas")
    try:
        rules = read_rules(options.rules)
        claimed, later = read_claims(os.path.join(options.rules, "claimed.txt"), rules)
        divergences = read_divergences(options.divergences, rules)
        proofs, partial = read_listings(options.listing, rules)
        results = read_results(options.results)
        complaints = check_citations(options.sources, rules)
        for area in options.area:
            if area not in {rule.area for rule in rules.values()}:
                raise BadInput("--area: there is no area %s" % area)
    except BadInput as error:
        print("rules: %s" % error, file=sys.stderr)
        return 2

    verdicts = [judge(rule, claimed, later, divergences, proofs, partial, results) for rule in rules.values()
                if not options.area or rule.area in options.area]
    for verdict in verdicts:
        if not options.gaps or verdict.state in GAPS:
            print(describe(verdict, options.all_tests))
    print()
    print("\n".join(summarise(verdicts, claimed)))
    for complaint in complaints:
        print(complaint)
    gaps = collections.Counter(verdict.rule.area for verdict in verdicts if verdict.state in GAPS)
    if gaps:
        print("\n%d gap%s: %s" % (sum(gaps.values()), "" if sum(gaps.values()) == 1 else "s",
                                  ", ".join("%s %d" % item for item in gaps.items())))
    elif not complaints:
        print("\nno gap")
        if options.write:
            with open(options.write, "w", encoding="utf-8") as file:
                file.write(page(verdicts, claimed))
        if options.check and not is_page(options.check, page(verdicts, claimed)):
            print("%s is not what the tests have shown: `make rules` writes it anew" % options.check)
            return 1
    return 1 if gaps or complaints else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
