"""A run folder seen from outside."""

import hashlib
import json
import subprocess

import pytest

from docherd.exceptions import DamageError, UsageError
from docherd.model import Counts, Reason, Status, document_id
from docherd.quoting import shell_quoted
from docherd.readonly import ReadOnly
from docherd.view import View

DONE, FAILED, SKIPPED, GONE = 1, 2, 3, 4

HOSTILE = (
    b"<img src=x onerror=alert(1)>.pdf",
    b"a\x1b]0;pwn\x07.pdf",
    b"line\nbreak.pdf",
    b"bad\xff\xfe.pdf",
    "\u202egpj.pdf".encode(),
    b"it's $(rm -rf) `x`\\.pdf",
    b"-rf.pdf",
    "grün 请假单.pdf".encode(),
)


@pytest.fixture
def run(fake_run, tmp_path):
    """Six Documents: two done, one retried and done, one failed, one skipped, one pending."""
    fake = fake_run(tmp_path / "out")
    rows = [fake.document(b"%d.pdf" % n, size=1000 * (n + 1)) for n in range(6)]
    fake.outcome(rows[0], seconds=3, peak=5, kind="pdf", records=2, part=1, offset=10, length=99)
    fake.outcome(rows[1], seconds=1, peak=50, records=1)
    fake.outcome(rows[2], FAILED, "memory", message="over 1 GB", seconds=9, peak=900)
    fake.outcome(rows[2], seconds=2, peak=7, records=1)
    fake.outcome(rows[3], FAILED, "crash", message="signal 11", detail="Segmentation fault")
    fake.outcome(rows[4], SKIPPED, "empty")
    fake.start(seconds=100, state="interrupted")
    fake.start(seconds=152)
    fake.save()
    return fake


@pytest.fixture
def view(run):
    """The run, seen from outside."""
    with View.open(run.folder) as view:
        yield view


def digest_of(folder):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()}


# ── the whole ────────────────────────────────────────────────────────────────────────────────


def test_counts_add_up(view):
    """Discovered = done + failed + skipped + pending + gone, from the tally alone."""
    assert view.counts() == Counts(discovered=6, done=3, failed=1, skipped=1)
    assert view.counts().pending == 1


def test_reasons_count_what_failed_and_what_was_skipped(view):
    """A reason that a retry overcame is no longer counted."""
    assert view.reasons() == {Reason.CRASH: 1, Reason.EMPTY: 1}


def test_a_run_that_found_nothing_yet_counts_nothing(fake_run, tmp_path):
    """An empty ledger is a run of no Documents, not an error."""
    with View.open(fake_run(tmp_path / "out").save()) as view:
        assert view.counts() == Counts()
        assert view.reasons() == {}
        assert view.starts() == []
        assert view.written() == 0
        assert view.state == "interrupted"


def test_it_knows_what_was_asked_and_how_often_it_was_started(view):
    """run.json and the starts are handed out as values."""
    assert (view.run, view.version, view.processor) == ("7f3a9c", "0.1.0", "extract")
    assert view.inputs[0].folder == b"/in/docs"
    assert [start.state for start in view.starts()] == ["interrupted", "finished"]
    assert view.state == "finished"
    assert [sample.epoch for sample in view.throughput()] == [1] * 40 + [2] * 40


# ── what is not done ─────────────────────────────────────────────────────────────────────────


def test_only_the_last_outcome_of_a_document_counts(view):
    """A failure that a retry replaced is history, not a failure."""
    (failure,) = view.failures()
    assert failure.path == "docs/3.pdf"
    assert failure.document == document_id(b"docs", b"3.pdf")


def test_a_failure_has_the_shape_others_build_on(view):
    """``failures --json`` has exactly the keys of the design, and the detail."""
    (failure,) = view.failures()
    assert json.loads(json.dumps(failure.as_json())) == {
        "document": document_id(b"docs", b"3.pdf"),
        "path": "docs/3.pdf",
        "status": "failed",
        "reason": "crash",
        "message": "signal 11",
        "attempts": 1,
        "seconds": 0.5,
        "peak_memory": 10_000_000,
        "reproduce": "docherd try /in/docs/3.pdf",
        "detail": "Segmentation fault",
    }


