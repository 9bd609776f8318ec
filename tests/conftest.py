"""For every test."""

import os
import signal

# Under nohup it is ignored, here and in all that is started from here; tests send it.
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# What one test teaches the forecast must not reach the next, nor this user's own cache.
os.environ["XDG_CACHE_HOME"] = "/dev/null/no-cache"
