"""The documentation as a site: built from the pages and the code, clicked through in a browser."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import chromium
from docherd import arguments, config
from docherd.model import Reason
from docherd.processors import extract

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Strict: a broken link or a missing page is an error."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", folder],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


def text(site, name):
    """A page as people read it."""
    source = (site / f"{name}.html").read_text("utf-8")
    return " ".join(re.sub(r"<[^>]*>", "", source).split())


def test_the_reference_is_what_the_code_says(site):
    """Every command, option and reason, every public name."""
    shown = text(site, "cli")
    for name, each in arguments.build()[1].choices.items():
        assert f"usage: docherd {name}" in shown
        for option in each._option_string_actions:
            assert option in shown
    for _, flag in config.flags():
        assert " ".join(flag.help.replace("%%", "%").split())[:40] in shown
    for reason in Reason:
        assert str(reason) in shown
    python = text(site, "python")
    for name in ("run", "process", "open", "Document", "EncryptedError", "PolicyStop"):
        assert name in python


def test_every_kind_that_is_read_is_described(site):
    """With the keys that only it has."""
    shown = text(site, "records")
    kinds = set(extract.READERS)
    assert {kind for kind in kinds if not re.search(rf"\b{re.escape(kind)}\b", shown)} == set()


@pytest.mark.skipif(not chromium.found(), reason="needs chromium: make apt installs it")
def test_a_reader_clicks_through_it(site):
    """Every page by its link; nothing is asked of the network, nothing is wider than a phone."""
    with chromium.page() as page:
        page.ask(
            "Emulation.setDeviceMetricsOverride",
            width=400,
            height=800,
            deviceScaleFactor=1,
            mobile=False,
        )
        page.open(site / "index.html")
        links = "[...document.querySelectorAll('.md-nav--primary a.md-nav__link')]"
        targets = {
            url.partition("#")[0] for url in page.evaluate(f"{links}.map(each => each.href)")
        }
        for target in targets:
            page.events.clear()
            page.evaluate(f"{links}.find(each => each.href === {json.dumps(target)}).click()")
            page.until("Page.loadEventFired")
            assert page.evaluate("location.href").partition("#")[0] == target
            assert page.evaluate("document.querySelector('h1').innerText.trim()")
            assert page.evaluate("document.documentElement.scrollWidth") <= 400, target
            asked = {each["request"]["url"] for each in page.told("Network.requestWillBeSent")}
            outside = [url for url in asked if not url.startswith(("file:", "data:", "blob:"))]
            assert outside == []
            assert not page.told("Runtime.exceptionThrown")
        assert len(targets) > 12
