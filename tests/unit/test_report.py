"""report.html for people, report.json and failures.jsonl for machines."""

import base64
import hashlib
import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from selectolax.lexbor import LexborHTMLParser

from docherd import advice, report, wording
from docherd.exceptions import EnvironmentFault, UsageError
from docherd.folder import Folder
from docherd.model import Counts, Reason
from docherd.remembered import Sample
from docherd.report import chart
from docherd.view import View

FAILED, SKIPPED = 2, 3

HOSTILE = (
    b"<img src=x onerror=alert(1)>.pdf",
    b"\"><script>alert(1)</script><a href='http://evil.example'>.pdf",
    b"a\x1b]0;pwn\x07.pdf",
    b"line\nbreak.pdf",
    b"bad\xff\xfe.pdf",
    "\u202egpj.pdf".encode(),
    b"{{ 7 * 7 }}{% raw %}.pdf",
    b"--></style></title><svg onload=alert(1)>.pdf",
    b"x" * 250 + b".pdf",
    b"d/" * 2000 + b".pdf",
)

#: every element and attribute that a report may hold
ELEMENTS = {
    "-undef", "html", "head", "meta", "title", "style", "body", "header", "footer", "section",
    "h1", "h2", "h3", "p", "div", "span", "dl", "dt", "dd", "i", "b", "bdi", "small", "br",
    "details", "summary", "ul", "ol", "li", "code", "pre", "table", "thead", "tbody", "tr", "th",
    "td", "svg", "line", "text", "polygon", "polyline", "rect", "circle",
}  # fmt: skip
ATTRIBUTES = {
    "lang", "charset", "http-equiv", "content", "name", "class", "role", "aria-label", "open",
    "aria-hidden", "scope", "viewBox", "x", "x1", "x2", "y", "y1", "y2", "points", "width",
    "height", "rx", "cx", "cy", "r",
}  # fmt: skip


@pytest.fixture
def out(fake_run, tmp_path):
    """A run of 100 done Documents and of every hostile name, message and detail."""
    fake = fake_run(
        tmp_path / "o'ut <b>$(x)",
        processor="<script>alert(2)</script>.py:f",
        roots=((b"docs", b"/in/docs<u>\xff"),),
    )
    for n in range(100):
        fake.outcome(fake.document(b"%d.docx" % n, size=10_000 + n), seconds=0.1 * n, records=2)
    for n, name in enumerate(HOSTILE):
        failed, skipped = fake.document(name), fake.document(b"s/" + name)
        hostile = os.fsdecode(name).encode("utf-8", "replace").decode()
        reason = ("error", "timeout", "crash")[n % 3]
        fake.outcome(failed, FAILED, reason, message=hostile, detail=hostile * 3, kind="<b>pdf</b>")
        fake.outcome(skipped, SKIPPED, "empty", message=hostile)
    fake.document(b"pending.pdf")
    fake.start(seconds=95, state="interrupted")
    fake.start()
    return fake.save()


def page_of(out):
    report.write(out)
    return LexborHTMLParser((out / "report.html").read_text("utf-8"))


def summary_of(out):
    report.write(out)
    return json.loads((out / "report.json").read_text("ascii"))


# ── for machines ─────────────────────────────────────────────────────────────────────────────


def test_report_json_counts_what_the_ledger_counts(out):
    """The accounting of the report is that of the run, and adds up."""
    summary = summary_of(out)
    with View.open(out) as view:
        assert summary["counts"] == view.counts().as_json()
        assert summary["reasons"] == {str(r): n for r, n in view.reasons().items()}
    counts = summary["counts"]
    assert counts["discovered"] == sum(n for key, n in counts.items() if key != "discovered")
    assert sum(group["count"] for group in summary["failures"].values()) == counts["failed"]
    assert sum(group["count"] for group in summary["skipped"].values()) == counts["skipped"]


def test_report_json_has_the_keys_others_build_on(out):
    """The summary's shape is stable."""
    summary = summary_of(out)
    assert set(summary) >= {
        "run", "docherd", "state", "inputs", "processor", "counts", "reasons", "seconds", "rate",
        "memory", "records", "bytes_read", "bytes_written", "kinds", "slowest", "largest",
        "most_memory", "failures", "skipped", "starts", "environment",
    }  # fmt: skip
    assert summary["state"] == "finished"
    assert summary["seconds"] == 347.0
    assert summary["memory"] == {"budget": 8_000_000_000, "peak": 4_100_000_000}
    assert summary["records"] == 200
    assert set(summary["environment"]) >= {"python", "platform", "cpus"}
    assert len(summary["starts"]) == 2
    assert summary["slowest"][0]["path"] == "docs/99.docx"
    example = summary["failures"]["error"]["examples"][0]
    assert example["reproduce"].startswith("docherd try $'/in/docs<u>\\xff/<img")


