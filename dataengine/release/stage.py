"""Release: balance the ledger, then publish ledger, card and, last, the manifest."""

from __future__ import annotations

import hashlib
from collections import Counter
from importlib.metadata import version as installed
from typing import Any

import msgspec

from dataengine import contracts
from dataengine.config.recipe import Recipe
from dataengine.errors import RunError, UsageError
from dataengine.media.image.phash import VERSION as HASH_VERSION
from dataengine.release.account import Account, account, clips, cost
from dataengine.release.card import card
from dataengine.release.croissant import croissant
from dataengine.release.difference import difference
from dataengine.release.examples import choose, few
from dataengine.release.html_report import page
from dataengine.release.ledger import counted, counts
from dataengine.release.manifest import Difference, Manifest, ReleaseFile
from dataengine.release.reader import open_release
from dataengine.release.spdx import spdx
from dataengine.release.thumbnails import thumbnails
from dataengine.score.factory import build as build_scorers
from dataengine.shards.json_types import plain
from dataengine.stage import Run, TableStage
from dataengine.storage.workspace import File, Output, Workspace, digest, roles

_CONTENT = ("seed", "limits", "dedup", "score", "filter", "tokenize", "shard", "cot", "release")
#: Of what the release needs, the stages that touch media or text.
_WORK = ("ingest", "score", "tokenize.fit", "tokenize.encode", "shard.write", "cot.write")


def content_of(recipe: Recipe) -> dict[str, Any]:
    """The part of a recipe that a release depends on: no path, no engine, no worker count."""
    dumped = recipe.model_dump(mode="json")
    sources = [{k: v for k, v in s.items() if k != "path"} for s in dumped["sources"]]
    screened = dumped["contamination"]
    if screened:
        named = [{k: v for k, v in b.items() if k != "path"} for b in screened["benchmarks"]]
        screened = {"contamination": {**screened, "benchmarks": named}}
    content = {k: dumped[k] for k in _CONTENT} | (screened or {})
    if wished := recipe.media.model_dump(mode="json", exclude_defaults=True):
        content["media"] = wished
    return {**content, "name": recipe.name, "sources": sources, "filter": None}


