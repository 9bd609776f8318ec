"""Counting pages: of real PDFs and presentations, and of files that are none."""

import io
import zipfile

import pptx
import pytest
from fpdf import FPDF, XPos, YPos
from hypothesis import given, settings
from hypothesis import strategies as st

from docherd.document import Document
from docherd.model import Root, Task
from docherd.processors.pages import COUNTED, pages


def pdf(number, **passwords):
    made = FPDF()
    made.set_font("helvetica", size=12)
    if passwords:
        made.set_encryption(**passwords)
    for page in range(number):
        made.add_page()
        made.cell(text=f"page {page}", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    return bytes(made.output())


def slides(number):
    made = pptx.Presentation()
    for _ in range(number):
        made.slides.add_slide(made.slide_layouts[6])
    stream = io.BytesIO()
    made.save(stream)
    return stream.getvalue()


def archive(*names):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        for name in names:
            file.writestr(name, "x")
    return stream.getvalue()


@pytest.fixture
def counted(tmp_path):
    """How many pages a file of this name and content has."""

    def count(name, content):
        (tmp_path / name).write_bytes(content)
        return pages(document(tmp_path, name))

    return count


def document(folder, name):
    task = Task(1, Root(b"in", str(folder).encode()), name.encode(), 1, "pdf/1")
    return Document(task, lambda _: "pdf")


@pytest.mark.parametrize("number", [1, 2, 57])
def test_pages_of_a_pdf(counted, number):
    """Whatever the letters of its extension."""
    assert counted("a.pdf", pdf(number)) == number
    assert counted("b.PDF", pdf(number)) == number


@pytest.mark.parametrize("number", [0, 1, 12])
def test_slides_of_a_presentation(counted, number):
    """Layouts and notes are no slides."""
    assert counted("a.pptx", slides(number)) == number


def test_what_is_restricted_only_is_counted(counted):
    """No password is needed to read it."""
    assert counted("a.pdf", pdf(3, owner_password="owner", user_password="")) == 3


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("encrypted.pdf", pdf(3, owner_password="owner", user_password="secret")),
        ("empty.pdf", b""),
        ("empty.pptx", b""),
        ("text.pdf", b"hello"),
        ("half.pdf", pdf(3)[:100]),
        ("half.pptx", slides(3)[:1000]),
        ("slides.pdf", slides(3)),
        ("pages.pptx", pdf(3)),
        ("word.pptx", archive("word/document.xml", "[Content_Types].xml")),
        ("none.pptx", archive()),
        ("a.docx", slides(3)),
        ("a.txt", b"hello"),
        ("pdf", pdf(1)),
        ("no extension", b"hello"),
    ],
)
def test_what_cannot_be_counted_has_none(counted, name, content):
    """Encrypted, damaged, empty or something else: 0, never an error."""
    assert counted(name, content) == 0


def test_what_is_not_there_or_no_file_has_none(tmp_path):
    """A Document that vanished since it was found; a folder of that name; a link to nowhere."""
    assert pages(document(tmp_path, "missing.pdf")) == 0
    (tmp_path / "folder.pdf").mkdir()
    assert pages(document(tmp_path, "folder.pdf")) == 0
    (tmp_path / "link.pptx").symlink_to(tmp_path / "nowhere")
    assert pages(document(tmp_path, "link.pptx")) == 0
    assert {"pdf", "pptx"} == COUNTED


SAMPLES = {"a.pdf": pdf(2), "a.pptx": slides(2)}


@settings(derandomize=True, deadline=None, max_examples=150)
@given(
    st.sampled_from(sorted(SAMPLES)),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=20),
    st.floats(0, 1),
)
def test_damage_anywhere_is_no_error(tmp_path_factory, name, damage, kept):
    """Any bytes changed, cut anywhere: some number, at once."""
    content = bytearray(SAMPLES[name])
    for at, byte in damage:
        content[int(at * (len(content) - 1))] = byte
    folder = tmp_path_factory.mktemp("damaged")
    (folder / name).write_bytes(content[: int(len(content) * (1 if kept > 0.7 else kept))])
    assert pages(document(folder, name)) >= 0
