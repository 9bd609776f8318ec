"""quality/ is not installed, and none of the libraries that it compares with is needed here."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2]))
