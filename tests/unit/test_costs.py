"""Where time, memory and bytes went."""

import json
import random

import pytest

from docherd import costs
from docherd.costs import Outstanding, Rounded
from docherd.view import View

FAILED, SKIPPED = 2, 3


@pytest.fixture
def fake(fake_run, tmp_path):
    return fake_run(tmp_path / "out")


def costs_of(fake, outstanding=5):
    with View.open(fake.save()) as view:
        found = view.costs(outstanding)
        return found, {
            name: list(view.measured(getattr(found, name)))
            for name in ("slowest", "most_memory", "largest")
        }


def test_a_run_of_nothing_costs_nothing(fake):
    """No kinds, nothing that stands out."""
    found, rows = costs_of(fake)
    assert found.kinds == ()
    assert rows == {"slowest": [], "most_memory": [], "largest": []}


def test_kinds_add_up_what_was_processed(fake):
    """By content where the processor looked, else by the ending; last attempts only, no skips."""
    first, second, third, fourth = (fake.document(b"%d.pdf" % n, size=1000 + n) for n in range(4))
    fake.outcome(first, seconds=3, peak=5, kind="pdf", records=2)
    fake.outcome(second, FAILED, "memory", seconds=900, peak=900)
    fake.outcome(second, seconds=2, peak=7, records=1)
    fake.outcome(third, FAILED, "crash", seconds=0.5, peak=100)
    fake.outcome(fourth, SKIPPED, "empty")
    fake.outcome(fake.document(b"README"), seconds=0, peak=0)
    found, _ = costs_of(fake)
    pdf, bare = found.kinds
    assert (pdf.name, pdf.documents, pdf.size, pdf.records) == ("pdf", 3, 3003, 3)
    assert (pdf.seconds, pdf.slowest, pdf.peak_memory) == (5.5, 3, 100)
    assert (bare.name, bare.documents, bare.seconds, bare.median) == ("no extension", 1, 0, 0)
    json.dumps([kind.as_json() for kind in found.kinds])


def test_documents_whose_pages_were_counted_are_of_no_kind_of_their_own(fake):
    """A stratum is an ending, a size and perhaps pages: pdf/22/9 is pdf."""
    for n, stratum in enumerate(("pdf/12", "pdf/22/9", "/12")):
        row = fake.document(b"%d" % n)
        fake.ledger.execute("insert or ignore into stratum (name) values (?)", (stratum,))
        fake.ledger.execute(
            "update document set stratum = (select id from stratum where name = ?) where id = ?",
            (stratum, row),
        )
        fake.outcome(row)
    found, _ = costs_of(fake)
    assert [(kind.name, kind.documents) for kind in found.kinds] == [
        ("pdf", 2),
        ("no extension", 1),
    ]


def test_copies_of_others_take_no_part_in_what_a_document_takes(fake):
    """Their Records count; nothing of a second is no measurement."""
    fake.outcome(fake.document(b"a.pdf"), seconds=4, peak=100, records=2)
    for n in range(9):
        copy = fake.document(b"%d.pdf" % n)
        fake.outcome(copy, seconds=0, peak=0, records=2, attempt=0, message="copy of docs/a.pdf")
    fake.outcome(fake.document(b"b.pdf"), FAILED, "input_missing", seconds=0, attempt=0)
    (kind,) = costs_of(fake)[0].kinds
    assert (kind.documents, kind.records, kind.copies) == (11, 20, 9)
    assert kind.seconds_spread.high == pytest.approx(4, rel=0.04)


def test_endings_that_never_come_again_are_put_together(fake, monkeypatch):
    """A million files with a million endings are no million kinds."""
    monkeypatch.setattr(costs, "KINDS", 3)
    for n in range(50):
        fake.outcome(fake.document(b"a.x%d" % n), seconds=1)
    found, _ = costs_of(fake)
    assert sorted((kind.name, kind.documents) for kind in found.kinds) == [
        ("other kinds", 47), ("x0", 1), ("x1", 1), ("x2", 1),
    ]  # fmt: skip


def test_what_stands_out_is_listed_worst_first(fake):
    """Slowest, largest and most memory, by the attempt that counts."""
    rows = [fake.document(b"%d.pdf" % n, size=1000 * (n + 1)) for n in range(4)]
    fake.outcome(rows[0], seconds=3, peak=5)
    fake.outcome(rows[1], FAILED, "memory", seconds=900, peak=900)
    fake.outcome(rows[1], seconds=2, peak=7)
    fake.outcome(rows[2], FAILED, "crash", seconds=3, peak=100)
    fake.outcome(rows[3], SKIPPED, "empty", seconds=0, peak=0)
    _, found = costs_of(fake, 2)
    assert [row.path for row in found["slowest"]] == ["docs/0.pdf", "docs/2.pdf"]
    assert [row.peak_memory for row in found["most_memory"]] == [100, 7]
    assert [row.size for row in found["largest"]] == [3000, 2000]
    json.dumps(found["slowest"][1].as_json())


@pytest.mark.parametrize("spread", [0.0, 0.3, 3.0])
def test_quantiles_are_within_four_percent_of_those_of_all_values(spread):
    """Counts of rounded values tell what the values themselves would."""
    drawn = random.Random(7)
    values = [drawn.lognormvariate(-5, spread) for _ in range(2001)]
    rounded = Rounded()
    for value in values:
        rounded.add(value)
    found, values = rounded.spread(), sorted(values)
    assert found.most == values[-1]
    exact = [values[round(share * 2000)] for share in (0.05, 0.25, 0.5, 0.75, 0.95)]
    got = [found.low, found.lower, found.median, found.upper, found.high]
    assert got == pytest.approx(exact, rel=0.04)
    assert rounded.sum == pytest.approx(sum(values))


def test_what_took_no_time_counts_as_nothing():
    """Half of nothing is nothing, whatever a clock that went back made of it."""
    rounded = Rounded()
    for value in (0.0, -3.0, 0, 8.0):
        rounded.add(value)
    assert rounded.spread().median == 0.0
    assert rounded.spread().high == pytest.approx(8.0, rel=0.04)
    assert rounded.spread().most == 8.0
    assert Rounded().spread().most == 0.0


def test_outstanding_keeps_what_a_sort_would():
    """As many as were asked for, and none where none were."""
    drawn = random.Random(3)
    values = [drawn.randrange(50) for _ in range(500)]
    best = Outstanding(10)
    for row, value in enumerate(values):
        if value > best.least:
            best.take(value, row)
    wanted = sorted(range(500), key=lambda row: (-values[row], row))[:10]
    assert list(best.rows()) == wanted
    assert Outstanding(0).least > 1e9
