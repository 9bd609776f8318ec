"""For every test."""

import signal

# Under nohup it is ignored, here and in all that is started from here; tests send it.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