class ReleaseStage(TableStage):
    """Publishes nothing unless every input is accounted for."""

    name = "release"
    version = "4"
    needs = (
        *("ingest", "dedup", "score", "contamination.find", "filter", "tokenize.fit", "tokenize.encode"),
        *("shard.assign", "shard.write", "cot.mix", "cot.write"),
    )
    in_place = True

    def settings(self, recipe: Recipe) -> Any:
        return [content_of(recipe), recipe.release.thumbnails, installed("dataengine-multimodal")]

    def validate(self, recipe: Recipe) -> None:
        previous, own = recipe.release.previous, Workspace(recipe.workspace).store.uri(f"releases/{recipe.name}")
        if previous is None:
            return
        if open_release(previous).store.url.rstrip("/") == own:
            raise UsageError(f"release.previous is this release itself ({own}): name a copy of an earlier one")

    def key(self, run: Run) -> str:
        """An earlier release that this one is compared with is an input."""
        previous = run.recipe.release.previous
        key = super().key(run)
        return key if previous is None else digest(key, plain(open_release(previous).manifest))

    def compute(self, run: Run, key: str) -> Output:
        base = f"releases/{run.recipe.name}"
        made = account(run, base)
        files = roles("ledger", made.files)
        manifest = self._manifest(run, made)
        files["card"] = self._put(run, f"{base}/README.md", card(manifest).encode())
        for name, form in (("croissant", croissant), ("spdx", spdx)):
            files[name] = self._put(run, f"{base}/{name}.json", form(manifest, made.files, base))
        files["report"] = self._put(run, f"{base}/report.html", self._report(run, manifest, made))
        manifest.files = [self._listed(f, base) for f in (*files.values(), *self._tars(run))]
        self._tidy(run, base, {f"{base}/{f.path}" for f in manifest.files})
        files["manifest"] = self._publish(run, f"{base}/manifest.json", manifest.to_bytes())
        return Output(files, counts(made.told)["outcome"])

    def _report(self, run: Run, manifest: Manifest, made: Account) -> bytes:
        ledger = run.engine.scan(run.workspace, made.files, contracts.LEDGER)
        count = run.recipe.release.thumbnails
        examples = choose(few(run.engine, ledger, count), count)
        return page(manifest, examples, thumbnails(run, examples.shown))

    def _manifest(self, run: Run, made: Account) -> Manifest:
        """Without the list of files, which the card and the report are part of."""
        recipe, told = run.recipe, counts(made.told)
        filtering = run.records["filter"].parts["all"].facts
        shards = self._facts(run, "shard.write")
        mentions, cut = counted(made.told, "source"), clips(run)
        fields = {
            "schema_version": contracts.VERSION,
            "name": recipe.name,
            **recipe.release.model_dump(mode="json"),
            "code_version": installed("dataengine-multimodal"),
            "recipe_digest": digest(content_of(recipe), filtering["policy"]),
            "seed": recipe.seed,
            "samples": sum(s["samples"] for s in shards),
            "shards": shards,
            "ledger": told,
            "sources": [
                {
                    "name": s.name,
                    "type": s.type,
                    "license": s.license,
                    "inputs": mentions.get(s.name, 0),
                    **cut.get(s.name, {}),
                }
                for s in recipe.sources
            ],
            "opt_outs": self._opt_outs(run),
            "media": {
                "exif": recipe.media.exif,
                "faces": "blur" if recipe.media.faces else "keep",
                "respect": recipe.media.respect,
                **self._cleaned(run),
            },
            "dedup": {
                **recipe.dedup.model_dump(),
                "hash_version": HASH_VERSION,
                **run.records["dedup"].parts["all"].facts,
            },
            "contamination": self._contamination(run),
            "policy": filtering["policy"],
            "funnel": filtering["funnel"],
            "scores": filtering["scores"],
            "scorers": [{"name": s.name, "version": s.version} for s in build_scorers(recipe.score.scorers)],
            "tokenizer": self._tokenizer(run),
            "cot": self._cot(run),
            "difference": self._difference(run, made),
            "cost": cost(run, _WORK),
            "files": [],
        }
        return msgspec.convert(fields, Manifest)

    def _difference(self, run: Run, made: Account) -> Difference | None:
        previous = run.recipe.release.previous
        if previous is None:
            return None
        ledger = run.engine.scan(run.workspace, made.files, contracts.LEDGER)
        return difference(run.engine, ledger, open_release(previous))

    def _contamination(self, run: Run) -> dict[str, Any] | None:
        record = run.records.get("contamination.find")
        return record.parts["all"].facts if record is not None else None

    def _opt_outs(self, run: Run) -> dict[str, int]:
        """Inputs that whoever made or serves them did not want used, by signal."""
        parts = run.records["ingest"].parts.values()
        total = sum((Counter(out.facts.get("opt_outs", {})) for out in parts), Counter[str]())
        return dict(sorted(total.items()))

    def _cleaned(self, run: Run) -> dict[str, int]:
        counted = run.records["shard.write"].counts if "shard.write" in run.records else {}
        return {name: n for name, n in sorted(counted.items()) if name not in ("samples", "bytes")}

    def _facts(self, run: Run, stage: str) -> list[dict[str, Any]]:
        if stage not in run.records:
            return []
        return [out.facts for _, out in sorted(run.records[stage].parts.items()) if out.files]

    def _tokenizer(self, run: Run) -> dict[str, Any] | None:
        if "tokenize.fit" not in run.records:
            return None
        [fitted] = run.records["tokenize.fit"].parts.values()
        return {**fitted.facts, "tokens": run.records["tokenize.encode"].counts.get("tokens", 0)}

    def _cot(self, run: Run) -> dict[str, Any]:
        if "cot.mix" not in run.records:
            return {"shards": [], "modes": {}, "rejected": {}}
        return {"shards": self._facts(run, "cot.write"), **run.records["cot.mix"].parts["all"].facts}

    def _tars(self, run: Run) -> list[File]:
        records = [run.records[name] for name in ("shard.write", "cot.write") if name in run.records]
        return [f for record in records for f in record.files("tar")]

    def _put(self, run: Run, key: str, data: bytes) -> File:
        run.workspace.store.put(key, data)
        return File(key, hashlib.sha256(data).hexdigest(), len(data))

    def _publish(self, run: Run, key: str, data: bytes) -> File:
        """The manifest makes the release; where another run has written one since this began, that one stays."""
        store = run.workspace.store
        if not store.create(key, data) and store.get(key) != data:
            raise RunError(f"{store.uri(key)}: another run has published this release meanwhile; run one at a time")
        return File(key, hashlib.sha256(data).hexdigest(), len(data))

    def _listed(self, file: File, base: str) -> ReleaseFile:
        return ReleaseFile(file.key.removeprefix(f"{base}/"), file.sha256, file.bytes)

    def _tidy(self, run: Run, base: str, wanted: set[str]) -> None:
        """Delete what an earlier release of this name left behind; a manifest that is there is another run's."""
        wanted |= {f"{base}/manifest.json"}
        run.workspace.store.delete([e.key for e in run.workspace.store.list(base) if e.key not in wanted])
