"""detect and Extract over 866 real documents, held against what their MANIFEST says.

The documents are read in a child process: a crash or a hang costs one of them, not the test run.
Where we differ from the manifest, the difference stands below with its reason.
"""

import csv
import json
import os
import resource
import selectors
import subprocess
import sys
from pathlib import Path

import pytest

CORPUS = Path(__file__).resolve().parents[3] / "shared" / "corpus"
SECONDS_PER_DOCUMENT = 30
MEMORY = 6 * 1024**3

READ = frozenset(
    {
        *("pdf", "docx", "pptx", "xlsx", "xlsb", "xls", "ods", "html", "eml", "xml"),
        *("csv", "tsv", "text", "md", "rst", "org", "json", "jsonl"),
        *("odt", "odp", "odg", "fodf", "epub", "fb2", "rtf", "xml-word"),
        *("mbox", "mhtml", "msg", "svg", "zip", "tar", "rar", "gzip"),
        *("png", "jpeg", "tiff", "gif", "bmp", "webp", "avif", "jp2", "psd"),
    }
)
#: kinds that a program reads: of these only the kind is looked at here
WITH_PROGRAMS = frozenset({"doc", "ppt", "wpd", "pub", "vsd", "vsdx", "iwork"})

# path → (the kind we tell, why)
KINDS = {
    "poi/clusterfuzz-testcase-minimized-POIHSSFFuzzer-5816431116615680.xls": (
        "xls",
        "Workbook at the root; WordDocument only in an embedded object",
    ),
    "tika/file1.pdf": ("text", "a licence text, there is no PDF in it"),
    "tika/testWORD_truncated.docx": ("docx", "the first half of a ZIP: its name decides"),
    "tika/single_mail.mbox": ("mbox", "begins with an envelope; HTML is the body of its mail"),
    "tika/testAVIF.avif": ("avif", "its brand is avif, not heic"),
    "tika/testFOXMAIL.box": ("text", "Foxmail's own box: control bytes stand before the header"),
    "tika/testIndesign.idml": ("zip", "its mimetype is InDesign's; only the container is EPUB's"),
    "tika/testMSG_att_doc.msg": ("msg", "a mail at the root; Word only in its attachment"),
    "unstructured/arbitrary-records.ndjson": ("jsonl", "a JSON value a line"),
    "unstructured/codeblock.md": ("md", "Markdown that quotes HTML in a code block"),
    "unstructured/factbook.xsl": ("xml", "a stylesheet that writes HTML is XML"),
}

# path → (how it ends, why), beyond what the notes of the manifest say
ENDINGS = {
    "tika/protect.xlsx": ("done", "locked with the password that Excel tries by itself"),
    "tika/quine.gz": ("corrupt", "holds itself, without end"),
    "tika/testARW.arw": ("corrupt", "cut short: no size in what is left of its header"),
    "tika/testAVIF.avif": ("corrupt", "cut short"),
    "tika/file1.pdf": ("done", "told as text, see KINDS"),
    "tika/password.xls": ("encrypted", "needs a password, which the manifest does not note"),
    "tika/testEXCEL_protected_passtika.xls": ("encrypted", "needs the password in its name"),
    "tika/testODTEncrypted.odt": ("encrypted", "its manifest says how it is encrypted"),
    "tika/undeclared_entity.xml": ("corrupt", "an undeclared entity is not well-formed"),
    "poi/54764.xlsx": ("corrupt", "an XML bomb in the content types"),
    "poi/poc-xmlbomb.xlsx": ("corrupt", "an XML bomb in the content types"),
    "poi/clusterfuzz-testcase-minimized-POIXSSFFuzzer-5265527465181184.xlsx": (
        "corrupt",
        "wrong CRC-32 of _rels/.rels",
    ),
    "poi/clusterfuzz-testcase-minimized-POIXSSFFuzzer-5937385319563264.xlsx": (
        "corrupt",
        "wrong CRC-32 of a sheet",
    ),
    "poi/clusterfuzz-testcase-minimized-POIHSSFFuzzer-4657005060816896.xls": (
        "corrupt",
        "fuzzed: calamine finds no workbook",
    ),
    "poi/clusterfuzz-testcase-minimized-POIHSSFFuzzer-4819588401201152.xls": (
        "corrupt",
        "fuzzed: calamine finds no workbook",
    ),
    "poi/clusterfuzz-testcase-minimized-POIHSSFFuzzer-5436547081830400.xls": (
        "corrupt",
        "fuzzed: calamine finds no workbook",
    ),
    "poi/clusterfuzz-testcase-minimized-POIHSSFFuzzer-5786329142919168.xls": (
        "corrupt",
        "the fuzzer renamed the Workbook stream: its name says Excel, and calamine finds none",
    ),
    "poi/clusterfuzz-testcase-minimized-POIHSSFFuzzer-5816431116615680.xls": (
        "corrupt",
        "fuzzed: calamine panics, which we catch",
    ),
    "poi/clusterfuzz-testcase-minimized-POIHSSFFuzzer-5889658057523200.xls": (
        "corrupt",
        "fuzzed: calamine finds no workbook",
    ),
}

