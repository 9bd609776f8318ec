"""What to type next, and what to type instead."""

from __future__ import annotations

import shlex

import pytest

from docherd import arguments, cli, guide
from docherd.model import Root


def test_alone_it_says_what_to_type_next(capsys):
    """On stdout, because somebody asked; the exit code says that nothing was done."""
    assert cli.execute([]) == 2
    said = capsys.readouterr()
    assert said.err == ""
    for command in ("try", "plan", "run", "doctor", "--help"):
        assert f"docherd {command}" in said.out


def typed():
    for examples in guide.EXAMPLES.values():
        for line, _ in examples:
            yield from (part.strip() for part in line.replace('eval "$(', "").split("|"))


@pytest.mark.parametrize("line", [each for each in typed() if each.startswith("docherd ")])
def test_every_example_can_be_typed(line):
    """The words of the help are words of the command line."""
    words = shlex.split(line.partition(" > ")[0].removesuffix(')"'))
    assert arguments.parser().parse_args(words[1:]).command == words[1]


def test_the_overview_names_every_command_once(capsys):
    """By what it is for."""
    with pytest.raises(SystemExit, match="0"):
        arguments.parser().parse_args(["--help"])
    shown = capsys.readouterr().out
    listed = [name for names in guide.GROUPS.values() for name in names]
    known = arguments.build()[1].choices
    assert set(known) <= set(listed)
    assert len(listed) == len(set(listed))
    for name in known:
        assert shown.count(f"\n  {name:<12}") == 1


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "tcsh"])
def test_completion_knows_commands_and_options(capsys, shell):
    """A script for each shell."""
    assert cli.execute(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert "failures" in script
    assert "max-output" in script or shell == "tcsh"


# ── inputs ───────────────────────────────────────────────────────────────────────────────────


def test_an_input_that_is_not_there(tmp_path):
    """A URL is not fetched; a name beside it may have been meant; or its folder is not there."""
    (tmp_path / "letters").mkdir()

    def said(name):
        return guide.no_such_input(name.encode(), "No such file or directory")

    assert "fetches nothing; download it first" in said("https://example.org/a.pdf")
    assert "copy or mount it first" in said("s3://bucket/folder")
    assert said(f"{tmp_path}/leters").endswith(f"did you mean {tmp_path}/letters?")
    assert f"there is no folder {tmp_path}/no" in said(f"{tmp_path}/no/such")
    assert "folders, files or quoted globs" in said(f"{tmp_path}/quite-another")
    assert "\x1b" not in said("a\x1b[31m")


def test_why_there_is_nothing(tmp_path):
    """An empty folder, only hidden files, a glob without a match, filters that leave none."""
    folder = str(tmp_path).encode()
    assert guide.nothing_found([Root(b"a", folder)], (), ()).endswith("is empty")
    (tmp_path / ".x").touch()
    assert "--hidden takes those" in guide.nothing_found([Root(b"a", folder)], (), ())
    glob = Root(b"a", folder, pattern="*.pdf")
    assert "matches '*.pdf'" in guide.nothing_found([glob], (), ())
    listed = Root(b"a", folder, names=())
    assert "names none" in guide.nothing_found([listed], (), ())
    said = guide.nothing_found([Root(b"a", folder)], ("*.pdf",), ("b",))
    assert "--include *.pdf --exclude b" in said
    gone = Root(b"a", folder + b"/gone")
    assert "No such file" in guide.nothing_found([gone], (), ())
