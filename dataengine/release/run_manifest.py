"""Builds the manifest of a run from its recipe, the facts of its stages and its ledger."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from importlib.metadata import version as installed
from typing import Any

import msgspec

from dataengine import contracts
from dataengine.annotate import source_columns
from dataengine.annotate.captions.summary import SUMMARY, released_kinds
from dataengine.annotate.track import ANNOTATIONS, Track
from dataengine.annotate.tracks import tracks
from dataengine.annotate.worker import FAILURES, VALUES
from dataengine.config.lock import LockedTokenizer
from dataengine.config.recipe import Recipe
from dataengine.cot.core.stage import TEXTS
from dataengine.media.image.phash import VERSION as HASH_VERSION
from dataengine.release import codes_facts, deltas, index_section, plugins_used
from dataengine.release.account import Account, clips, cost
from dataengine.release.asked_models import asked_models
from dataengine.release.difference import difference
from dataengine.release.funnel import with_conditions
from dataengine.release.ledger import counted, counts
from dataengine.release.manifest import Manifest
from dataengine.release.manifest_sections import Difference
from dataengine.release.reader import open_release
from dataengine.score import factory as scorers
from dataengine.sequence.base import PACK
from dataengine.sequence.summary_facts import summary
from dataengine.stage import Run
from dataengine.storage.workspace import digest

_NO_FAULTS = {"samples", "with", "failed", "made", "rejected"}
PACKAGE = "dataengine-multimodal"
_CONTENT = ("seed", "limits", "dedup", "score", "filter", "tokenize", "shard", "cot", "release")
#: Of what the release needs, the stages that touch media or text.
_WORK = ("ingest", "embed", "score", *ANNOTATIONS, "tokenize.fit", "tokenize.encode", "shard.write", "cot.write")

Json = dict[str, Any]


def content_of(recipe: Recipe) -> Json:
    """The part of a recipe that a release depends on: no path, no engine, no worker count."""
    dumped = recipe.model_dump(mode="json")
    sources = [
        _without_places(fields) | ({"columns": source.fields_of_columns()} if source.columns else {})
        for source, fields in zip(recipe.sources, dumped["sources"], strict=True)
    ]
    content = {k: dumped[k] for k in _CONTENT}
    if contamination := dumped["contamination"]:
        benchmarks = [_without_places(benchmark) for benchmark in contamination["benchmarks"]]
        content["contamination"] = {**contamination, "benchmarks": benchmarks}
    if servers := {name: [one.model, one.identity] for name, one in recipe.model_servers.items()}:
        content["model_servers"] = servers
    if used := plugins_used.plugins_used(recipe):
        content["plugins"] = sorted([plugin.origin, plugin.code] for plugin in used)
    if annotate := dumped["annotate"]:
        content["annotate"] = annotate
    if sequence := dumped["sequence"]:
        read = [_without_places(source) for source in sequence["sources"]]
        content["sequence"] = {**sequence, "sources": read, "tokenizer": _without_places(sequence["tokenizer"])}
    if index := dumped["index"]:
        content["index"] = _index(index)
    if media := recipe.media.model_dump(mode="json", exclude_defaults=True):
        content["media"] = media
    return {**content, "name": recipe.name, "sources": sources, "filter": None}


def _index(dumped: Json) -> Json:
    """Without the places of its tables."""
    tables = {name: _without_places(dumped[name]) for name in ("items", "sequences") if dumped[name]}
    align = dumped["align"] and {
        **dumped["align"],
        "pairs": [_without_places(pair) for pair in dumped["align"]["pairs"]],
    }
    return {**dumped, **tables, "align": align}


def _without_places(fields: Json) -> Json:
    return {name: value for name, value in fields.items() if name not in ("path", "roots", "release")}


def build_manifest(run: Run, account: Account) -> Manifest:
    """Without the list of files, for the card and the report are among them and are written from the manifest. Raises
    msgspec.ValidationError where a stage's facts do not fit it, which is a mistake in the code."""
    recipe, filtering = run.recipe, _facts(run, "filter")
    shards = _facts_of_parts(run, "shard.write")
    fields = {
        "schema_version": contracts.VERSION,
        "name": recipe.name,
        **recipe.release.model_dump(mode="json"),
        "code_version": installed(PACKAGE),
        "recipe_digest": digest(content_of(recipe), filtering["policy"]),
        "seed": recipe.seed,
        "samples": sum(s["samples"] for s in shards),
        "shards": shards,
        "ledger": counts(account.tally),
        "sources": _sources(run, account),
        "opt_outs": _opt_outs(run),
        "media": _media(run),
        "dedup": {**recipe.dedup.model_dump(), "hash_version": HASH_VERSION, **_facts(run, "dedup")},
        "contamination": _facts(run, "contamination.find") if "contamination.find" in run.records else None,
        **{name: filtering[name] for name in ("policy", "scores", "histograms", "labels")},
        "funnel": with_conditions(recipe, filtering["funnel"]),
        "scorers": [{"name": s.name, "version": s.version} for s in scorers.of_recipe(recipe)],
        **plugins_used.section(recipe),
        **_annotations(run),
        **_model_servers(run),
        **_captions(run),
        **_source_columns(run),
        **({"sequences": summary(run)} if PACK in run.records else {}),
        **index_section.of_run(run),
        **codes_facts.sections(run),
        "tokenizer": _tokenizer(run),
        "cot": _cot(run),
        "difference": _difference(run, account),
        **deltas.section(run, account.deltas),
        "cost": cost(run, _WORK),
        "files": [],
    }
    return msgspec.convert(fields, Manifest)


