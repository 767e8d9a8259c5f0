"""tools/rules.py: what counts as proved, what as a gap, and that bad input is named by file and line."""

import contextlib
import io
import os
import sys
import tempfile
import textwrap
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tools"))
sys.dont_write_bytecode = True
import rules  # noqa: E402

RULES = """\
    # Title
    C-AA-01 | provider must | Do this. [DIFF] not | page S01
    C-AA-02 | client must | Do that a|b. [VERIFY] | page
    C-AA-03 | provider may | Do it. | page; derived
    C-BB-01 | provider must | PERMIT: something | page
    C-BB-02 | client must | Keep it. [VERIFY] | page
    C-BB-03 | layout | It is 8 bytes. | page

    ## Remarks, not rules
    - D-01 looks like a rule
    """
ITEMS = """\
    - D-01 First.
    - D-02 Second.
    | WV-01 | C-AA-02: that | by looking |
    """


class Case(unittest.TestCase):
    """A folder with a small world of rules; run() is the command."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        os.mkdir(self.path("rules"))
        self.write("rules/concept.md", RULES)
        self.write("rules/items.md", ITEMS)
        self.write("rules/README.md", "C-ZZ-01 | provider must | An example only. | page\n")
        self.claim("C-AA\nC-BB provider\nD\n")

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(textwrap.dedent(text))
        return self.path(name)

    def claim(self, text):
        self.write("rules/claimed.txt", text)

    def run_rules(self, listing="", results="", divergences=None, more=()):
        arguments = ["--rules", self.path("rules"), "--listing", self.write("listing", listing),
                     "--results", self.write("results", results)]
        if divergences is None:
            arguments += ["--divergences", self.path("no-such-file")]
        else:
            arguments += ["--divergences", self.write("divergences.md", divergences)]
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = rules.main(arguments + list(more))
        self.errors = err.getvalue()
        self.output = out.getvalue()
        self.lines = {line.split()[0]: " ".join(line.split()[1:]) for line in self.output.splitlines()
                      if "-" in line.split(" ")[0]}
        return status


class States(Case):
    def test_without_tests_claimed_rules_are_missing(self):
        self.assertEqual(self.run_rules(), 1)
        self.assertEqual(self.lines["C-AA-01"], "missing")
        self.assertEqual(self.lines["C-AA-02"], "missing", "a whole area claims the client's duties, too")
        self.assertEqual(self.lines["C-AA-03"], "optional")
        self.assertEqual(self.lines["C-BB-01"], "missing")
        self.assertEqual(self.lines["C-BB-02"], "verifier: later issue")
        self.assertEqual(self.lines["C-BB-03"], "missing", "layouts are ours")
        self.assertEqual(self.lines["D-01"], "missing")
        self.assertEqual(self.lines["WV-01"], "out of scope: later issue")
        self.assertIn("6 gaps: C-AA 2, C-BB 2, D 2", self.output)

    def test_everything_proved(self):
        status = self.run_rules("one\tC-AA-01 C-AA-02\t\ntwo\tC-BB-01 C-BB-03, D-01..02\t\n",
                                "one\tnatural\tpass\none\tother\tpass\ntwo\t\tpass\n")
        self.assertEqual(status, 0)
        self.assertEqual(self.lines["C-AA-01"], "pass one")
        self.assertEqual(self.lines["D-02"], "pass two")
        self.assertIn("no gap", self.output)

    def test_the_page_is_written_without_a_gap_only(self):
        page = self.path("page.md")
        listing = "one\tC-AA-01 C-AA-02\t\nhalf\tC-BB-03\tno more\ntwo\tC-BB-01 D-01..02\t\n"
        self.assertEqual(self.run_rules(listing, "one\t\tpass\ntwo\t\tpass\n", more=("--write", page)), 1)
        self.assertFalse(os.path.exists(page))
        results = "one\t\tpass\ntwo\t\tpass\nhalf\t\tpass\n"
        self.assertEqual(self.run_rules(listing, results, more=("--write", page)), 0)
        with open(page, encoding="utf-8") as file:
            text = file.read()
        self.assertIn("| C-AA-01 | pass | `one` |", text)
        self.assertIn("| C-BB-03 | partial: no more | `half` |", text)
        self.assertNotIn("WV-01", text, "not claimed")

        self.assertEqual(self.run_rules(listing, results, more=("--check", page)), 0)
        with open(page, "a", encoding="utf-8") as file:
            file.write("by hand\n")
        self.assertEqual(self.run_rules(listing, results, more=("--check", page)), 1)
        self.assertEqual(self.run_rules(listing, results, more=("--check", page + ".none")), 1)

    def test_one_failing_mode_fails_the_rule(self):
        self.assertEqual(self.run_rules("one\tC-AA-01\t\n", "one\ta\tpass\none\tb\tfail\n"), 1)
        self.assertEqual(self.lines["C-AA-01"], "FAIL one (b)")

    def test_a_failing_test_counts_outside_the_claimed_areas_too(self):
        self.claim("later C-AA-01 some day\n")
        self.assertEqual(self.run_rules("one\tC-AA-01\t\n", "one\t\tfail\n"), 1)
        self.assertEqual(self.lines["C-AA-01"], "FAIL one (-)")

    def test_a_later_result_replaces_an_earlier_one(self):
        self.run_rules("one\tC-AA-01\t\n", "one\ta\tfail\none\ta\tpass\n")
        self.assertEqual(self.lines["C-AA-01"], "pass one")

    def test_named_but_not_run_is_a_gap(self):
        self.claim("C-BB provider\n")
        listing = "one\tC-BB-01 C-BB-03\t\n"
        self.assertEqual(self.run_rules(listing, ""), 1)
        self.assertEqual(self.lines["C-BB-01"], "not run one")
        self.assertEqual(self.run_rules(listing, "one\ta\tskip\n"), 1)
        self.assertEqual(self.run_rules(listing, "one\ta\tskip\none\tb\tpass\n"), 0)

    def test_partial_only_while_no_whole_test_passes(self):
        listing = "half\tC-AA-01\tno datagrams\n"
        self.run_rules(listing, "half\t\tpass\n")
        self.assertEqual(self.lines["C-AA-01"], "pass, partial: no datagrams half")
        self.run_rules(listing + "whole\tC-AA-01\t\n", "half\t\tpass\nwhole\t\tpass\n")
        self.assertEqual(self.lines["C-AA-01"], "pass whole, half")
        self.run_rules(listing + "whole\tC-AA-01\t\n", "half\t\tpass\n")
        self.assertEqual(self.lines["C-AA-01"], "pass, partial: no datagrams half")

    def test_divergence_is_no_gap_unless_its_test_fails(self):
        table = "| rule | instead | why |\n|---|---|---|\n| `C-AA-01`, D-01..D-02 | says it | Linux \\| them |\n"
        self.claim("D\n")
        self.assertEqual(self.run_rules(divergences=table), 0)
        self.assertEqual(self.lines["C-AA-01"], "divergence: says it")
        self.assertEqual(self.lines["D-02"], "divergence: says it")
        self.assertEqual(self.run_rules("one\tD-02\t\n", "one\t\tfail\n", table), 1)

    def test_later_has_a_reason_and_gives_way_to_a_test(self):
        self.claim("D\nlater D-01..02 when it comes\n")
        self.assertEqual(self.run_rules(), 0)
        self.assertEqual(self.lines["D-01"], "out of scope: later issue (when it comes)")
        self.run_rules("early\tD-01\t\n", "early\t\tpass\n")
        self.assertEqual(self.lines["D-01"], "pass early")

    def test_the_client_duty_that_a_test_names_is_proved(self):
        self.run_rules("one\tC-BB-02\t\n", "one\t\tpass\n")
        self.assertEqual(self.lines["C-BB-02"], "pass one")

    def test_many_tests_are_cut_short(self):
        listing = "".join("t%d\tC-AA-01\t\n" % n for n in range(7))
        results = "".join("t%d\t\tpass\n" % n for n in range(7))
        self.run_rules(listing, results)
        self.assertEqual(self.lines["C-AA-01"], "pass t0, t1, t2, t3, and 3 more")
        self.run_rules(listing, results, more=["--all-tests"])
        self.assertTrue(self.lines["C-AA-01"].endswith("t5, t6"))


class Output(Case):
    def test_area_and_gaps_choose_lines(self):
        self.assertEqual(self.run_rules("one\tC-BB-01\t\n", "one\t\tpass\n", more=["--area", "C-BB", "--gaps"]), 1)
        self.assertIn("C-BB-03", self.lines)
        self.assertNotIn("C-BB-01", self.lines)
        self.assertNotIn("C-AA-01", self.lines)

    def test_only_the_chosen_area_decides(self):
        self.assertEqual(self.run_rules("one\tC-BB-01 C-BB-03\t\n", "one\t\tpass\n", more=["--area", "C-BB"]), 0)

    def test_summary_adds_up(self):
        self.run_rules("one\tC-AA-01\tx\n", "one\t\tpass\n")
        row = [line.split() for line in self.output.splitlines() if line.startswith("C-AA ")][-1]
        self.assertEqual(row, ["C-AA", "3", "-", "1", "-", "1", "-", "1", "-"])
        total = [line.split() for line in self.output.splitlines() if line.startswith("all ")][0]
        self.assertEqual(int(total[1]), 9)
        self.assertEqual(sum(int(cell) for cell in total[2:] if cell != "-"), 9)

    def test_sources_that_cite_unknown_rules(self):
        os.mkdir(self.path("src"))
        self.write("src/a.c", "/* C-AA-01 */\nint x; /* C-AA-99, MODE-12, D-02 */\n")
        self.claim("")
        self.assertEqual(self.run_rules(more=["--sources", self.path("src")]), 1)
        self.assertIn("a.c:2: cites C-AA-99", self.output)
        self.assertNotIn("MODE", self.output)
        self.assertNotIn("D-02, and", self.output)


class BadInput(Case):
    def refuse(self, message, **inputs):
        self.assertEqual(self.run_rules(**inputs), 2)
        self.assertIn(message, self.errors)
        self.assertEqual(self.output, "")

    def test_listing(self):
        self.refuse("listing:2: test one names C-AA-09", listing="\none\tC-AA-09\t\n")
        self.refuse("listing:1: `test<TAB>rules", listing="one two\n")
        self.refuse("listing:1: a range that runs backwards", listing="one\tC-AA-03..01\t\n")
        self.refuse("listing:1: a range from one area into another", listing="one\tC-AA-01..C-BB-02\t\n")

    def test_results(self):
        self.refuse("results:1: `test<TAB>mode", results="one\tpass\n")
        self.refuse("results:2: `test<TAB>mode", results="one\t\tpass\none\t\tmaybe\n")

    def test_claims(self):
        for text, message in (("C-ZZ\n", "there is no area C-ZZ"), ("C-AA client\n", "`AREA`, `AREA provider`"),
                              ("C-AA\nC-AA\n", "claimed.txt:2: C-AA is there twice"),
                              ("later C-AA-01\n", "`later RULE reason`"),
                              ("later C-AA-08 why\n", "there is no rule C-AA-08"),
                              ("later D-01 a\nlater D-01 b\n", "D-01 is there twice")):
            self.claim(text)
            self.refuse(message)

    def test_divergences(self):
        self.refuse("divergences.md:1: there is no rule C-AA-07", divergences="| C-AA-07 | so | why |\n")
        self.refuse("divergences.md:1: `| ID | what", divergences="| C-AA-01 | so | |\n")

    def test_rules(self):
        for text, message in (("C-CC-01 | provider must | no page\n", "no page"),
                              ("C-CC-01 | somebody must | x | page\n", "nobody is called `somebody must`"),
                              ("C-CC-01 | provider must | x | p\nC-AA-01 | provider must | x | p\n", "C-AA-01 is already at"),
                              ("C-CC-01 | provider must | x | p\nC-CC-02 provider must x\n", "not `ID | who"),
                              ):
            self.write("rules/more.md", text)
            self.refuse(message)

    def test_missing_files(self):
        self.refuse("no-such-listing", more=["--listing", self.path("no-such-listing")])
        self.refuse("there is no area C-QQ", more=["--area", "C-QQ"])


class OwnRules(unittest.TestCase):
    """The rules of this repository are well formed, and what the texts say about their number is true."""

    @classmethod
    def setUpClass(cls):
        cls.rules = rules.read_rules(os.path.join(ROOT, "docs", "rules"))

    def count(self, area):
        return sum(rule.area == area for rule in self.rules.values())

    def test_closing_has_45_sentences(self):
        self.assertEqual(self.count("C-CLOSE"), 45)
        self.assertEqual(sum(rule.area == "C-CLOSE" and rule.who == "client must" for rule in self.rules.values()), 18)

    def test_areas_are_as_large_as_the_reference_page_says(self):
        table = {}
        for line in rules.read_lines(os.path.join(ROOT, "docs", "rules", "wsk-ddi-rules.md")):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if len(cells) == 4 and cells[0].isupper() and cells[1].isdigit():
                table["R-" + cells[0]] = int(cells[1])
        self.assertEqual(len(table), 34)
        self.assertEqual({area: self.count(area) for area in table}, table)

    def test_numbers_of_an_area_have_no_hole(self):
        numbers = {}
        for rule in self.rules.values():
            numbers.setdefault(rule.area, []).append(int(rule.id.rsplit("-", 1)[1]))
        for area, found in numbers.items():
            self.assertEqual(found, list(range(1, len(found) + 1)), area)

    def test_claims_and_divergences_name_rules_that_exist(self):
        claimed, later = rules.read_claims(os.path.join(ROOT, "docs", "rules", "claimed.txt"), self.rules)
        self.assertTrue(claimed["C-CLOSE"], "closing is claimed with the client's duties")
        for rule_id in later:
            self.assertIn(self.rules[rule_id].area, claimed, "%s: later in an area that is not claimed" % rule_id)
        rules.read_divergences(os.path.join(ROOT, "docs", "divergences.md"), self.rules)


if __name__ == "__main__":
    unittest.main()
