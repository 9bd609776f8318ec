"""How right is what `extract` says, beside what other libraries say of the same documents?

corpus    the documents and their MANIFEST           expected   the texts that are known
engines   one function per library                   answers    what each says, in processes
words     bags of words, F1                          cells      sheets, F1 cell by cell
votes     what most readers agree on                 causes     differences that were looked into
sections  a question each                            page       docs/quality.md
"""