# ── in the child ─────────────────────────────────────────────────────────────────────────────


def answer_requests():
    """Read [path, passwords] a line, write what became of it a line."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    for line in sys.stdin:
        path, passwords = json.loads(line)
        print(json.dumps(ending_of(path, tuple(passwords))), flush=True)


def ending_of(path, passwords):
    from docherd.document import Document
    from docherd.exceptions import DocumentError
    from docherd.model import Root, Task
    from docherd.processors.extract import Extract
    from docherd.processors.kind import detect

    file = os.fsencode(CORPUS / path)
    size = (CORPUS / path).stat().st_size
    task = Task(1, Root(b"corpus", b"/"), file[1:], size, "")
    document = Document(task, detect)
    told = {"path": path, "kind": document.kind}
    if document.kind in WITH_PROGRAMS:
        return told | {"ending": "not tried"}
    try:
        found = Extract(passwords)(document)
        records = [found] if isinstance(found, dict) else list(found)
    except DocumentError as error:
        assert "\n" not in str(error)
        return told | {"ending": error.reason.value}
    json.dumps(records, ensure_ascii=False).encode()  # valid Unicode, or this raises
    return told | {"ending": "done", "pages": records[0].get("pages")}


# ── in the parent ────────────────────────────────────────────────────────────────────────────


def answers(requests):
    """What the child answers; ``crash`` or ``timeout`` where it does not."""
    waiting, told = list(requests), []
    while waiting:
        with subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as child:
            while waiting:
                request = waiting.pop(0)
                line = asked(child, request)
                told.append(
                    line if isinstance(line, dict) else {"path": request[0], "ending": line}
                )
                if not isinstance(line, dict):
                    child.kill()
                    break
            child.stdin.close()
    return told


def asked(child, request):
    child.stdin.write(json.dumps(request).encode() + b"\n")
    child.stdin.flush()
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        if not selector.select(SECONDS_PER_DOCUMENT):
            return "timeout"
    line = child.stdout.readline()
    return json.loads(line) if line else "crash"


@pytest.fixture(scope="module")
def manifest():
    if not (CORPUS / "MANIFEST.csv").is_file():
        pytest.skip(f"no corpus in {CORPUS}")
    with (CORPUS / "MANIFEST.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["role"] == "document"]
    return {row["path"]: row for row in rows}


@pytest.fixture(scope="module")
def told(manifest):
    return {each["path"]: each for each in answers([path, []] for path in manifest)}


def expected_ending(row, kind):
    """How a document should end by the manifest, once its kind is settled."""
    note = row["note"]
    if kind in ("empty", "ooxml-encrypted"):
        return {"empty": "empty", "ooxml-encrypted": "encrypted"}[kind]
    if kind in WITH_PROGRAMS:
        return "not tried"
    if kind not in READ:
        return "unsupported"
    if "needs-password" in note:
        return "encrypted"
    failing = "pdfium: 1 of 1 pages fail" in note
    return "corrupt" if failing or "cannot-open" in note or "zip-unreadable" in note else "done"


def test_kinds_are_those_of_the_manifest(manifest, told):
    """Every document has the kind of the manifest, save the differences explained above."""
    differing = {
        path: told[path].get("kind")
        for path, row in manifest.items()
        if told[path].get("kind") != row["kind"]
    }
    assert differing == {path: kind for path, (kind, _) in KINDS.items()}


def test_endings_are_those_of_the_manifest(manifest, told):
    """Every document is read or has the reason that the manifest lets expect."""
    differing = {
        path: told[path]["ending"]
        for path, row in manifest.items()
        if told[path]["ending"] != expected_ending(row, told[path].get("kind"))
    }
    assert differing == {path: ending for path, (ending, _) in ENDINGS.items()}


def test_pages_are_those_of_the_manifest(manifest, told):
    """Every PDF that is read has as many pages as the manifest counts."""
    differing = {
        path: (told[path]["pages"], row["pages"])
        for path, row in manifest.items()
        if row["pages"] and told[path]["ending"] == "done"
        if told[path]["kind"] == "pdf" and told[path]["pages"] != int(row["pages"])
    }
    assert differing == {}


def test_known_passwords_open(manifest):
    """A PDF whose password the manifest knows is read once it is given, among wrong ones."""
    passwords = {
        path: row["note"].partition("needs-password=")[2].partition(";")[0]
        for path, row in manifest.items()
        if "needs-password=" in row["note"] and "=unknown" not in row["note"]
    }
    told = answers([path, ["wrong", password]] for path, password in passwords.items())
    assert {each["path"]: each["ending"] for each in told} == dict.fromkeys(passwords, "done")


if __name__ == "__main__":
    answer_requests()
