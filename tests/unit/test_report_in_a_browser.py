"""report.html as a browser shows it: inert, quiet, within its width, readable, whole on paper."""

import base64
import os

import pytest

import chromium
from docherd import report

pytestmark = pytest.mark.skipif(not chromium.found(), reason="needs chromium: make apt installs it")

FAILED, SKIPPED = 2, 3
HOSTILE = (
    b"<img src=x onerror=alert(1)>.pdf",
    b"\"><script>alert(1)</script><a href='http://evil.example'>.pdf",
    b"a\x1b]0;pwn\x07.pdf",
    "\u202egpj.pdf".encode(),
    b"--></style></title><svg onload=alert(1)>.pdf",
    b"</pre></code><iframe src=http://evil.example>.<style>*{display:none}",
    b"x" * 250 + b".pdf",
    b"d/" * 300 + b".pdf",
)

#: texts whose contrast with what lies behind them is below what WCAG AA asks for
FAINT = """
(() => {
  const rgba = text => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b]
    .map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, at) => sum + v * [.2126, .7152, .0722][at], 0);
  const behind = node => {
    for (; node; node = node.parentElement) {
      const color = rgba(getComputedStyle(node).backgroundColor);
      if (color.length < 4 || color[3] > 0) return color;
    }
    return [255, 255, 255];
  };
  return [...document.querySelectorAll("body *")]
    .filter(node => [...node.childNodes].some(n => n.nodeType === 3 && n.data.trim()))
    .map(node => {
      const style = getComputedStyle(node);
      const ink = light(rgba(node instanceof SVGElement ? style.fill : style.color));
      const paper = light(behind(node instanceof SVGElement ? node.ownerSVGElement : node));
      const contrast = (Math.max(ink, paper) + .05) / (Math.min(ink, paper) + .05);
      return [contrast, node.outerHTML.slice(0, 80)];
    })
    .filter(([contrast]) => contrast < 4.5);
})()
"""
#: what reaches beyond the right edge of the window; names beside box plots end in "..."
WIDE = """
[...document.querySelectorAll("body *")]
  .filter(node => node.getBoundingClientRect().right > innerWidth + .5)
  .filter(node => !node.closest(".boxes th"))
  .map(node => node.outerHTML.slice(0, 120))
"""
OPENED = "document.querySelectorAll('details').forEach(each => { each.open = true })"


@pytest.fixture
def out(fake_run, tmp_path):
    """A run of many kinds and starts, with hostile names, messages, details and a processor."""
    fake = fake_run(tmp_path / "out", processor="<script>alert(2)</script>.py:f")
    for n in range(200):
        name = b"%d.%s" % (n, (b"docx", b"pdf", b"eml", b"x" * 200)[n % 4])
        fake.outcome(fake.document(name, size=10_000 + n), seconds=0.01 * n, peak=10**6 * n)
    for n, name in enumerate(HOSTILE):
        text = os.fsdecode(name)
        reason = ("error", "timeout", "crash")[n % 3]
        document = fake.document(name)
        fake.outcome(document, FAILED, reason, message=text, detail=text * 9, kind=text[:60])
        fake.outcome(fake.document(b"s/" + name), SKIPPED, "empty", message=text)
    fake.document(b"pending.pdf")
    for _ in range(3):
        fake.start(state="interrupted")
    report.write(fake.save())
    return fake.folder


def test_the_page_is_inert_quiet_and_readable_everywhere(out):
    """D01, X01, X02, X06: no dialog, no request, no error; no overflow; AA; all of it printed."""
    with chromium.page() as page:
        page.ask("Emulation.setDeviceMetricsOverride", width=400, height=800,
                 deviceScaleFactor=1, mobile=False)  # fmt: skip
        for scheme in ("light", "dark"):
            feature = {"name": "prefers-color-scheme", "value": scheme}
            page.ask("Emulation.setEmulatedMedia", media="", features=[feature])
            page.open(out / "report.html")
            page.evaluate(OPENED)
            assert page.evaluate("document.documentElement.scrollWidth") <= 400, scheme
            assert page.evaluate(WIDE) == [], scheme
            assert page.evaluate(FAINT) == [], scheme
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert paper != "rgb(255, 255, 255)"
        requests = page.told("Network.requestWillBeSent")
        assert [each["request"]["url"] for each in requests] == [(out / "report.html").as_uri()]
        assert not page.told("Page.javascriptDialogOpening")
        assert not page.told("Log.entryAdded")
        assert not page.told("Runtime.exceptionThrown")

        page.ask("Emulation.setEmulatedMedia", media="print", features=[feature])
        page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = false })")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == (
            "rgb(255, 255, 255)"
        )
        assert page.evaluate("document.querySelector('.inside code').checkVisibility()")
        printed = base64.b64decode(page.ask("Page.printToPDF")["data"])
        assert printed.startswith(b"%PDF")
