"""Sections of the dataset card on how the release was made, a function each: Markdown, or "" where there is nothing to say."""

from __future__ import annotations

from collections.abc import Callable

from dataengine.cot.mix import summary
from dataengine.release import codes_section, privacy_section, taken_down_section
from dataengine.release.annotations_section import annotated
from dataengine.release.captions_section import captions
from dataengine.release.card_text import fenced, stated, table
from dataengine.release.duplicates_section import duplicates
from dataengine.release.index_section import index
from dataengine.release.labels_section import labels
from dataengine.release.manifest import Manifest
from dataengine.release.sequences_section import sequences
from dataengine.release.servers_section import servers
from dataengine.release.source_columns_section import source_columns
from dataengine.score.distribution import QUANTILES
from dataengine.shards.json_types import known, plain


def _sources(m: Manifest) -> str:
    rows = [(s.name, s.type, s.license or "not stated", s.inputs) for s in m.sources]
    clips = [
        f"`{s.name}`: {s.clips:,} of the inputs are clips of {known(s.videos_cut, 0):,} longer videos; the longer videos "
        "themselves are not counted as inputs."
        for s in m.sources
        if s.clips
    ]
    partitions = [
        f"`{s.name}` was read by partitions, {len(s.partitions):,} of them: `{s.partitions[0]}` to `{s.partitions[-1]}`."
        for s in m.sources
        if s.partitions
    ]
    return "\n\n".join([f"## Sources\n\n{table(('source', 'type', 'licence', 'inputs'), rows)}", *clips, *partitions])


def _ledger(m: Manifest) -> str:
    text = "Every input has exactly one outcome; the ledger (`ledger.parquet`) has a row for each input."
    parts = [f"## Ledger\n\n{text}\n\n{table(('outcome', 'inputs'), m.ledger.outcome.items())}"]
    if m.ledger.failure:
        parts.append(table(("failure", "inputs"), m.ledger.failure.items()))
    return "\n\n".join(parts)


def _opt_outs(m: Manifest) -> str:
    text = privacy_section.respected(m)
    counts = f"\n\n{table(('signal', 'inputs'), m.opt_outs.items())}" if m.opt_outs else ""
    return f"## Opt-outs\n\n{text}{counts}" if text else ""


def _contamination(m: Manifest) -> str:
    if m.contamination is None:
        return ""
    rows = [
        (
            b.name,
            b.items,
            b.unreadable,
            ", ".join(f"{preset}: {n:,}" for preset, n in b.hits.items()),
            ", ".join(f"{preset}: {n:,}" for preset, n in b.not_compared.items() if n) or "none",
        )
        for b in m.contamination.benchmarks
    ]
    text = "Samples that match an item of these benchmarks were dropped with their duplicate groups, before filtering."
    head = ("benchmark", "items", "unreadable", "matching samples", "items not compared")
    return f"## Decontamination\n\n{text}\n\n{table(head, rows)}"


def _filters(m: Manifest) -> str:
    policy = m.policy
    rows = [(step.rule, step.reason, step.entering, step.dropped) for step in m.funnel]
    scorers = ", ".join(f"{s.name} ({s.version})" for s in m.scorers)
    text = f"Policy `{policy.name}` version {policy.version} (digest `{policy.digest}`), over scores by {scorers}."
    return f"## Filters\n\n{text}\n\n{table(('rule', 'reason', 'entering', 'dropped'), rows)}"


def _scores(m: Manifest) -> str:
    """Quantiles of each score over the samples before and after filtering."""
    rows = [
        (name, when, spread["count"], *(f"{spread[q]:g}" if q in spread else "" for q in QUANTILES))
        for name, both in plain(m.scores).items()
        for when, spread in both.items()
    ]
    head = ("score", "filter", "samples", *QUANTILES)
    return f"## Scores before and after filtering\n\n{table(head, rows)}" if rows else ""


def _codes(m: Manifest) -> str:
    t = m.tokenizer
    if not t:
        return ""
    sizes = ", ".join(f"{s:,}" for s in sorted(set(t.codebook_sizes)))
    low, high = t.picture_tokens
    v = t.video
    text = (
        f"Tokenizer `{t.name}`, id `{t.id}`: each token of 28 x 28 px has {len(t.codebook_sizes)} codes, from codebooks of "
        f"{sizes} entries; {t.tokens:,} tokens in all. Codes are `(tokens, codebooks)`, each codebook counts from 0, and the "
        f"patch grid is in the sample's `.json`. An image has {low:,} to {high:,} tokens. Videos are sampled Slow-Fast at "
        f"{v.fps:g} frames a second: a frame whose similarity to the last slow one reaches {v.threshold:g} is fast and has at "
        f"most {v.fast_ratio:.0%} of its tokens; at most {v.budget:,} tokens a video."
    )
    if (fit := known(t.fit, None)) and fit.samples:
        text += (
            f" It was fitted on {fit.samples:,} samples (digest of their ids `{fit.samples_digest}`, of the settings "
            f"`{fit.settings}`); the recipe's lock keeps it when thresholds move and batches arrive."
        )
    return f"## Visual codes\n\n{text}\n\n{table(('tokenizer fitting', 'value'), t.made.items())}"