def test_failures_jsonl_holds_every_failure_and_no_skip(out):
    """One line a failure, whole, in the shape of ``failures --json``."""
    report.write(out)
    lines = (out / "failures.jsonl").read_text("ascii").splitlines()
    with View.open(out) as view:
        assert [json.loads(line) for line in lines] == [
            json.loads(json.dumps(failure.as_json())) for failure in view.failures()
        ]
    assert len(lines) == len(HOSTILE)


def test_a_run_without_documents_has_a_report_too(fake_run, tmp_path):
    """Nothing found, nothing drawn, nothing divided by zero."""
    out = fake_run(tmp_path / "out").save()
    assert summary_of(out)["counts"]["discovered"] == 0
    page = page_of(out)
    assert page.css_first("h1").text() == "Interrupted before a document was found."
    assert not page.css("svg")


@pytest.mark.parametrize("began", [-(10**17), -1, 0, 10**17])
def test_a_clock_that_was_far_off_is_no_error(fake_run, tmp_path, began):
    """A start before the epoch, or in three billion years, is still a start."""
    fake = fake_run(tmp_path / "out")
    fake.outcome(fake.document(b"1.pdf"), seconds=-3)
    fake.start(state="running")
    fake.ledger.execute("update start set began = ?, ended = -began", (began,))
    starts = page_of(fake.save()).css("section:last-of-type td")
    assert re.fullmatch(r"unknown|\d{4}-\d\d-\d\d \d\d:\d\d", starts[0].text())
    assert starts[2].text() == "interrupted"


# ── for people ───────────────────────────────────────────────────────────────────────────────


def test_the_page_says_in_one_sentence_how_it_ended(out):
    """The headline alone tells a busy person everything."""
    headline = page_of(out).css_first("h1").text()
    assert headline == (
        "100 of 121 documents are done; 10 failed, 10 were skipped and 1 is still to do."
    )


def test_names_messages_and_details_are_inert(out):
    """No name, message, detail, kind or processor makes an element, attribute or address."""
    page = page_of(out)
    for node in page.root.traverse(include_text=False):
        assert node.tag in ELEMENTS
        assert set(node.attributes) <= ATTRIBUTES
        for value in node.attributes.values():
            assert not re.search(r"https?:|javascript:|url\(", value or "")
    assert "url(" not in page.css_first("style").text()
    assert "@import" not in page.css_first("style").text()
    shown = page.body.text()
    for text in (
        "<img src=x onerror=alert(1)>",
        "\\x1b]0;pwn\\x07",
        "line\\nbreak",
        "\\u202egpj",
        "bad\\xff\\xfe",
        "{{ 7 * 7 }}{% raw %}",
        "<script>alert(2)</script>.py:f",
    ):
        assert text in shown
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", shown)


def test_names_are_isolated_from_the_text_around_them(out):
    """A right-to-left name does not reorder the numbers beside it."""
    page = page_of(out)
    names = [node.text() for node in page.css("bdi")]
    assert any("\\u202egpj" in name for name in names)
    assert any("<img" in name for name in names)
    for node in page.css("li, td, p"):
        own = node.text(deep=False)
        assert "onerror" not in own
        assert "pwn" not in own


def test_the_page_may_load_and_run_nothing(out):
    """The policy forbids everything but our own style, and comes before any content."""
    page = page_of(out)
    policy = page.css_first("meta[http-equiv]").attributes
    assert policy["http-equiv"] == "Content-Security-Policy"
    style = page.css_first("style").text()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy["content"] == (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'"
    )
    assert not page.css("script, img, link, a, iframe, object, form, base")


def test_failures_that_say_the_same_are_counted_together(fake_run, tmp_path):
    """A million failures make no larger page, and the rest is one command away."""
    fake = fake_run(tmp_path / "out")
    for n in range(70):
        fake.outcome(fake.document(b"%d.pdf" % n), FAILED, "error", message=f"boom at {n}")
    for n in range(30):
        fake.outcome(fake.document(b"%d.txt" % n), FAILED, "error", message="v" * (n + 1))
    page = page_of(fake.save())
    first, *others = [each.text() for each in page.css(".message")]
    assert first == "boom at 0 70 like it"
    assert others == [*("v" * n for n in range(1, 6)), "25 with other messages"]
    commands = [code.text() for code in page.css("details code")]
    assert commands[0] == f"docherd retry {fake.folder} --reason error"
    assert commands[1] == "docherd try /in/docs/0.pdf"
    assert commands[-1] == f"docherd failures {fake.folder} --reason error"
    assert len(commands) == 2 + 3 + 5