def _facts(run: Run, stage: str) -> Json:
    """Of a stage with one part."""
    return run.records[stage].parts["all"].facts


def _facts_of_parts(run: Run, stage: str) -> list[Json]:
    """Of each part that has written a file, by the part's name."""
    if stage not in run.records:
        return []
    return [out.facts for _, out in sorted(run.records[stage].parts.items()) if out.files]


def _sources(run: Run, account: Account) -> list[Json]:
    inputs, cut, read = counted(account.tally, "source"), clips(run), _partitions(run)
    return [
        {
            "name": s.name,
            "type": s.type,
            "license": s.license,
            "inputs": inputs.get(s.name, 0),
            **cut.get(s.name, {}),
            **({"partitions": read[s.name]} if s.name in read else {}),
        }
        for s in run.recipe.sources
    ]


def _partitions(run: Run) -> dict[str, list[str]]:
    """Those that were read, by source."""
    parts = run.records["ingest"].parts.values()
    read = sorted({(source, name) for source, name in (p.facts["partition"] for p in parts if "partition" in p.facts)})
    return {source: [name for of, name in read if of == source] for source, _ in read}


def _opt_outs(run: Run) -> dict[str, int]:
    """Inputs that were excluded because their owners or servers opted out, by signal."""
    parts = run.records["ingest"].parts.values()
    total = sum((Counter(out.facts.get("opt_outs", {})) for out in parts), Counter[str]())
    return dict(sorted(total.items()))


def _media(run: Run) -> Json:
    media = run.recipe.media
    totals = run.records["shard.write"].counts if "shard.write" in run.records else {}
    earlier = _facts(run, "shard.assign").get("continues", {"media": {}})["media"]
    counted = Counter(totals) + Counter(earlier)
    cleaned = {name: n for name, n in sorted(counted.items()) if name not in ("samples", "bytes")}
    return {
        "exif": media.exif,
        "faces": "blur" if media.faces else "keep",
        "c2pa_opt_outs": media.c2pa_opt_outs,
        **cleaned,
    }


def _model_servers(run: Run) -> Json:
    """Nothing where the recipe has none."""
    return {"model_servers": asked_models(run)} if run.recipe.model_servers else {}


def _annotations(run: Run) -> Json:
    """The tracks of the recipe, if it has some."""
    made = [_track(run, track) for track in tracks(run.recipe)]
    return {"annotations": made} if made else {}


