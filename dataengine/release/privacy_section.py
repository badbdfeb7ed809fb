"""What a release tells of people in it and of whoever did not want to be: opt-outs, metadata, faces. From the manifest alone."""

from __future__ import annotations

from dataengine.release.manifest import Manifest
from dataengine.shards.json_types import known


def heeded(m: Manifest) -> str:
    """Which wishes against use were looked for, and how many inputs were left out for them; "" where none were."""
    uses = m.media.respect
    web = [s.name for s in m.sources if s.type == "urls"]
    found = [f"C2PA and CAWG assertions in files against {', '.join(uses)}"] if uses else []
    found += [f"headers of the servers of {', '.join(web)}"] if web else []
    counts = m.opt_outs
    if not found and not counts:
        return ""
    return f"Heeded: {'; '.join(found) or 'see below'}. Left out for it: {sum(counts.values()):,} inputs."


def opted_out(m: Manifest) -> str:
    """How many inputs were left out because somebody did not want them used, by what said so; with a space before it."""
    signals = m.opt_outs
    told = ", ".join(f"{signal} ({n:,})" for signal, n in signals.items())
    return f" Opted out of use, and left out for it: {sum(signals.values()):,}, by {told}." if told else ""


def private(m: Manifest) -> list[str]:
    """What was done to metadata and faces, a sentence each; none where media are as they came."""
    media, found = m.media, list[str]()
    if media.exif != "keep":
        what = "Metadata of pictures" if media.exif == "strip" else "Coordinates in the metadata of pictures"
        found.append(
            f"{what} were taken out of {known(media.metadata_removed, 0):,} files, coordinates among them in "
            f"{known(media.gps_removed, 0):,}; {known(media.metadata_kept, 0):,} files are of formats that keep theirs."
        )
    if media.faces == "blur":
        lost = m.ledger.failure.get("faces_not_blurred", 0)
        found.append(
            f"Faces that a detector (CenterFace) found were blurred: {known(media.faces_blurred, 0):,} in "
            f"{known(media.with_faces, 0):,} files (of a video, those that it shows at once); {lost:,} inputs with faces that "
            "could not be blurred were left out. Faces that the detector missed are still there."
        )
    return found
