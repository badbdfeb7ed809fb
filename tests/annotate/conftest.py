from __future__ import annotations

from support.photos import photos

__all__ = ["photos"]
