"""Where the repository and its command lie, and what a scheduler's worker has in its environment."""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
ENVIRONMENT = {**os.environ, "PATH": f"{BIN}:/usr/sbin:{os.environ['PATH']}", "RAY_USAGE_STATS_ENABLED": "0"}