def _cot(m: Manifest) -> str:
    if not m.cot.shards:
        return ""
    text = (
        "Records in `cot/` refer to samples of this release by id. Answers are measured from the media, looked up in captions "
        "or given by the source; replies were checked against them, and `dataengine cot verify` repeats the checks. Each "
        "question is kept, rejected or failed."
    )
    parts = [f"## Chain-of-thought data\n\n{text}", table(("mode", "records"), m.cot.modes.items())]
    parts += [part for part in (_compared(m), _text_sources(m)) if part]
    parts += [f"**{title}**\n\n{table(columns, rows)}" for title, columns, rows in summary.tables(plain(m.cot))]
    parts += [
        f"**{one.mode}**, record `{one.id}`\n\n{fenced(f'{one.question}{chr(10) * 2}{one.reply}')}"
        for one in known(m.cot.examples, [])
    ]
    return "\n\n".join(parts)


def _compared(m: Manifest) -> str:
    rule = known(m.cot.decontamination, None)
    if rule is None:
        return ""
    return (
        f"Questions about {rule.samples:,} samples whose picture is in a benchmark (cosine above {rule.image_cosine:g}, by "
        f"`{rule.encoder}`) were compared with what the benchmark asks of it; {rule.questions:,} of a cosine above "
        f"{rule.text_cosine:g} were left out."
    )


def _text_sources(m: Manifest) -> str:
    rows = [
        (one.name, license_ or "not stated", n)
        for one in known(m.cot.texts, [])
        for license_, n in sorted(one.records.items())
    ]
    return table(("source of texts", "licence", "records read"), rows) if rows else ""


def _making(m: Manifest) -> str:
    text = (
        f"## How it was made\n\ndataengine {m.code_version}, recipe digest `{m.recipe_digest}`, seed {m.seed}. The same inputs "
        "and recipe give the same bytes; `manifest.json` has the SHA-256 of every file. `report.html` shows kept samples, "
        "their duplicates, and what was filtered or failed."
    )
    rows = [(p.name, ", ".join(p.offers), p.sha256) for p in known(m.plugins, [])]
    return f"{text}\n\n{table(('plugin', 'offers', 'SHA-256 of its code'), rows)}" if rows else text


def _cost(m: Manifest) -> str:
    """Bytes by stage; time is for a person to state, because a clock in the card would make equal runs differ."""
    rows = [(s.stage, s.parts, s.files, s.bytes) for s in m.cost.stages]
    text = (
        f"{m.cost.inputs:,} inputs of {m.cost.bytes:,} bytes were read. What the stages that read media or text wrote for this "
        "release is below. Run time differs from run to run and is not part of a release; `dataengine cost RECIPE` reports it."
    )
    return f"## Cost\n\n{stated(m, 'compute')}\n\n{text}\n\n{table(('stage', 'parts', 'files', 'bytes'), rows)}"


def difference(m: Manifest) -> str:
    """What has changed since the release that the recipe names as the previous one."""
    d = m.difference
    if d is None:
        return ""
    rows = [("added", d.added), ("removed", d.removed), ("kept in both", d.same)]
    rows += [(f"removed, now {why}", n) for why, n in d.removed_because.items()]
    changed = [
        f"The filter policy was `{d.policy_before.name}` version {d.policy_before.version}."
        if d.policy_before != m.policy
        else "The filter policy is the same.",
        "The tokenizer has changed." if m.tokenizer and d.tokenizer_before != m.tokenizer.id else "",
    ]
    since = f"Since `{d.previous.name}` {d.previous.version} (recipe digest `{d.previous.recipe_digest}`)."
    text = " ".join([since, *filter(None, changed)])
    return f"## Changes\n\n{text}\n\n{table(('samples', 'count'), rows)}"


#: In the order of the card.
PROCESSING: tuple[Callable[[Manifest], str], ...] = (
    *(
        _sources,
        _ledger,
        _opt_outs,
        taken_down_section.on_card,
        duplicates,
        source_columns,
        annotated,
        captions,
        servers,
        codes_section.codes,
        codes_section.balance,
        _contamination,
        index,
        _filters,
        _scores,
        labels,
        _codes,
        _cot,
        sequences,
        _making,
        _cost,
    ),
)
