"""What is measured of a picture's pixels, and kept from one stage to the next. Imports no image library."""

from __future__ import annotations

from msgspec import Struct

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