def test_the_page_stays_small_with_the_longest_names(fake_run, tmp_path):
    """Paths of 4,000 bytes that double when escaped, in every list: below 1 MB."""
    fake = fake_run(tmp_path / "out")
    reasons = [reason for reason in Reason if not reason.skips]
    for n in range(24 * len(reasons)):
        name = b"%d" % n + b"\x1b<'" * 1300 + b".x%d" % n
        told = "'" * (n // len(reasons) % 8) + "\x1b&" * 3000
        fake.outcome(
            fake.document(name), FAILED, str(reasons[n % len(reasons)]), message=told,
            detail=f"{'<' * 200}\n" * 30, kind="\x1b" * 1000 + str(n),
        )  # fmt: skip
    report.write(fake.save())
    assert (fake.folder / "report.html").stat().st_size < 1_000_000


@pytest.mark.parametrize(
    ("headline", "counts"),
    [
        ("The one document is done", (1, 1)),
        ("The one document was skipped", (1, 0, 0, 1)),
        ("All 5,000 documents are done", (5000, 5000)),
        ("All 3,000 documents failed", (3000, 0, 3000)),
        ("None of 2 documents is done; 1 failed and 1 is still to do", (2, 0, 1)),
        ("1 of 2 documents is done; 1 is still to do", (2, 1)),
        (
            "9 of 15 documents are done; 1 failed, 2 were skipped and 3 are still to do",
            (15, 9, 1, 2),
        ),
        ("No documents were found", ()),
    ],
)
def test_the_headline_is_good_english_for_any_numbers(headline, counts):
    """None, one, all, and a bit of everything."""
    assert wording.headline("finished", Counts(*counts)) == headline


HALF = "1 of 2 documents is done; 1 is still to do."


@pytest.mark.parametrize(
    ("state", "held", "headline", "command"),
    [
        (
            "interrupted",
            False,
            "Interrupted: 1 of 2 documents is done; 1 is still to do.",
            "resume",
        ),
        ("running", False, f"Interrupted: {HALF}", "resume"),
        ("running", True, f"Still running: {HALF}", "report"),
    ],
)
def test_a_run_that_is_not_at_its_end_says_so_first(
    fake_run, tmp_path, state, held, headline, command
):
    """Also one that was killed and could not write down that it ended."""
    fake = fake_run(tmp_path / "out")
    fake.outcome(fake.document(b"1.pdf"))
    fake.document(b"2.pdf")
    fake.start(state=state)
    fake.save()
    other = Folder(fake.folder)
    if held:
        other.hold()
    page = page_of(fake.folder)
    if held:
        other.release()
    assert page.css_first("h1").text() == headline
    assert page.css_first(".note code").text() == f"docherd {command} {fake.folder}"


def test_a_path_too_long_to_copy_is_named_by_its_id(out):
    """Where the command would fill a screen, the Document's 16 letters do."""
    commands = [code.text() for code in page_of(out).css("code")]
    long = [command for command in commands if command.startswith("docherd show")]
    assert len(long) == 1
    assert max(map(len, commands)) <= 500


# ── files ────────────────────────────────────────────────────────────────────────────────────


def test_reports_replace_earlier_ones_and_leave_nothing_else(out):
    """Writing again leaves the three files, whole, and no temporary one."""
    report.write(out)
    before = sorted(path.name for path in out.iterdir())
    report.write(out)
    assert sorted(path.name for path in out.iterdir()) == before
    assert {"report.json", "report.html", "failures.jsonl"} <= set(before)


def test_a_failed_write_leaves_the_earlier_report(out, monkeypatch):
    """A full disk costs the new report, not the old one, and exits 3."""
    report.write(out)
    machines = out / "report.json"
    before = machines.read_bytes()

    def full(fd):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(EnvironmentFault, match=r"cannot be written \(No space left on device\)"):
        report.write(out)
    assert machines.read_bytes() == before
    assert not [path for path in out.iterdir() if path.name.startswith(".")]


def test_no_run_no_report(tmp_path):
    """A folder without a run is told so, and nothing is written into it."""
    with pytest.raises(UsageError):
        report.write(tmp_path)
    assert list(tmp_path.iterdir()) == []


# ── charts ───────────────────────────────────────────────────────────────────────────────────


def test_the_timeline_keeps_every_document():
    """Documents a step, times the length of a step, add up to what was finished."""
    samples = [Sample(1, t, 7 * t, 0, 100) for t in range(1, 101)]
    samples += [Sample(2, t * 0.7, 3 * t, 0, 50) for t in range(1, 300)]
    line = chart.timeline(lambda: iter(samples))
    assert sum(line.rates) * line.seconds == pytest.approx(700 + 897)
    assert line.resumed == (100,)
    assert max(line.memory) == 100
    assert len(line.rates) == len(line.memory) == 48


def test_a_count_that_goes_back_is_no_negative_rate():
    """A rate is never below nothing, and every step has one."""
    samples = [Sample(1, t, done, 0, 5) for t, done in enumerate((1, 9, 4, 4, 12), 1)]
    line = chart.timeline(lambda: iter(samples))
    assert min(line.rates) == 0
    assert "-" not in re.sub(r"[a-z]-[a-z]", "", chart.throughput(line))


@pytest.mark.parametrize(("starts", "marks"), [(1, 0), (2, 1), (25, 24), (26, 0), (3000, 0)])
def test_many_starts_are_no_fence(starts, marks):
    """Beginnings are marked while they can be told apart."""
    samples = [Sample(epoch, t, t, 0, 5) for epoch in range(starts) for t in (1, 2)]
    line = chart.timeline(lambda: iter(samples))
    assert len(line.resumed) == starts - 1
    assert chart.throughput(line).count('class="resumed"') == marks


@pytest.mark.parametrize("samples", [[], [Sample(1, 1.0, 1, 1, 1)], [Sample(1, 0.0, 0, 0, 0)] * 3])
def test_too_few_samples_are_not_drawn(samples):
    """A run of a second has no chart, and no division by zero."""
    assert chart.timeline(lambda: iter(samples)) is None


@pytest.mark.parametrize("rate", [0.0, 0.0001, 0.02, 3.0, 250_000.0])
@pytest.mark.parametrize("seconds", [0.5, 50, 5_000, 50_000, 5_000_000])
def test_charts_have_few_ticks_and_units_at_any_scale(rate, seconds):
    """From half a second to two months, from nothing to 250,000 documents a second."""
    line = chart.Timeline(seconds / 10, (rate,) * 10, (10**9,) * 10, ())
    drawn = chart.throughput(line)
    ticks = re.findall(r"<text[^>]*>([^<]*)</text>", drawn)
    assert ticks[0].startswith("documents/")
    assert 4 <= len(ticks) <= 16
    assert re.search(r"\d (s|min|h|d)<", drawn)
    assert "nan" not in drawn
    assert "inf" not in drawn
    assert "budget 8 GB" in chart.memory(line, 8 * 10**9)


# ── what to do now ───────────────────────────────────────────────────────────────────────────


def test_reading_commands_survive_any_folder_name(tmp_path):
    """jq's line, run by bash in a folder with a hostile name, reads the Records."""
    folder = tmp_path / "o'ut $(x) \"<b>\n"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "part-000001.jsonl").write_text('{"path": "a"}\n')
    jq, pandas, duckdb = advice.reading(folder)
    shown = subprocess.run(
        ["bash", "-c", jq.command.replace("jq -c '{path, text}'", "cat")],
        capture_output=True, check=True, timeout=20,
    )  # fmt: skip
    assert shown.stdout == b'{"path": "a"}\n'
    compile(pandas.command, "pandas", "exec")
    assert all("\n" not in hint.command for hint in (jq, pandas, duckdb))


def test_reading_commands_fit_the_format(tmp_path):
    """Parquet parts are not read as JSON lines."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "part-000001.parquet").touch()
    assert all("jsonl" not in hint.command for hint in advice.reading(tmp_path))
    assert advice.reading(tmp_path / "none")[0].command.endswith("/data/*.jsonl | head")


def test_next_steps_name_a_command_for_pending_and_for_each_reason():
    """Everything that may still become done has its command; skips have none."""
    steps = advice.next_steps(
        Path("/out dir"),
        Counts(discovered=9, done=3, failed=3, skipped=1),
        {Reason.TIMEOUT: 2, Reason.ERROR: 1, Reason.EMPTY: 1},
    )
    assert [step.command for step in steps] == [
        "docherd resume '/out dir'",
        "docherd retry '/out dir' --reason timeout",
        "docherd retry '/out dir' --reason error",
    ]
    assert steps[0].what.startswith("2 are still to do")
