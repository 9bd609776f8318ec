"""docherd against its peers and against bare loops: `make bench` measures, and writes the page.

    __main__ ─► sections/X.measure ─► .results/X.json ─► sections/X.page ─► docs/benchmarks.md
                       │ a fresh process for every measurement
                       ▼
               contenders/Y.py (one JSON line at its end), over functions.py

Each contender is written as the documentation of its library shows it, and stays at its defaults
but for the number of workers.
"""
