"""What MkDocs asks while it builds: the page that is made from the code, and links that lead out.

docs/cli.md does not exist as a file: it is what the commands say of themselves. Nor does
docs/walk.md: it is ARCHITECTURE.md.
"""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from docherd import arguments, guide
from docherd.model import Reason
from docherd.processors import extract
from docherd.wording import MEANING

#: a link to a file of the repository that is no page
_OUTSIDE = re.compile(r"\[`?([^\]`]+)`?\]\(\.\./[^)]*\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made."""
    architecture = Path(config.docs_dir).parent / "ARCHITECTURE.md"
    files.append(File.generated(config, "cli.md", content=command_line()))
    files.append(File.generated(config, "walk.md", content=architecture.read_text("utf-8")))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Put the kinds in; links to tests and sources, which no site holds, become their names."""
    here = markdown.replace("](docs/", "](").replace("KINDS\n", kinds())
    return _OUTSIDE.sub(r"`\1`", here)


def command_line() -> str:
    """Every command with its help, every reason, as Markdown."""
    _, commands = arguments.build()
    parts = ["# The command line", "", "Every command explains itself with `--help`; this is that."]
    for heading, names in guide.GROUPS.items():
        parts += ["", f"## {heading[0].upper()}{heading[1:]}"]
        for name in names:
            help_text = commands.choices[name].format_help().rstrip()
            parts += ["", f"### docherd {name}", "", "```text", help_text, "```"]
    parts += ["", "## Reasons", "", "| reason | a document ... | status |", "|---|---|---|"]
    for reason in Reason:
        status = "skipped" if reason.skips else "failed"
        parts.append(f"| `{reason}` | {MEANING[reason]} | {status} |")
    return "\n".join(parts) + "\n"


def kinds() -> str:
    """What `extract` makes of each kind, as its reader says of itself."""
    named: dict[str, list[str]] = {}
    for kind, reader in extract.READERS.items():
        named.setdefault(reader, []).append(kind)
    rows = ["| kinds | |", "|---|---|"]
    for reader, read in named.items():
        module, _, function = reader.partition(".")
        found = getattr(import_module(f"docherd.processors.readers.{module}"), function)
        what = " ".join((inspect.getdoc(found) or "").partition("\n\n")[0].split())
        rows.append(f"| {', '.join(f'`{kind}`' for kind in read)} | {what.replace('``', '`')} |")
    return "\n".join(rows) + "\n"
