"""One module a family of kinds; each imports its library when the first such Document comes.

A reader takes a Document and returns what its file states: a dict with ``text``, and a key less
where the file is silent. It opens nothing but ``document.open()``.
"""
