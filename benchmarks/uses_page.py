"""Write docs/uses.md and its pictures from what `uses.py` left in results/."""

import pathlib

RESULTS = pathlib.Path(__file__).parent / "results" / "uses"