def test_skipped_documents_come_when_asked_for(view):
    """Skips are no failures, unless one asks for all or for that reason."""
    assert [f.status for f in view.failures(include_skipped=True)] == [
        Status.FAILED,
        Status.SKIPPED,
    ]
    assert [f.path for f in view.failures(Reason.EMPTY)] == ["docs/4.pdf"]
    assert list(view.failures(Reason.TIMEOUT)) == []


def test_at_most_so_many_failures_are_read(run):
    """A report of the first few of a million failures reads only those."""
    for n in range(20):
        run.outcome(run.document(b"x%d.pdf" % n), FAILED, "error")
    run.save()
    with View.open(run.folder) as view:
        assert len(list(view.failures(Reason.ERROR, most=5))) == 5
        assert len(list(view.failures())) == 21


def test_failures_are_found_through_the_index_on_what_is_not_done(run, view, monkeypatch):
    """Ten million done Documents are not read to list 37 failures or to show one."""
    asked = []
    rows = ReadOnly.rows

    def spy(self, query, *values):
        asked.append((query, values))
        return rows(self, query, *values)

    monkeypatch.setattr(ReadOnly, "rows", spy)
    list(view.failures(Reason.CRASH, include_skipped=True))
    view.find("docs/2.pdf")
    assert len(asked) == 5
    for query, values in asked:
        plan = run.ledger.execute(f"explain query plan {query}", values).fetchall()
        steps = {row[3] for row in plan} - {"SCAN h", "SCAN history"}  # the history itself
        assert not [step for step in steps if step.startswith("SCAN") or "TEMP B-TREE" in step]


@pytest.mark.parametrize("name", HOSTILE)
def test_the_command_that_reproduces_is_understood_by_bash(name):
    """Whatever bytes a name holds, bash reads the same bytes back, and the line is printable."""
    quoted = shell_quoted(b"/in/" + name)
    assert quoted.isprintable()
    shown = subprocess.run(
        ["bash", "-c", f"printf %s {quoted}"], capture_output=True, check=True, timeout=20
    )
    assert shown.stdout == b"/in/" + name


def test_the_command_names_the_processor_unless_it_is_the_default(fake_run, tmp_path):
    """A user's own function is part of the command."""
    fake = fake_run(tmp_path / "out", processor="my file.py:process")
    fake.outcome(fake.document(b"a b.pdf"), FAILED, "error")
    with View.open(fake.save()) as view:
        (failure,) = view.failures()
    assert failure.reproduce == "docherd try '/in/docs/a b.pdf' -p 'my file.py:process'"


# ── one Document ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("key", ["docs/2.pdf", "/in/docs/2.pdf", document_id(b"docs", b"2.pdf")])
def test_a_document_is_found_by_path_file_and_id(view, key):
    """All three names that users see lead to the Document."""
    entry = view.find(key)
    assert (entry.path, entry.file, entry.size) == ("docs/2.pdf", b"/in/docs/2.pdf", 3000)


def test_a_document_knows_its_history(view):
    """All attempts are kept, oldest first, and the last one says where it stands."""
    entry = view.find("docs/2.pdf")
    assert [(a.attempt, a.status, a.reason) for a in entry.attempts] == [
        (1, Status.FAILED, Reason.MEMORY),
        (2, Status.DONE, None),
    ]
    assert entry.attempts[0].message == "over 1 GB"
    assert (entry.status, entry.reason) == (Status.DONE, None)


def test_a_document_knows_where_its_records_are(view):
    """Part, offset and length lead to the lines."""
    entry = view.find("docs/0.pdf")
    assert (entry.part, entry.offset, entry.length, entry.records) == (1, 10, 99, 2)
    assert entry.kind == "pdf"


def test_a_document_without_an_outcome_is_pending(view):
    """What was not reached yet has no history."""
    entry = view.find("docs/5.pdf")
    assert entry.status is Status.PENDING
    assert entry.attempts == ()
    assert entry.reason is None


@pytest.mark.parametrize("key", ["", "nothing", "docs/", "aaaaaaaaaaaaaaaa", "!" * 16, "é" * 16])
def test_an_unknown_document_is_not_found(view, key):
    """A wrong key is answered with None, whatever it looks like."""
    assert view.find(key) is None


