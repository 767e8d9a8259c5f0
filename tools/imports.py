#!/usr/bin/env python3
"""Which names of the WDK are here: docs/imports.md out of tools/imports.tsv and src/nt/exports.def.

    tools/imports.py            compares; status 1 when docs/imports.md is out of date
    tools/imports.py --write    writes it

A name is present when exports.def lists it or a header of include/ defines it as a macro or an inline function. A name
that is not has to say in imports.tsv what becomes of it (status 2 when it does not).
"""

import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
EXPORT = re.compile(r"^\s*[XD]\(\s*\w+\s*,\s*(\w+)")
MACRO = re.compile(r"^\s*#\s*define\s+(\w+)", re.M)
INLINE = re.compile(r"^(?:FORCEINLINE|static inline|inline|CFORCEINLINE|UWSK_INLINE)\b[^;{]*?\b(\w+)\s*\([^;{]*\)\s*\{", re.M)
STATES = ("planned", "never")

HEAD = """# Names of the WDK

What published WSK clients import, and whether it is here. Made by `tools/imports.py --write` from `tools/imports.tsv` and
`src/nt/exports.def`; a name that is missing from both has not been met yet. `present`: declared, complete and tested.
`planned`: will be. `never`: does not belong to this runtime. A driver that uses a name that is not present does not
compile or link, and `uwsk cc` tells the reason that stands here; nothing is half there.
"""


def read(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as file:
        return file.read()


def present_names():
    names = {m.group(1) for m in map(EXPORT.match, read("src", "nt", "exports.def").splitlines()) if m}
    for folder, _, files in os.walk(os.path.join(ROOT, "include")):
        for file in files:
            if file.endswith(".h"):
                text = read(folder, file)
                names.update(MACRO.findall(text))
                names.update(INLINE.findall(text))
                if file == "ntstrsafe.h":  # its functions are in the C run time that a driver links
                    names.update(re.findall(r"\b(Rtl\w+)\s*\(", text))
    return names


def entries(text):
    """(heading, name, state, why), in order; headings stand alone."""
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("## "):
            yield line[3:], None, None, None
        elif line.strip() and not line.startswith("#"):
            field = line.split("\t")
            if len(field) not in (1, 3) or (len(field) == 3 and field[1] not in STATES):
                raise ValueError(f"tools/imports.tsv:{number}: not NAME, or NAME, planned or never, why: {line}")
            yield None, field[0], field[1] if len(field) == 3 else None, field[2] if len(field) == 3 else ""


def document(text, present):
    out = [HEAD]
    seen = set()
    for heading, name, state, why in entries(text):
        if heading:
            out.append(f"\n## {heading}\n\n| name | | why |\n|---|---|---|\n")
            continue
        if name in seen:
            raise ValueError(f"tools/imports.tsv: {name} is there twice")
        seen.add(name)
        if name in present:
            state, why = "present", ""
        elif not state:
            raise ValueError(f"tools/imports.tsv: {name} is not present and says neither planned nor never")
        out.append(f"| {name} | {state} | {why} |\n")
    return "".join(out)


def main(arguments):
    try:
        wanted = document(read("tools", "imports.tsv"), present_names())
    except ValueError as problem:
        print(problem, file=sys.stderr)
        return 2
    path = os.path.join(ROOT, "docs", "imports.md")
    if arguments == ["--write"]:
        with open(path, "w", encoding="utf-8") as file:
            file.write(wanted)
        return 0
    if arguments:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    if not os.path.exists(path) or read("docs", "imports.md") != wanted:
        print("docs/imports.md is out of date: tools/imports.py --write", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
