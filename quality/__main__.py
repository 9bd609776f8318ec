"""Measure, and write the page.

python -m quality                      everything → docs/quality.md
python -m quality --only cells --to a.md   a section, somewhere else
python -m quality --corpus FOLDER      other documents, with a MANIFEST.csv
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from quality import page
from quality.answers import ROOT, Inquiry
from quality.corpus import samples
from quality.sections import SECTIONS

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Asked:
    """The command line."""

    only: list[str]
    corpus: Path
    to: Path
    answers: Path
    peers: bool


def main() -> None:
    """Answers are remembered: what has not changed since is not asked again."""
    asked = _asked(sys.argv[1:])
    os.environ["PYTHONPATH"] = str(ROOT)  # workers import quality.engines
    try:
        documents = samples(asked.corpus)
    except FileNotFoundError:
        sys.exit(
            f"no corpus in {asked.corpus}: it is not part of docherd."
            " Name a folder with a MANIFEST.csv (quality/corpus.py says of what): --corpus FOLDER"
        )
    inquiry = Inquiry(asked.answers, asked.peers)
    found = {}
    for section in SECTIONS:
        if not asked.only or section.name in asked.only:
            begin = time.monotonic()
            found[section.name] = section.lines(documents, inquiry)
            print(f"{section.name} took {time.monotonic() - begin:,.0f} s", file=sys.stderr)
    page.write(asked.to, documents, found)
    print(asked.to)


def _asked(words: Sequence[str]) -> Asked:
    names = [section.name for section in SECTIONS]
    parser = argparse.ArgumentParser(prog="python -m quality", description=__doc__.split(".")[0])
    parser.add_argument("--only", action="append", choices=names, default=[], metavar="NAME")
    parser.add_argument("--corpus", type=Path, default=ROOT.parent / "shared" / "corpus")
    parser.add_argument("--to", type=Path, default=ROOT / "docs" / "quality.md")
    parser.add_argument("--answers", type=Path, default=HERE / ".results", help="remembered there")
    parser.add_argument("--no-peers", action="store_false", dest="peers", help="docherd alone")
    asked = Asked(**vars(parser.parse_args(words)))
    if asked.only and asked.to == ROOT / "docs" / "quality.md":
        parser.error("--only needs --to: a part does not replace docs/quality.md")
    return asked


if __name__ == "__main__":
    main()
