"""A headless chromium, driven through a pipe in its own DevTools protocol. No network, no port."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
from contextlib import contextmanager
from functools import cache

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe"),
    *("--no-first-run", "--disable-extensions", "--disable-background-networking"),
)


@cache
def found():
    """The program, or None where there is none."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next(filter(None, map(shutil.which, names)), None)


@contextmanager
def page():
    """A Page in a browser of its own."""
    here_in, there_out = os.pipe()
    there_in, here_out = os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        # The protocol is spoken on the descriptors 3 and 4.
        redirected = f'exec "$@" 3<&{there_in} 4>&{there_out}'
        words = [found(), *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        browser = subprocess.Popen(
            ["bash", "-c", redirected, "-", *words],
            pass_fds=(there_in, there_out),
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(there_in)
        os.close(there_out)
        try:
            yield Page(here_in, here_out)
        finally:
            os.killpg(browser.pid, signal.SIGKILL)
            browser.wait()
            os.close(here_in)
            os.close(here_out)


class Page:
    """One tab: what is asked of it, and all that it tells meanwhile."""

    def __init__(self, reading, writing):
        self._reading, self._writing = reading, writing
        self._rest, self._number, self._session = b"", 0, None
        self.events = []
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)[
            "sessionId"
        ]
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.ask(f"{domain}.enable")

    def ask(self, method, **parameters):
        """The answer to a command."""
        self._number += 1
        asked = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            asked["sessionId"] = self._session
        os.write(self._writing, json.dumps(asked).encode() + b"\0")
        while (told := self._next()).get("id") != self._number:
            self.events.append(told)
        assert "error" not in told, told
        return told["result"]

    def _next(self):
        while b"\0" not in self._rest:
            read = os.read(self._reading, 1 << 20)
            assert read, "the browser is gone"
            self._rest += read
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)

    def open(self, file):
        """Until it is loaded."""
        self.events.clear()
        self.ask("Page.navigate", url=file.as_uri())
        self.until("Page.loadEventFired")

    def until(self, method):
        """Wait until something of that kind is told."""
        while not self.told(method):
            self.events.append(self._next())

    def told(self, method):
        """What was told of that kind since the page was opened."""
        return [event["params"] for event in self.events if event.get("method") == method]

    def evaluate(self, script):
        """A value of the page."""
        answer = self.ask("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")
