"""HTML and mail."""

import pytest

PAGE = """<!DOCTYPE html>
<html lang="de"><head><title> Ein
 Titel </title><meta name="Description" content="Worum es geht"><meta name=author content="Wer">
<style>p { color: red }</style></head>
<body><script>document.write("no")</script>
<h1>Über</h1><p>in<b>mitten</b> der
Zeile<br>darunter</p><template>no</template>
<table><tr><td>a</td><td>b
</td></tr></table><pre>x
  y</pre></body></html>"""


def test_the_text_a_reader_sees(extract):
    """Blocks are lines, cells are tabs, inline tags split no word, scripts and styles are out."""
    record = extract("a.html", PAGE.encode())
    assert record["text"].split("\n") == [
        "Über",
        "inmitten der Zeile",
        "darunter",
        "a\tb",
        "x",
        "y",
    ]


def test_what_surrounds_the_content_can_be_left_out(extract):
    """Navigation, the page's header and footer, asides and cookie banners; not an article's own."""
    record = extract(
        "a.html",
        b"""<html><body class="cookie-consent-given"><div id="cookie-banner">We use cookies</div>
        <header>Site<nav><ul><li>Home<li>Help</ul></nav></header>
        <main><article><header><h1>Title</h1></header><p>Text</p><aside>See also</aside>
        <footer>The author</footer></article></main><div class="footer wide">Imprint</div>""",
    )
    text = record["text"]
    around = [text[start:end] for start, end in record["boilerplate"]]
    assert around == ["We use cookies\nSite\nHome\nHelp\n", "See also\n", "Imprint"]
    for start, end in reversed(record["boilerplate"]):
        text = text[:start] + text[end:]
    assert text == "Title\nText\nThe author\n"


@pytest.mark.parametrize("page", [b"<p>Text", b"<footer>Text</footer>", b"<p>a&#5;&#2;b<p>Text"])
def test_a_page_of_one_sort_has_no_boilerplate(extract, page):
    """Where nothing would be left, nothing is boilerplate; marks of ours in a page do no harm."""
    record = extract("a.html", b"<html>" + page)
    assert record["text"].endswith("Text")
    assert all(
        0 <= start < end <= len(record["text"]) for start, end in record.get("boilerplate", [])
    )


def test_what_is_hidden_is_not_text(extract):
    """Nor is what a browser with scripts would not show."""
    page = b"""<p>Seen <span hidden>no</span><i style="color:red; display:none">no</i>text</p>
    <dialog>no</dialog><dialog open>yes</dialog><noscript>no</noscript><iframe>no</iframe>"""
    assert extract("a.html", b"<html>" + page)["text"] == "Seen text\nyes"


@pytest.mark.parametrize("tag", ["div", "b", "nav", "table", "span hidden"])
def test_deep_pages_are_read(extract, tag):
    """100,000 elements in one another cost no more than beside one another."""
    deep = "<html><p>first</p>" + f"<{tag}>" * 100_000
    assert extract("a.html", deep.encode())["text"].startswith("first")


def test_what_a_page_states(extract):
    """Title, description, authors and language are as the page states them."""
    record = extract("a.html", PAGE.encode())
    assert record["title"] == "Ein Titel"
    assert record["description"] == "Worum es geht"
    assert (record["authors"], record["language"]) == (["Wer"], "de")


@pytest.mark.parametrize("declared", ["iso-8859-1", "windows-1252"])
def test_declared_encodings_are_believed(extract, declared):
    """A page's own charset decides where it is not UTF-8; Latin-1 means Windows' there."""
    page = f'<html><meta charset="{declared}"><p>5 € für Müller</p></html>'
    record = extract("a.html", page.encode("cp1252"))
    assert (record["text"], record["encoding"]) == ("5 € für Müller", "cp1252")


def test_a_page_without_body_has_no_text(extract):
    """Markup alone is a page without text, not a failure."""
    assert extract("a.html", b"<html></html>")["text"] == ""


def test_mail_headers_are_decoded(samples, extract):
    """Encoded words are read; the title is the subject; the date is ISO 8601."""
    record = extract("a.eml", samples["a.eml"])
    assert record["from"] == "Jürgen Groß <juergen@example.org>"
    assert record["to"] == "a@example.org, b@example.org"
    assert record["subject"] == record["title"] == "Grüße aus Zürich"
    assert (record["date"], record["language"]) == ("2026-11-27T10:00:00+01:00", "de")
    assert "cc" not in record


def test_mail_attachments_are_listed(samples, build, extract):
    """An attachment is named, weighed and told by its content, but not opened."""
    (listed,) = extract("a.eml", samples["a.eml"])["attachments"]
    assert (listed["name"], listed["kind"]) == ("Übersicht.pdf", "pdf")
    assert listed["type"] == "application/pdf"
    assert listed["bytes"] > 500


def test_the_plain_body_is_preferred(samples, extract):
    """Of two alternatives the plain one is the text."""
    assert extract("a.eml", samples["a.eml"])["text"] == "Der Text."


def test_an_html_body_becomes_text(extract):
    """A mail that is HTML only is read like a page."""
    mail = b"From: a\nSubject: b\nContent-Type: text/html\n\n<p>x</p><script>no</script><p>y</p>"
    assert extract("a.eml", mail)["text"] == "x\ny"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (b"=?utf-8?q?caf=C3=A9?= latt=?x", "café latt=?x"),
        (b"=?no-such?q?caf=E9?=", "café"),
        (b"=?utf-8?b?broken!?=", None),
        ("Grüße".encode("latin-1"), "Grüße"),
        ("Grüße".encode(), "Grüße"),
        (b"=?a?q?x" * 200_000, None),
        (b"a\r\n b", "a b"),
    ],
)
def test_odd_subjects(extract, header, expected):
    """Broken, raw or endless encoded words give a subject in time, never an error."""
    record = extract("a.eml", b"From: a\nSubject: " + header + b"\n\nText")
    assert record["text"] == "Text"
    assert expected is None or record["subject"] == expected


def test_an_attached_mail_is_listed_and_not_read(extract):
    """A forwarded message is an attachment of kind eml; its text stays its own."""
    from email.message import EmailMessage

    inner, outer = EmailMessage(), EmailMessage()
    inner["Subject"], inner["From"] = "inner", "a@example.org"
    inner.set_content("inner text")
    outer["Subject"], outer["From"] = "outer", "b@example.org"
    outer.set_content("outer text")
    outer.add_attachment(inner)
    record = extract("a.eml", outer.as_bytes())
    assert record["text"] == "outer text"
    assert record["attachments"][0]["kind"] == "eml"


def test_the_mails_of_a_digest_are_its_text(extract):
    """They are the message, and nothing that hangs on it."""
    part = b"--x\nContent-Type: message/rfc822\n\nSubject: %d\n\nmail %d\n\n"
    digest = b"From: a@b.c\nSubject: x\nMIME-Version: 1.0\n"
    digest += b"Content-Type: multipart/digest; boundary=x\n\n"
    digest += b"".join(part % (number, number) for number in (1, 2)) + b"--x--\n"
    record = extract("a.eml", digest)
    assert record["text"] == "Subject: 1\nmail 1\nSubject: 2\nmail 2"
    assert "attachments" not in record


def test_apple_mail_is_read(extract):
    """The count in front of an .emlx and the property list behind it are left out."""
    mail = b"From: a@example.org\nSubject: x\n\nText\n"
    record = extract("a.emlx", b"%d\n%s<?xml version='1.0'?><plist/>" % (len(mail), mail))
    assert (record["kind"], record["text"]) == ("eml", "Text")
    assert "extension" not in record
