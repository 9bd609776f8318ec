"""The whole of it over a handful of documents, without other libraries."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
ALONE = ("--no-peers", "--answers")
COLUMNS = "path,role,kind,pages,note,ground_truth\n"


def test_a_page_is_written(tmp_path):
    """Words against what is expected, kinds against the MANIFEST; nothing from elsewhere."""
    (tmp_path / "a.html").write_text("<p>Two words</p>")
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    (tmp_path / "a.txt").write_text("a b 1 3")
    (tmp_path / "MANIFEST.csv").write_text(
        f"{COLUMNS}a.html,document,html,,,\na.csv,document,xlsx,,,a.txt\n"
    )
    done = measured("--corpus", tmp_path, "--to", tmp_path / "out.md", *ALONE, tmp_path)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "out.md").read_text()
    assert "| docherd | 50 % | 50 % |" in page
    assert "| `a.csv` | xlsx | csv | open |" in page


def test_without_a_corpus_it_says_what_to_do(tmp_path):
    """The corpus is not part of docherd."""
    done = measured("--corpus", tmp_path)
    assert done.returncode == 1
    assert "--corpus FOLDER" in done.stderr


def measured(*words):
    command = [sys.executable, "-m", "quality", *map(str, words)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