@pytest.mark.parametrize("name", HOSTILE)
def test_a_document_is_found_by_the_path_as_it_was_printed(fake_run, tmp_path, name):
    """A path copied from the terminal or from Records leads back to the bytes."""
    fake = fake_run(tmp_path / "out", roots=((b"docs", b"/in/docs"), (b"", b"/")))
    fake.document(name)
    fake.document(b"srv/" + name, root=1)
    with View.open(fake.save()) as view:
        first = view.find(document_id(b"docs", name))
        assert first.file == b"/in/docs/" + name
        assert view.find(first.path).file == first.file
        second = view.find(document_id(b"", b"srv/" + name))
        assert second.path.startswith("/srv/")
        assert view.find(second.path).file == b"/srv/" + name


# ── reading only ─────────────────────────────────────────────────────────────────────────────


def test_a_view_writes_nothing(run):
    """Reading everything leaves every byte of the folder as it was."""
    run.ledger.close()
    before = digest_of(run.folder)
    with View.open(run.folder) as view:
        view.freeze()
        list(view.failures(include_skipped=True))
        view.costs(5), view.find("docs/0.pdf"), list(view.throughput())
    assert digest_of(run.folder) == before


@pytest.mark.parametrize("statement", ["delete from outcome", "create table x (y)", "vacuum"])
def test_a_view_cannot_write(run, statement):
    """The connection itself refuses, not only our good manners."""
    reader = ReadOnly(run.folder / "ledger.db", ())
    with pytest.raises(DamageError, match="readonly"):
        list(reader.rows(statement))
    reader.close()


def test_a_frozen_view_sees_one_moment(run):
    """A report made while the run goes on does not contradict itself."""
    run.ledger.execute("pragma journal_mode = wal")
    with View.open(run.folder) as view:
        view.freeze()
        run.outcome(run.document(b"new.pdf"))
        run.save()
        assert view.counts().discovered == 6
    with View.open(run.folder) as view:
        assert view.counts().discovered == 7


@pytest.mark.parametrize("name", ["a?mode=rwc#x", "100%41", "it's", "b\udcff"])
def test_a_folder_may_be_called_anything(fake_run, tmp_path, name):
    """The folder's name cannot turn into options of the connection."""
    fake = fake_run(tmp_path / name)
    fake.document(b"x.pdf")
    with View.open(fake.save()) as view:
        assert view.counts().discovered == 1


def test_no_run_is_a_usage_error_that_says_what_to_type(tmp_path):
    """A folder without a run is answered with the command that makes one."""
    with pytest.raises(UsageError, match=r"no run here; start one with: docherd run INPUT\.\.\. "):
        View.open(tmp_path)


@pytest.mark.parametrize("content", [b"", b"garbage" * 1000, b"SQLite format 3\0" + b"\xff" * 9000])
def test_a_ledger_that_is_none_is_damage(run, content):
    """What is not a ledger, or an empty one, is exit 4 and names the next command."""
    run.ledger.close()
    (run.folder / "ledger.db").write_bytes(content)
    with pytest.raises(DamageError, match="nothing was changed"):
        View.open(run.folder)


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"run": 1, "docherd": 2}'])
def test_a_run_json_that_is_none_is_damage(run, content):
    """run.json without what it must pin is exit 4, not a traceback."""
    (run.folder / "run.json").write_bytes(content)
    with pytest.raises(DamageError, match=r"run\.json: cannot be read"):
        View.open(run.folder)


def test_a_reason_from_a_newer_version_is_damage(run):
    """An unknown word is not guessed at."""
    run.ledger.execute("insert into tally values (2, 'cosmic_ray', 1)")
    run.ledger.commit()
    with View.open(run.folder) as view, pytest.raises(DamageError, match="cosmic_ray"):
        view.reasons()


def test_text_that_is_not_unicode_is_shown_escaped(run):
    """A ledger written by hostile hands does not break its reader."""
    run.ledger.execute("update outcome set message = cast(x'ff41' as text) where status = 2")
    run.ledger.commit()
    with View.open(run.folder) as view:
        assert [failure.message for failure in view.failures()] == ["\\xffA"]
