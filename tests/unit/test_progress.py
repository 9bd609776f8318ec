"""What is shown while a run goes on."""

import io
import json
import re
from dataclasses import replace

import pytest
from rich.console import Console

from docherd import live
from docherd.model import (
    Busy,
    Counts,
    Eta,
    Outcome,
    Reason,
    Root,
    Snapshot,
    Status,
    Task,
    document_id,
)
from docherd.progress import Outlet, Plain, Silent, choose, plain_line, status

HOSTILE = "a/\x1b]0;pwn\x07[red]\u202egpj\n.pdf"

SNAPSHOT = Snapshot(
    run="7f3a",
    state="running",
    counts=Counts(discovered=50_000, done=12_316, failed=12, skipped=17),
    reasons={Reason.TIMEOUT: 10, Reason.CRASH: 2, Reason.EMPTY: 17},
    seconds=65.0,
    finished=12_345,
    rate=189.4,
    eta=Eta(180.0, 120.0, 300.0),
    workers=2,
    busy=(Busy("a/b.pdf", 1.5, 310_000_000, 12), Busy(HOSTILE, 0.2, 10_000_000)),
    memory=3_200_000_000,
    memory_peak=4_100_000_000,
    memory_budget=8_000_000_000,
)


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    encoding = "utf-8"

    def isatty(self):
        return True


class Broken(io.StringIO):
    """A pipe whose reader has gone (run | head -1)."""

    writes = 0

    def write(self, text):
        self.writes += 1
        raise BrokenPipeError


def outcome(state=Status.FAILED, reason=Reason.CRASH, message="signal 11"):
    task = Task(1, Root(b"a", b"/in"), HOSTILE[2:].encode(), 10, "pdf/4")
    return Outcome(task, state, reason, 0.5, 1000, message=message)


def at(seconds, **changes):
    return replace(SNAPSHOT, seconds=seconds, **changes)


# ── the shape ────────────────────────────────────────────────────────────────────────────────


def test_status_has_the_keys_others_build_on():
    """The shape of status.json is the one in the design, and is JSON."""
    shape = json.loads(json.dumps(status(SNAPSHOT)))
    assert shape["run"] == "7f3a"
    assert shape["state"] == "running"
    assert shape["counts"] == {
        "discovered": 50_000,
        "done": 12_316,
        "failed": 12,
        "skipped": 17,
        "pending": 37_655,
        "gone": 0,
    }
    assert shape["reasons"] == {"timeout": 10, "crash": 2, "empty": 17}
    assert shape["seconds"] == 65.0
    assert shape["eta"] == {"seconds": 180, "low": 120, "high": 300}
    assert (shape["memory"]["budget"], shape["memory"]["peak"]) == (8_000_000_000, 4_100_000_000)
    assert shape["workers"][0] == {
        "path": "a/b.pdf",
        "seconds": 1.5,
        "memory": 310_000_000,
        "page": 12,
        "pages": None,
    }


def test_whole_seconds_of_a_band_hold_what_it_holds():
    """Nothing that was meant to lie within it lies outside for being rounded."""
    shape = status(replace(SNAPSHOT, eta=Eta(2.4, 1.9, 2.6)))
    assert shape["eta"] == {"seconds": 2, "low": 1, "high": 3}


def test_status_without_a_forecast_has_a_null_eta():
    """Before anything is known, the ETA is null and not a number."""
    assert status(replace(SNAPSHOT, eta=None))["eta"] is None


# ── plain ────────────────────────────────────────────────────────────────────────────────────


def test_a_plain_line_says_how_far_how_fast_how_long_and_what_failed():
    """Everything a person asks of a running batch is in one line."""
    assert plain_line(SNAPSHOT) == (
        "00:01:05  12,345 of 50,000 documents (24.6 %), 189/s, ETA about 3 min (2-5), "
        "12 failed: 10 timeout, 2 crash, 17 skipped"
    )


def test_while_walking_the_total_is_said_to_grow():
    """A total that may still grow is not shown as if it were the end."""
    assert "of 50,000 documents so far (" in plain_line(replace(SNAPSHOT, walking=True))


def test_many_reasons_are_summed_after_the_third():
    """A line stays a line, whatever happens to the documents."""
    reasons = {Reason.ERROR: 1, Reason.TIMEOUT: 5, Reason.CRASH: 3, Reason.EXIT: 2, Reason.EMPTY: 9}
    line = plain_line(
        replace(SNAPSHOT, counts=Counts(discovered=20, failed=11, skipped=9), reasons=reasons)
    )
    assert "11 failed: 5 timeout, 3 crash, 2 exit, 1 other, 9 skipped" in line


def test_plain_writes_after_two_seconds_and_then_every_five():
    """Ten updates a second do not make ten lines a second."""
    stream = io.StringIO()
    display = Plain(Outlet(stream))
    for tenth in range(130):
        display.update(at(tenth / 10))
    assert [line[:8] for line in stream.getvalue().splitlines()] == [
        "00:00:02",
        "00:00:07",
        "00:00:12",
    ]


