"""Makes the container's packages importable as they are in the image: `persona`, and `relay` beside it."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "images" / "persona"))
