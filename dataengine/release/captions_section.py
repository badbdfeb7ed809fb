"""Says what part of the captions is synthetic: by which models, in which styles, how the others failed, and how one was chosen.
From the manifest alone."""

from __future__ import annotations

from collections.abc import Mapping

from dataengine.annotate.captions.summary import NONE, NOT_CAPTIONED, OF_SOURCE
from dataengine.release.card_text import plural, table
from dataengine.release.manifest import Manifest
from dataengine.release.manifest_captions import Captions
from dataengine.shards.json_types import known

_NAMES = {OF_SOURCE: "the source's", NOT_CAPTIONED: "the source's, none was asked for", NONE: "none"}


def captions(m: Manifest) -> str:
    """Section of the card; "" where no model has written captions."""
    section = known(m.captions, None)
    if section is None:
        return ""
    parts = [
        f"## Captions\n\n{' '.join(sentences(section))}",
        table(("caption of a sample in the shards", "samples", "share"), shares(section)),
        table(("synthetic captions", "number"), _written(section)),
        table(("prompt", "digest"), section.prompts.items()),
    ]
    return "\n\n".join(parts)


def sentences(c: Captions) -> list[str]:
    """Models, the rule of the choice, what could not be had, and what a reader must know of them: a sentence each."""
    models = ", ".join(f"`{m.model}` ({m.server})" for m in c.models)
    rule = (
        f"a synthetic one for {c.share:.0%} of the samples, by id and seed" if c.share is not None else "the best match"
    )
    lines = [
        f"Captions of {plural(c.samples, 'sample')} were asked of {models}: {plural(c.written, 'caption')} were written, with "
        f"{c.tokens_in:,} prompt and {c.tokens_out:,} completion tokens.",
        f"The caption in `.txt` was chosen among them and the source's: {rule}; the `.json` has all with maker, prompt and seed.",
        "A caption that a model has written may be wrong.",
    ]
    if c.rejected_for:
        lines.append(
            f"{plural(c.rejected, 'caption')} with one of the faults {', '.join(c.rejected_for)} were not used."
        )
    lines += [
        f"`{m.server}` is `{m.packaged}`, a small model for trying things out: it writes poorly, and what it has written is not "
        "fit to train on."
        for m in c.models
        if m.packaged
    ]
    lines += [f"`{m.server}` saw no picture: it wrote from what the source says." for m in c.models if not m.sees]
    return lines


def shares(c: Captions) -> list[tuple[str, int, str]]:
    """What the chosen captions are, with their share of the samples."""
    total = sum(c.chosen.values())
    return [
        (_NAMES.get(kind, f"synthetic, {kind}"), n, f"{n / total:.1%}")
        for kind, n in sorted(c.chosen.items(), key=lambda pair: (pair[0] not in _NAMES, pair[0]))
    ]


def _written(c: Captions) -> list[tuple[str, int]]:
    def rows(prefix: str, counts: Mapping[str, int]) -> list[tuple[str, int]]:
        return [(f"{prefix} {name.replace('_', ' ')}", n) for name, n in counts.items()]

    return [
        *rows("in the style", c.styles),
        *rows("by", c.servers),
        *rows("of a video:", c.spans),
        *rows("with the fault", c.faults),
        *rows("could not be had:", c.failures),
    ]


def steps(m: Manifest) -> list[str]:
    """What was done, for Croissant."""
    section = known(m.captions, None)
    return [] if section is None else [" ".join(sentences(section)).replace("`", "")]


def tools(m: Manifest) -> list[str]:
    """The models, for Croissant."""
    section = known(m.captions, None)
    return [] if section is None else [f"{one.model} (captions)" for one in section.models]
