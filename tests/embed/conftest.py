"""A tiny CLIP."""

from support.photos import tiny

__all__ = ["tiny"]
