"""docherd under faults, thousands of them: `make chaos` injects, counts, and writes the page.

    __main__ ─► sections/X.measure ─► .results/X.json ─► sections/X.page ─► docs/reliability.md
                       │ the real command in a process of its own, killed, starved or cut off
                       ▼
                oracle.py (what must hold afterwards), summed up in a Tally

A fault that found something lost, doubled, wrongly blamed or refused without need makes the whole
end with exit code 1; so does a deliberately broken docherd in which nothing was found.
"""
