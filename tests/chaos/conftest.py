"""What `make chaos` does at every point, here at some of them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2]))  # chaos/ and benchmarks/ are not installed

from chaos.session import Session

from chaos import calls


@pytest.fixture
def session(tmp_path):
    """A small one."""
    return Session(tmp_path)


@pytest.fixture
def traced():
    """Skips where no system call can be met."""
    if why := calls.missing():
        pytest.skip(why)
