"""Fixtures of the small release; datasets must stay offline, which it decides when it is imported."""

from __future__ import annotations

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")

from support.shard_release import codes, release, sources

__all__ = ["codes", "release", "sources"]
