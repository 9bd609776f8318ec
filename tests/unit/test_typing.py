"""The public surface is typed: what is right checks, what is wrong does not."""

import subprocess
import sys
from dataclasses import fields
from pathlib import Path

from docherd.config import Options
from docherd.keywords import RunOptions, WorkOptions
from docherd.patterns import FROM_FILES


def test_the_surface_checks_strictly():
    """Every line of tests/typing; an ignored error that is none is an error."""
    file = Path(__file__).parent.parent / "typing" / "surface.py"
    root = file.parents[2]
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file", "pyproject.toml"]
    done = subprocess.run(
        [*command, str(file)], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_option_is_a_keyword():
    """What the command line takes, Python takes, but for the processor, which has its place."""
    keywords = {*WorkOptions.__annotations__, *RunOptions.__annotations__}
    options = {each.name for each in fields(Options)} - {"processor"}
    assert keywords == options | FROM_FILES.keys()
