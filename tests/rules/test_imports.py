"""tools/imports.py: docs/imports.md is what exports.def and imports.tsv make of it."""

import os
import subprocess
import sys
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(ROOT, "tools"))
import imports  # noqa: E402


class Imports(unittest.TestCase):
    def test_document_is_up_to_date(self):
        tool = os.path.join(ROOT, "tools", "imports.py")
        ran = subprocess.run([sys.executable, tool], capture_output=True, text=True, check=False)
        self.assertEqual(ran.returncode, 0, ran.stderr)

    def test_presence_comes_from_the_tree(self):
        present = imports.present_names()
        for name in ("ZwOpenKey", "WskRegister", "KdPrint", "InitializeListHead", "RtlStringCbPrintfA"):
            self.assertIn(name, present)
        self.assertNotIn("WdfDriverCreate", present)

    def test_states(self):
        text = "## A\nHere\nSoon\tplanned\tlater\n"
        made = imports.document(text, {"Here"})
        self.assertIn("| Here | present |  |", made)
        self.assertIn("| Soon | planned | later |", made)
        self.assertIn("| Soon | present |  |", imports.document(text, {"Here", "Soon"}))
        for bad in ("Gone\n", "Soon\tmaybe\tx\n", "Here\nHere\n"):
            with self.assertRaises(ValueError):
                imports.document(bad, {"Here"})


if __name__ == "__main__":
    unittest.main()
