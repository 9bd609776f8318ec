"""The command of a run, as run.json remembers it."""

import os
import shlex

import pytest

from docherd.arguments import parser
from docherd.config import Options
from docherd.report import command


def about(options=None, processor="extract", importable=True, **more):
    return {
        "inputs": [{"label": "docs", "folder": "/in/my docs", "names": None, "pattern": None}],
        "files_from": None,
        "null": False,
        "processor": {"name": processor, "fingerprint": "1", "importable": importable},
        "options": Options.of(options or {}).remembered(),
        **more,
    }


def of(tmp_path, *given, **more):
    return command.of(about(*given, **more), tmp_path / "out")


def test_a_plain_run_is_a_plain_command(tmp_path):
    """Defaults are not spelled out."""
    assert of(tmp_path) == f"docherd run '/in/my docs' -o {tmp_path}/out"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"memory": "512MB"}, "--memory 512MB"),
        ({"memory": "2GiB", "workers": "auto"}, "--workers auto --memory 2GiB"),
        ({"timeout": "1h30m", "max_input": 123_456_789}, "--timeout 5400s --max-input 123456789B"),
        ({"include": ["*.pdf", "a b/**"]}, "--include '*.pdf' --include 'a b/**'"),
        ({"exit_zero": True, "retries": 2}, "--retries 2 --exit-zero"),
    ],
)
def test_what_was_asked_for_is_spelled_as_it_would_be_typed(tmp_path, options, words):
    """Sizes to the byte, times to the millisecond, globs quoted; and it can be run as it stands."""
    text = of(tmp_path, options)
    assert text == f"docherd run '/in/my docs' -o {tmp_path}/out {words}"
    given = parser().parse_args(shlex.split(text)[1:])
    assert Options.of({name: getattr(given, name) for name in options}) == Options.of(options)


def test_a_password_is_never_in_it(tmp_path):
    """Not even if somebody wrote it into run.json."""
    known = about()
    known["options"] |= {"passwords": ["secret"]}
    assert "secret" not in command.of(known, tmp_path)


def test_inputs_are_what_was_typed(tmp_path):
    """Globs, single files, lists; many are abridged."""
    pattern = {"label": "a", "folder": "/in", "names": None, "pattern": "*.pdf"}
    assert " '/in/*.pdf' -o" in of(tmp_path, inputs=[pattern])
    names = {"label": "a", "folder": "/in", "names": [f"{n}" for n in range(9)], "pattern": None}
    assert " /in/3 /in/4 ... -o" in of(tmp_path, inputs=[names])
    listed = of(tmp_path, files_from="/l ist", null=True, inputs=[])
    assert listed.startswith("docherd run --files-from '/l ist' --null -o ")
    odd = {"label": "a", "folder": os.fsdecode(b"/in\xff\n"), "names": None, "pattern": None}
    assert r" $'/in\xff\x0a' -o" in of(tmp_path, inputs=[odd])


def test_an_object_of_a_program_has_no_command(tmp_path):
    """What only a program has cannot be typed."""
    assert of(tmp_path, processor="<lambda>", importable=False) == ""
    assert of(tmp_path, processor="my own.py:f").endswith(" -p 'my own.py:f'")


@pytest.mark.parametrize("known", [{}, {"processor": 3}, {"processor": {}, "options": 7}])
def test_a_strange_run_json_is_no_error(tmp_path, known):
    """A report is written whatever somebody did to the file."""
    assert isinstance(command.of(known, tmp_path), str)
