"""Encrypted Office files, and the passwords that are tried on them."""

import io
import sys

import pytest
from msoffcrypto.format.ooxml import OOXMLFile

from docherd.document import Document
from docherd.exceptions import CorruptError, EncryptedError
from docherd.processors.extract import Extract


@pytest.fixture(scope="module")
def locked(samples):
    """The Word sample, encrypted as Office 2010 and later do."""
    return encrypted(samples["a.docx"], "opens")


def encrypted(data, password):
    made = io.BytesIO()
    OOXMLFile(io.BytesIO(data)).encrypt(password, made)
    return made.getvalue()


def test_the_password_that_fits_opens(samples, locked, extract):
    """The Record is that of the same file without a password."""
    plain = extract("a.docx", samples["a.docx"])
    assert extract("a.docx", locked, ("wrong", "", "opens")) == plain


def test_the_kind_of_the_document_stays(locked, document):
    """What was found in the tree is an encrypted file; its name still tells what it promises."""
    doc = document("a.docx", locked)
    assert Extract(("opens",))(doc)["kind"] == "docx"
    assert (doc.kind, type(doc)) == ("ooxml-encrypted", Document)


@pytest.mark.parametrize(
    ("passwords", "message"),
    [
        ((), "a password is needed: --password-file"),
        (("hunter2",), "the password does not fit: --password-file takes others"),
        (("hunter2", "hunter3"), "none of 2 passwords fits: --password-file takes others"),
    ],
)
def test_what_is_said_names_the_way_on_and_no_password(locked, build, extract, passwords, message):
    """Office and PDF say the same, and nothing of what was tried is in it or below it."""
    pdf = build["pdf"](owner_password="owner", user_password="secret")
    for name, data in (("a.docx", locked), ("a.pdf", pdf)):
        with pytest.raises(EncryptedError) as caught:
            extract(name, data, passwords)
        assert str(caught.value) == message
        assert "hunter" not in repr((caught.value.__cause__, caught.value.__context__))


def test_excels_own_password_is_tried_unasked(samples, extract):
    """Workbooks that only forbid changes are encrypted with it; Excel does not ask either."""
    assert extract("a.xlsx", encrypted(samples["a.xlsx"], "VelvetSweatshop"))["sheets"] == 2


def test_without_the_library_it_is_named(locked, extract, monkeypatch):
    """The extra is only asked for where there is a password to try."""
    monkeypatch.setitem(sys.modules, "msoffcrypto", None)
    with pytest.raises(EncryptedError, match="--password-file"):
        extract("a.docx", locked)
    with pytest.raises(EncryptedError, match=r"pip install 'docherd\[passwords\]'"):
        extract("a.docx", locked, ("opens",))


@pytest.mark.parametrize("part", [0.3, 0.6])
def test_truncated_ones_are_corrupt(locked, document, part):
    """They cannot be decrypted whatever the password."""
    doc = document("a.docx", locked[: int(len(locked) * part)])
    doc._kind = "ooxml-encrypted"
    with pytest.raises(CorruptError):
        Extract(("opens",))(doc)