def _captions(run: Run) -> Json:
    """What models have written as captions, if they have."""
    if "annotate.captions" not in run.records:
        return {}
    [output] = run.records["annotate.captions"].parts.values()
    counts = {name.removeprefix("captions "): n for name, n in output.counts.items()}
    faults = {fault: counts[fault] for fault in sorted(counts.keys() - _NO_FAULTS)}
    section = {
        **output.facts[SUMMARY],
        "samples": counts["samples"],
        "written": counts["made"],
        "rejected": counts["rejected"],
        "faults": faults,
        "chosen": released_kinds(run),
    }
    return {"captions": section}


def _source_columns(run: Run) -> Json:
    """What sources say in their declared columns, and what of it fits no type."""
    if source_columns.STAGE not in run.records:
        return {}
    cells: dict[tuple[str, str], dict[str, int]] = {}
    for cell in _facts(run, source_columns.STAGE)["cells"]:
        counted = cells.setdefault((cell["source"], cell["column"]), {"values": 0, "misfits": 0})
        counted["values" if cell["fits"] else "misfits"] = cell["n"]
    rows = []
    for source in run.recipe.sources:
        for column, (type_, field) in source.fields_of_columns().items():
            counted = cells.get((source.name, column), {"values": 0, "misfits": 0})
            rows.append({"source": source.name, "column": column, "field": field, "type": type_, **counted})
    return {"source_columns": rows}


def _track(run: Run, track: Track) -> Json:
    record = run.records[track.stage]
    figures = dict(record.counts)
    samples, annotated, failed = (figures.pop(name, 0) for name in ("samples", "with", "failed"))
    values, failures = Counter[str](), Counter[str]()
    for part in record.parts.values():
        values.update(part.facts[VALUES])
        failures.update(part.facts[FAILURES])
    return {
        "name": track.name,
        "version": track.version,
        "models": [asdict(model) for model in track.models],
        "samples": samples,
        "annotated": annotated,
        "of_samples": track.of_samples,
        "failed": failed,
        "figures": dict(sorted(figures.items())),
        "value_name": track.value_name,
        "values": dict(sorted(values.items())),
        "failures": dict(sorted(failures.items())),
        "in_samples": track.in_samples,
    }


def _tokenizer(run: Run) -> Json | None:
    if "tokenize.fit" not in run.records:
        return None
    [fitted] = run.records["tokenize.fit"].parts.values()
    entry = run.lock.content.tokenizer
    fit = {"fit": _fit(entry)} if entry is not None and entry.id == fitted.facts["id"] else {}
    return {**fitted.facts, "tokens": run.records["tokenize.encode"].counts.get("tokens", 0), **fit}


def _fit(entry: LockedTokenizer) -> Json:
    on = entry.fitted_on
    return {"settings": entry.settings, "samples": on.samples, "samples_digest": on.digest}


def _cot(run: Run) -> Json:
    if "cot.mix" not in run.records:
        return {}
    mixed = {name: value for name, value in _facts(run, "cot.mix").items() if name != "next_cot_shards"}
    section = {"shards": _facts_of_parts(run, "cot.write"), **mixed, **_texts(run)}
    rule = run.recipe.question_contamination
    if rule is None:
        return section
    pictures = _facts(run, "contamination.pictures")
    questions = run.records["cot.decontaminate"].counts.get("contaminated", 0)
    return {**section, "decontamination": {**rule.model_dump(), **pictures, "questions": questions}}


def _texts(run: Run) -> Json:
    """Records without pictures by source and licence, if there are sources of them."""
    if TEXTS not in run.records:
        return {}
    by_source: dict[str, Counter[str]] = {}
    for out in run.records[TEXTS].parts.values():
        by_source.setdefault(out.facts["source"], Counter()).update(out.facts["licenses"])
    return {"texts": [{"name": name, "records": dict(sorted(n.items()))} for name, n in sorted(by_source.items())]}


def _difference(run: Run, account: Account) -> Difference | None:
    previous = run.recipe.release.previous
    if previous is None:
        return None
    ledger = run.engine.scan(run.workspace, account.files, contracts.LEDGER)
    return difference(run.engine, ledger, open_release(previous))
