"""Not a contender: which PDFs below a folder the function reads, one JSON list of paths.

docherd finds out, so that one that crashes or hangs is left out of what all contenders get.
"""

import json

import docherd
from benchmarks.contenders.contend import arguments, below
from benchmarks.functions import pdf

if __name__ == "__main__":
    paths = sorted(path for path in below(arguments().folder) if path.lower().endswith(".pdf"))
    with docherd.process(paths, pdf, workers=2, timeout=20) as results:
        good = sorted(str(result.path) for result in results if result.ok)
    print("\n" + json.dumps({"good": good, "all": len(paths)}))