def test_plain_shows_a_notice_at_once_and_once():
    """What Ctrl-C did is said when it is pressed, not up to five seconds later."""
    stream = io.StringIO()
    display = Plain(Outlet(stream))
    display.update(at(0.1, notice="finishing 3 documents"))
    display.update(at(0.2, notice="finishing 3 documents"))
    assert stream.getvalue() == "00:00:00  finishing 3 documents\n"


def test_plain_ends_with_the_verdict():
    """The last line says what became of all documents."""
    stream = io.StringIO()
    counts = Counts(discovered=866, done=812, failed=37, skipped=17)
    Plain(Outlet(stream)).close(at(252, state="finished", counts=counts))
    assert stream.getvalue() == (
        "00:04:12  812 of 866 documents done, 37 failed, 17 skipped, in 4 min 12 s\n"
    )


@pytest.mark.parametrize("kind", ["plain", "live"])
def test_verbose_shows_what_is_not_done_on_one_inert_line(kind):
    """A file name or message can neither move the cursor nor forge a line."""
    stream = io.StringIO()
    display = choose(kind, stream, True)
    display.document(outcome(Status.DONE, None))
    display.document(outcome(message="boom\x1b[2J\nrun finished"))
    shown = "".join(stream.getvalue().split())  # Rich wraps at the width of the terminal
    assert shown.startswith("crash:a/\\x1b]0;pwn\\x07[red]\\u202egpj\\n.pdf:boom\\x1b[2J\\n")
    assert "\x1b" not in stream.getvalue()


def test_a_stream_that_knows_only_ascii_gets_every_name():
    """LANG=C does not end a run with UnicodeEncodeError."""
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    choose("plain", stream, False).message("für €.pdf")
    assert raw.getvalue() == b"f\\xfcr \\u20ac.pdf\n"


# ── json ─────────────────────────────────────────────────────────────────────────────────────


def test_json_writes_one_object_a_line():
    """Every line is JSON by itself, with its event, whatever the names hold."""
    stream = io.StringIO()
    display = choose("json", stream, False)
    display.update(SNAPSHOT)
    display.document(outcome())
    display.document(outcome(Status.DONE, None))
    display.message("careful\nnow")
    display.close(at(66, state="finished"))
    events = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [event["event"] for event in events] == [
        "progress",
        "document",
        "document",
        "message",
        "progress",
    ]
    assert events[0] == {"event": "progress", **status(SNAPSHOT)}
    assert events[1] == {
        "event": "document",
        "document": document_id(b"a", HOSTILE[2:].encode()),
        "path": HOSTILE,
        "status": "failed",
        "reason": "crash",
        "seconds": 0.5,
        "peak_memory": 1000,
    }
    assert events[2]["reason"] is None
    assert events[3]["text"] == "careful\nnow"


def test_json_progress_comes_once_a_second():
    """Machines are not sent ten snapshots a second."""
    stream = io.StringIO()
    display = choose("json", stream, False)
    for tenth in range(30):
        display.update(at(tenth / 10))
    assert len(stream.getvalue().splitlines()) == 3


# ── live ─────────────────────────────────────────────────────────────────────────────────────


def drawn(snapshot, width=80, height=24):
    console = Console(
        width=width, height=height, file=io.StringIO(), force_terminal=True, color_system=None
    )
    console.print(live.picture(snapshot, width, height))
    return console.file.getvalue()


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40), (40, 24), (20, 10), (80, 8)])
@pytest.mark.parametrize("workers", [0, 2, 64])
def test_the_live_display_fits_the_terminal(width, height, workers):
    """No line wraps and no line scrolls away, on any terminal with any number of workers."""
    busy = tuple(Busy(f"{HOSTILE}请假单{n}" * 9, n * 77.7, 10**9, n) for n in range(workers))
    lines = drawn(at(5, busy=busy, notice="finishing " * 9), width, height).splitlines()
    assert len(lines) <= height
    assert max(map(live.cell_len, lines)) <= width


def test_the_live_display_shows_what_matters():
    """Total, rate, ETA with range, failures, memory of the budget, and each worker."""
    text = drawn(SNAPSHOT)
    for part in (
        "12,345 of 50,000 documents (24.6 %)",
        "189/s",
        "ETA about 3 min (2-5)",
        "12 failed: 10 timeout, 2 crash",
        "3.2 GB of 8.0 GB, peak 4.1 GB",
        "a/b.pdf",
        "page 12",
        "310 MB",
    ):
        assert part in text
    assert "a/\\x1b]0;pwn\\x07[red]\\u202egpj\\n.pdf" in text


def test_more_than_sixteen_workers_are_counted():
    """A machine of 64 cores does not fill the screen."""
    text = drawn(at(5, busy=tuple(Busy(f"f{n}", n, 1) for n in range(64))), height=50)
    assert text.count("  f") == 16
    assert "+48 more" in text
    assert "f63 " in text  # the longest at work are those one wants to see


