"""For every test."""

import compileall
import os
import signal
from pathlib import Path

import docherd

# Under nohup it is ignored, here and in all that is started from here; tests send it.
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# What one test teaches the forecast must not reach the next, nor this user's own cache.
os.environ["XDG_CACHE_HOME"] = "/dev/null/no-cache"

# Thousands of processes follow; under PYTHONDONTWRITEBYTECODE each would compile us anew.
compileall.compile_dir(Path(docherd.__file__).parent, quiet=2)
