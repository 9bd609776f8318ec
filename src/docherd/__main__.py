"""``python -m docherd`` is the command ``docherd``."""

from docherd.cli import main

main()