def test_a_live_run_leaves_one_line():
    """On close the display is erased and the verdict remains."""
    stream = Terminal()
    display = choose("live", stream, False)
    display.update(SNAPSHOT)
    display.message("careful")
    display.close(at(70, state="interrupted"))
    assert "Interrupted: 12,316 of 50,000 documents done" in stream.getvalue()
    assert stream.getvalue().endswith("\n")
    assert "\x1b[?25h" in stream.getvalue()  # the cursor is back


def test_drawing_takes_a_hundredth_of_a_core(monkeypatch):
    """After 5 ms of drawing it rests for half a second, whatever the engine shows meanwhile."""
    clock = {"drawn": 0.0, "now": 100.0}

    def picture(*_: object) -> str:
        clock["drawn"] += 0.005
        return "picture"

    monkeypatch.setattr(live.time, "thread_time", lambda: clock["drawn"])
    monkeypatch.setattr(live.time, "monotonic", lambda: clock["now"])
    monkeypatch.setattr(live, "picture", picture)
    display = choose("live", Terminal(), False)
    for _ in range(100):  # ten seconds
        display.update(SNAPSHOT)
        clock["now"] += 0.1
    assert 80 < clock["drawn"] * 1000 <= 100
    display.close(SNAPSHOT)


def test_a_narrower_terminal_takes_back_what_it_wrapped(monkeypatch):
    """Lines of 100 cells are two rows at 60: as many rows more are erased, where it wraps anew."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("XTERM_VERSION", raising=False)
    monkeypatch.setattr(live.time, "thread_time", lambda: 0.0)

    def erased() -> int:
        """Rows that the second picture erased before it was drawn."""
        stream = Terminal()
        monkeypatch.setenv("COLUMNS", "100")
        display = choose("live", stream, False)
        display.update(SNAPSHOT)
        before = len(stream.getvalue())
        display._console.width = 60
        display.update(SNAPSHOT)
        after = stream.getvalue()[before:]
        display.close(SNAPSHOT)
        return after.count("\x1b[1A")

    wrapping = erased()
    monkeypatch.setenv("TERM", "linux")
    assert wrapping - erased() == sum(
        (live.cell_len(line.rstrip("\n")) - 1) // 60
        for line in drawn(SNAPSHOT, 100).splitlines()
        if line
    )


def test_no_color_is_honoured(monkeypatch):
    """NO_COLOR leaves no colour in the live display."""
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    stream = Terminal()
    display = choose("live", stream, False)
    display.update(SNAPSHOT)
    display.close(SNAPSHOT)
    styles = re.findall(r"\x1b\[([\d;]*)m", stream.getvalue())
    colours = {code for style in styles for code in style.split(";") if re.match(r"[349]\d", code)}
    assert not colours


def test_a_path_is_shortened_in_the_middle():
    """Both the folder and the end of a name stay readable."""
    assert live.shortened("abc/defghij.pdf", 9) == "abc/….pdf"
    assert live.shortened("short", 9) == "short"
    assert live.cell_len(live.shortened("请假单" * 9, 10)) <= 10
    assert live.shortened("abcdef", 1) == "a"


# ── which, and when the stream goes away ─────────────────────────────────────────────────────


def test_auto_is_live_only_where_it_can_be_drawn(monkeypatch):
    """A dumb terminal, a file and an old encoding get plain lines."""
    monkeypatch.setenv("TERM", "xterm")
    assert isinstance(choose("auto", Terminal(), False), live.Live)
    assert isinstance(choose("auto", io.StringIO(), False), Plain)
    latin = Terminal()
    latin.encoding = "latin-1"
    assert isinstance(choose("auto", latin, False), Plain)
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(choose("auto", Terminal(), False), Plain)


def test_none_shows_nothing_and_an_unknown_name_is_refused():
    """``none`` is silence; a misspelling names the choices."""
    stream = io.StringIO()
    display = choose("none", stream, True)
    assert isinstance(display, Silent)
    for call in (display.update, display.close):
        call(SNAPSHOT)
    display.document(outcome())
    display.message("x")
    assert stream.getvalue() == ""
    with pytest.raises(ValueError, match="auto, live, plain, json, none"):
        choose("fancy", stream, False)


@pytest.mark.parametrize("kind", ["plain", "json", "live"])
@pytest.mark.parametrize("closed", [True, False])
def test_a_stream_that_goes_away_never_ends_a_run(kind, closed):
    """After ``run | head -1`` the run goes on in silence, and the pipe is not tried again."""
    stream = Broken()
    display = choose(kind, stream, True)
    if closed:
        stream.close()
    for _ in range(3):
        display.update(SNAPSHOT)
        display.document(outcome())
        display.message("careful")
    display.close(SNAPSHOT)
    assert stream.writes <= 1
