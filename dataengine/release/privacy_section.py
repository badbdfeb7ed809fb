"""Says what was done for people in the data and for owners who opted out: opt-outs, metadata, faces. From the manifest alone."""

from __future__ import annotations

from dataengine.release.manifest import Manifest
from dataengine.shards.json_types import known


def respected(m: Manifest) -> str:
    """Which opt-out signals were looked for, and how many inputs were excluded; "" where none were."""
    uses = m.media.c2pa_opt_outs
    web = [s.name for s in m.sources if s.type == "urls"]
    signals = [f"C2PA and CAWG assertions in files against {', '.join(uses)}"] if uses else []
    signals += [f"HTTP headers of the servers of {', '.join(web)}"] if web else []
    if not signals and not m.opt_outs:
        return ""
    return f"Opt-outs respected: {'; '.join(signals) or 'see below'}. Inputs excluded: {sum(m.opt_outs.values()):,}."


def opted_out(m: Manifest) -> str:
    """How many inputs were excluded because of opt-outs, by signal; with a space before it."""
    counts = ", ".join(f"{signal} ({n:,})" for signal, n in m.opt_outs.items())
    return f" Excluded because of opt-outs: {sum(m.opt_outs.values()):,}, by signal: {counts}." if counts else ""


def private(m: Manifest) -> list[str]:
    """What was done to metadata and faces, a sentence each; none where media are unchanged."""
    media, sentences = m.media, list[str]()
    if media.exif != "keep":
        what = "Image metadata was" if media.exif == "strip" else "GPS coordinates in image metadata were"
        sentences.append(
            f"{what} removed from {known(media.metadata_removed, 0):,} files ({known(media.gps_removed, 0):,} of them had GPS "
            f"coordinates); {known(media.metadata_kept, 0):,} files are in formats whose metadata is kept."
        )
    if media.faces == "blur":
        failed = m.ledger.failure.get("faces_not_blurred", 0)
        sentences.append(
            f"Faces found by a detector (CenterFace) were blurred: {known(media.faces_blurred, 0):,} in "
            f"{known(media.with_faces, 0):,} files (of a video, the most in one frame). Inputs excluded because "
            f"their faces could not be blurred: {failed:,}. Faces that the detector missed are still visible."
        )
    return sentences
