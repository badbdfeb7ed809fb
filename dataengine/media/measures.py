"""What is made of a picture's pixels where they are decoded first, and kept for later stages. Imports no image library."""

from __future__ import annotations

import math
from typing import Annotated, TypedDict

from msgspec import Meta, Struct

#: Increased when a value that ``image.technical.measure`` gives could change.
VERSION = "1"
#: Increased when a value that ``image.detail.detail`` gives could change.
DETAIL_VERSION = "1"


class Measures(Struct, frozen=True):
    """aspect = width / height; blur = variance of the Laplacian (Pech-Pacheco et al. 2000; low is blurred); entropy of the grey
    histogram in bits; brightness and saturation as means and contrast as standard deviation, in 0..1."""

    aspect: float
    blur: float
    entropy: float
    brightness: float
    contrast: float
    saturation: float


NAMES = Measures.__struct_fields__

#: Increased when a fingerprint that ``image.fingerprint`` gives could change.
FINGERPRINT_VERSION = "3"
#: Of the pictures in a thumbnail.
SIDE = 64
#: Of a thumbnail: whole and trimmed picture, of each 64 rows and one more that tells its height and width, 255 for the longer
#: one, and the pixels of the shorter one (at most 255).
SHAPE = (2, SIDE + 1, SIDE)
_BYTES = math.prod(SHAPE)


class Fingerprint(TypedDict):
    """Columns ``pixels`` and ``thumbnail`` of contracts.FINGERPRINTS."""

    pixels: Annotated[str, Meta(pattern=r"^[0-9a-f]{32}\Z")] | None
    thumbnail: Annotated[bytes, Meta(min_length=_BYTES, max_length=_BYTES)]
