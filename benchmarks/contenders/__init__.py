"""One program per file: the same function over the same files, each by another library.

python -m benchmarks.contenders.NAME FOLDER --function noop --workers 2
"""
