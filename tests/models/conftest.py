"""Real photographs and a tiny CLIP."""

from support.photos import crops, photos, tiny

__all__ = ["crops", "photos", "tiny"]
