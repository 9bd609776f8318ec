"""What to type next, and what to type instead: the first screen, examples, nearest words."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from docherd.model import Root, printable, text_of
from docherd.version import __version__

#: what `docherd` alone says
FIRST = f"""\
docherd {__version__}: runs a document processor over millions of files and loses none of them

What to type next:
  docherd try letter.pdf              one document: what is in it, on the screen
  docherd plan ~/documents            how long all of them would take; writes nothing
  docherd run ~/documents -o out      all of them: results in out/data, out/report.html
  docherd run ~/documents -o out      the same again goes on where it was
  docherd doctor                      is this machine fit for it, what could be installed
  docherd --help                      all commands; docherd run --help: all options"""

#: heading → commands, as `docherd --help` lists them
GROUPS = {
    "before": ("try", "plan", "doctor", "processors"),
    "the run": ("run", "resume", "retry"),
    "its results": ("status", "report", "failures", "show", "cat", "export"),
    "its health": ("verify", "repair"),
    "the shell": ("completion",),
}

#: command → what it is typed like, and what that does
EXAMPLES: Mapping[str, Sequence[tuple[str, str]]] = {
    "run": (
        ("docherd run ~/documents -o out", "text and properties of everything in a folder"),
        ("docherd run ~/mail -o out --include '*.eml' -w 8 --memory 8GB", "mail only, bounded"),
        ("docherd run ~/scans -o out -p ocr.py:read --timeout 10m", "your own function"),
        ("find . -name '*.pdf' -print0 | docherd run --files-from - -0 -o out", "a list of names"),
    ),
    "plan": (("docherd plan ~/documents -p ocr.py:read", "how long, with how many workers"),),
    "resume": (("docherd resume out --memory 16GB", "go on, with more memory"),),
    "retry": (("docherd retry out --reason timeout --timeout 30m", "another chance for some"),),
    "try": (("docherd try letter.pdf -p ocr.py:read", "what your function makes of one file"),),
    "status": (("docherd status out --json", "for a script that watches"),),
    "failures": (
        ("docherd failures out", "by reason: what they say, and what to do next"),
        ("docherd failures out --reason crash", "what crashed, and how to see it again"),
        ("docherd failures out --to bad", "their files, copied, with a table"),
    ),
    "show": (
        ("docherd show out letter.pdf", "by its name, its path in the Records, or its id"),
        ("docherd show out 'mail/*.eml'", "which there are"),
    ),
    "cat": (
        ("docherd cat out | jq -r .path", "while the run goes on, too"),
        ("docherd cat out --kind pdf --columns path,pages", "of some, and some of it"),
        ("docherd cat out --status pending", "what is still to do, one line a document"),
    ),
    "export": (
        ("docherd export out --to csv", "all Records, into out/export.csv"),
        ("docherd export out -f mail.xlsx --kind eml --columns path,from,subject", "some"),
        ("docherd export out --to csv -f - | head", "into a pipe"),
    ),
    "report": (("docherd report out", "then open out/report.html"),),
    "completion": (
        ('eval "$(docherd completion bash)"', "in ~/.bashrc"),
        ("docherd completion fish > ~/.config/fish/completions/docherd.fish", "for fish"),
    ),
}

#: how alike two words must be to be taken for each other, 0 to 1
_ALIKE = 0.6
_CHOICE = re.compile(r"argument (\S+): invalid choice: (.+) \(choose from (.*)\)", re.DOTALL)
_NEEDED = {
    "COMMAND": "docherd alone says what to type next",
    "-o/--out": "say where the results go, for example -o out",
    "OUT": "name the run folder: what was given as -o",
    "DOC": "name a document as in the Records, or by its id",
    "FILE": "name a file",
}


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that ``word`` most likely meant, None where nothing is near."""
    import difflib

    found = difflib.get_close_matches(word, list(known), 1, _ALIKE)
    return found[0] if found else None


def examples(command: str) -> str:
    """The end of a command's help; empty where it explains itself."""
    lines = EXAMPLES.get(command, ())
    return "".join(f"  {typed}\n      {what}\n" for typed, what in lines)


# ── what was mistyped ────────────────────────────────────────────────────────────────────────


def mended(message: str) -> str:
    """argparse's complaint in words that say what to type instead."""
    if choice := _CHOICE.fullmatch(message):
        argument, typed, listed = choice.groups()
        known = re.findall(r"[\w-]+", listed)
        word = typed.strip("'\"")
        what = "command" if argument == "COMMAND" else argument
        near = nearest(word, known)
        hint = f"did you mean {near}?" if near else f"one of {', '.join(known)}"
        return f"no {what} {printable(word)!r}; {hint}"
    prefix = "the following arguments are required: "
    if message.startswith(prefix):
        missing = message.removeprefix(prefix).split(", ")
        needed = [f"{name} is missing: {_NEEDED[name]}" for name in missing if name in _NEEDED]
        return "; ".join(needed) or message
    return message


def unknown(words: Sequence[str], command: str, options: Mapping[str, Iterable[str]]) -> str:
    """What is wrong with words that a command does not take; ``options`` of every command."""
    word = next((each for each in words if each.startswith("-")), words[0])
    name = word.partition("=")[0]
    shown = printable(name)
    if not name.startswith("-"):
        return f"{command} does not take {shown!r} as well"
    if others := [other for other, known in options.items() if name in known]:
        return f"{command} has no option {shown}: it belongs to {', '.join(others)}"
    if near := nearest(name, options[command]):
        return f"no option {shown}; did you mean {near}?"
    return f"{command} has no option {shown}"


# ── inputs that are none ─────────────────────────────────────────────────────────────────────

_URL = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)


def no_such_input(typed: bytes, why: str) -> str:
    """What to do about an input that is not there."""
    shown = printable(text_of(typed))
    if url := _URL.match(text_of(typed)):
        scheme = url[1].lower()
        how = "download it first" if scheme.startswith("http") else "copy or mount it first"
        return f"input {shown}: docherd reads local files and fetches nothing; {how}"
    path = Path(os.fsdecode(typed))
    try:
        beside = os.listdir(path.parent)
    except OSError:
        return f"input {shown}: there is no folder {printable(str(path.parent))} here"
    if near := nearest(path.name, beside):
        return f"input {shown}: {why}; did you mean {printable(str(path.with_name(near)))}?"
    return f"input {shown}: {why}; the inputs are folders, files or quoted globs ('mail/*.eml')"


def nothing_found(roots: Sequence[Root], include: Sequence[str], exclude: Sequence[str]) -> str:
    """Why a run has no Documents."""
    if not include and not exclude:
        return "no documents: " + "; ".join(map(_why_nothing, roots))
    filters = [f"--include {printable(each)}" for each in include]
    filters += [f"--exclude {printable(each)}" for each in exclude]
    return (
        f"no documents: none in the inputs is left by {' '.join(filters)}; a glob takes names"
        + (" ('*.pdf'), or paths below the input ('2024/**/*.pdf')")
    )


def _why_nothing(root: Root) -> str:
    folder = printable(text_of(root.folder))
    if root.pattern is not None:
        return f"nothing below {folder} matches {printable(root.pattern)!r}"
    if root.names is not None:
        return "the list names none"
    try:
        empty = not os.listdir(root.folder)
    except OSError as error:
        return f"{folder}: {error.strerror}"
    if empty:
        return f"{folder} is empty"
    return f"{folder} holds no files that are not hidden (--hidden takes those)"
