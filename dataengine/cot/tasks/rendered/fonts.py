"""Fonts of rendered pictures: open ones from packages pinned by SHA-256, never the machine's, laid out without HarfBuzz."""

from __future__ import annotations

from functools import cache
from typing import Literal

from PIL import ImageFont

from dataengine.storage.pinned_packages import IBM_PLEX_MONO, KALAM, LATO, NOTO_CJK, PT_SERIF, Package

Face = Literal["sans", "sans bold", "serif", "serif bold", "serif italic", "mono", "mono bold", "hand", "cjk"]
FACES: dict[Face, tuple[Package, str]] = {
    "sans": (LATO, "fontpkg_lato/files/Lato-Regular.ttf"),
    "sans bold": (LATO, "fontpkg_lato/files/Lato-Bold.ttf"),
    "serif": (PT_SERIF, "fontpkg_pt_serif/files/PT_Serif-Web-Regular.ttf"),
    "serif bold": (PT_SERIF, "fontpkg_pt_serif/files/PT_Serif-Web-Bold.ttf"),
    "serif italic": (PT_SERIF, "fontpkg_pt_serif/files/PT_Serif-Web-Italic.ttf"),
    "mono": (IBM_PLEX_MONO, "fontpkg_ibm_plex_mono/files/IBMPlexMono-Regular.ttf"),
    "mono bold": (IBM_PLEX_MONO, "fontpkg_ibm_plex_mono/files/IBMPlexMono-Bold.ttf"),
    "hand": (KALAM, "fontpkg_kalam/files/Kalam-Regular.ttf"),
    "cjk": (NOTO_CJK, "noto_cjk_sans_jp_regular/NotoSansCJKjp-Regular.otf"),
}
TEXT_FACES: tuple[Face, ...] = ("sans", "serif", "mono", "hand")


def prepare() -> None:
    """Download and unpack all fonts into the cache, from which the decode child reads. Raises RunError."""
    for package, member in FACES.values():
        package.extract(member)


@cache
def font(face: Face, size: int) -> ImageFont.FreeTypeFont:
    """A face at ``size`` pixels. Raises RunError where the package cannot be had."""
    package, member = FACES[face]
    return ImageFont.truetype(str(package.extract(member)), size, layout_engine=ImageFont.Layout.BASIC)
