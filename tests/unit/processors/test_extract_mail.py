"""Mails of many kinds: one file of many (mbox), saved pages (mhtml), mails within mails."""

import pytest

from docherd.exceptions import CorruptError
from docherd.processors.extract import Extract
from docherd.processors.readers import mbox

ENVELOPE = b"From a@example.org Mon Jun 01 10:00:00 2009\n"
HEAD = b"From: A <a@example.org>\nTo: b@example.org\nSubject: %s\n"


def mail(subject, text, more=b""):
    return HEAD % subject + more + b"\n" + text + b"\n"


def nested(depth):
    """A multipart in a multipart, and so on."""
    body = b"\ndeep\n"
    for level in range(depth):
        edge = b"b%d" % level
        body = b"Content-Type: multipart/mixed; boundary=%b\n\n--%b\n%b\n--%b--\n" % (
            *(edge, edge, body, edge),
        )
    return HEAD % b"nested" + body


@pytest.fixture
def messages(document):
    """The Records of an mbox, and the pages of their heartbeats."""

    def run(data):
        beats = []
        return list(Extract()(document("a.mbox", data, pages=beats))), beats

    return run


# ── mbox ─────────────────────────────────────────────────────────────────────────────────────


def test_each_mail_of_an_mbox_is_a_record(messages, samples):
    """With its number, the keys of an eml, and a heartbeat."""
    records, beats = messages(
        ENVELOPE + mail(b"one", b"first") + b"\n" + ENVELOPE + samples["a.eml"] + b"\n"
    )
    assert [(each["message"], each["title"]) for each in records] == [
        (1, "one"),
        (2, "Grüße aus Zürich"),
    ]
    assert records[0]["text"] == "first"
    assert records[0]["authors"] == ["A <a@example.org>"]
    assert records[1]["attachments"][0]["kind"] == "pdf"
    assert set(beats) == {1, 2}


def test_lines_like_envelopes_begin_no_mail(messages):
    """Escaped ones come back as they were; prose that begins with From is prose."""
    text = b">From here on\n>>From there\n\nFrom this I learn nothing.\n"
    (record,), _ = messages(ENVELOPE + mail(b"x", text))
    assert record["text"] == "From here on\n>From there\n\nFrom this I learn nothing."


def test_a_missing_blank_line_and_other_line_ends_are_taken(messages):
    """An envelope as it should be is one wherever it stands, and Windows' line ends are fine."""
    records, _ = messages(ENVELOPE + mail(b"1", b"a") + ENVELOPE + mail(b"2", b"b"))
    assert [each["text"] for each in records] == ["a", "b"]
    again, _ = messages((ENVELOPE + mail(b"1", b"a") + b"\n" + ENVELOPE).replace(b"\n", b"\r\n"))
    assert [each["text"] for each in again] == ["a", ""]


def test_a_broken_mail_is_not_the_end_of_the_others(messages):
    """It says what is wrong with it and what its headers say."""
    data = b"\n".join((ENVELOPE + nested(1500), ENVELOPE + mail(b"fine", b"text")))
    (broken, fine), _ = messages(data)
    assert (broken["title"], broken["text"]) == ("nested", "")
    assert "nested too deep" in broken["error"]
    assert (fine["message"], fine["text"]) == (2, "text")


def test_one_mail_is_in_memory_at_a_time(messages, monkeypatch):
    """One without an end is read up to a limit, and the next envelope begins the next."""
    monkeypatch.setattr(mbox, "LARGEST", 10_000)
    endless = ENVELOPE + mail(b"endless", b"line\n" * 10_000)
    (first, second), _ = messages(endless + b"\n" + ENVELOPE + mail(b"next", b"text"))
    assert first["partial"] is True
    assert 9_000 < len(first["text"]) < 10_000
    assert ("partial" in second, second["title"]) == (False, "next")


def test_records_come_before_the_file_was_read(document):
    """The first one is there while the rest has not been looked at."""
    data = (ENVELOPE + mail(b"x", b"text") + b"\n") * 3
    records = Extract()(document("a.mbox", data))
    assert next(records)["message"] == 1
    assert [each["message"] for each in records] == [2, 3]


# ── mails within mails ───────────────────────────────────────────────────────────────────────


def test_a_forwarded_mail_is_listed_and_read(extract):
    """What mail programs show below the text is text; it is an attachment all the same."""
    inner = mail(b"inner", b"the inner text")
    data = mail(b"outer", b"").rstrip() + (
        b"\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nthe outer text\n"
        b"--b\nContent-Type: message/rfc822\n\n" + inner + b"\n--b--\n"
    )
    record = extract("a.eml", data)
    assert record["text"].startswith("the outer text\nFrom: A <a@example.org>")
    assert record["text"].endswith("Subject: inner\nthe inner text")
    assert [each["kind"] for each in record["attachments"]] == ["eml"]


def test_mails_fifty_deep_are_read_up_to_ten(extract):
    """Beyond that they are only weighed."""
    data = mail(b"0", b"the end")
    for level in range(50):
        data = HEAD % (b"%d" % level) + b"Content-Type: message/rfc822\n\n" + data
    text = extract("a.eml", data)["text"]
    assert (text.count("Subject: "), "the end" in text) == (10, False)


@pytest.mark.parametrize("depth", [50, 1500])
def test_parts_nested_without_end_have_a_reason(extract, depth):
    """Fifty are read; by the thousand they are corrupt."""
    if depth == 50:
        assert extract("a.eml", nested(depth))["text"] == "deep"
    else:
        with pytest.raises(CorruptError, match="nested too deep"):
            extract("a.eml", nested(depth))


def test_a_header_without_end_is_kept_as_it_is(extract):
    """A million folded lines of encoded words are not decoded, and the mail is read."""
    subject = b"x\n" + b" =?utf-8?q?a?=\n" * 100_000
    record = extract("a.eml", b"From: a\nTo: b\nSubject: " + subject + b"\nText")
    assert (record["text"], record["subject"][:12]) == ("Text", "x =?utf-8?q?")


# ── saved pages ──────────────────────────────────────────────────────────────────────────────

PAGE = (
    b"From: <Saved by Blink>\nSnapshot-Content-Location: https://example.org/page\n"
    b"Subject: Saved\nDate: Fri, 27 Nov 2026 10:00:00 +0100\nMIME-Version: 1.0\n"
    b'Content-Type: multipart/related; boundary=b; start="<main>"\n\n'
    b"--b\nContent-Type: text/html\nContent-ID: <frame>\n\n<p>a frame</p>\n"
    b"--b\nContent-Type: text/html; charset=iso-8859-2\nContent-ID: <main>\n"
    b"Content-Transfer-Encoding: quoted-printable\n\n"
    b"<html lang=3Dpl><title>T</title><p>g=EA=B6</p></html>\n"
    b"--b\nContent-Type: image/png\n\nxx\n--b--\n"
)


def test_a_saved_page_is_its_main_part(extract):
    """Read like any page, in the encoding that its envelope states."""
    record = extract("a.mht", PAGE)
    assert (record["kind"], record["title"], record["text"]) == ("mhtml", "T", "gęś")
    assert (record["language"], record["encoding"]) == ("pl", "iso8859-2")
    assert record["url"] == "https://example.org/page"
    assert record["created"] == "2026-11-27T10:00:00+01:00"


def test_a_saved_page_without_a_page_is_corrupt(extract):
    """There is nothing to read in it."""
    with pytest.raises(CorruptError, match="without a page"):
        extract("a.mht", PAGE.replace(b"text/html", b"image/gif"))
