"""Release stage: balances the ledger, then publishes ledger, card, descriptions and report and, last, the manifest."""

from __future__ import annotations

import hashlib
from importlib.metadata import version as installed
from typing import Any

from dataengine import contracts
from dataengine.config.recipe import Recipe
from dataengine.errors import RunError, UsageError
from dataengine.release.account import Account, account
from dataengine.release.card import card
from dataengine.release.croissant import croissant
from dataengine.release.examples import choose, few
from dataengine.release.html_report import page
from dataengine.release.ledger import counts
from dataengine.release.manifest import Manifest
from dataengine.release.manifest_sections import ReleaseFile
from dataengine.release.reader import open_release
from dataengine.release.run_manifest import PACKAGE, build_manifest, content_of
from dataengine.release.spdx import spdx
from dataengine.release.thumbnails import thumbnails
from dataengine.shards.json_types import plain
from dataengine.stage import Run, TableStage
from dataengine.storage.workspace import File, Output, Workspace, digest, roles


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
        return [content_of(recipe), recipe.release.thumbnails, installed(PACKAGE)]

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
        accounted = account(run, base)
        files = roles("ledger", accounted.files)
        manifest = build_manifest(run, accounted)
        files["card"] = _put(run, f"{base}/README.md", card(manifest).encode())
        for name, write in (("croissant", croissant), ("spdx", spdx)):
            files[name] = _put(run, f"{base}/{name}.json", write(manifest, accounted.files, base))
        files["report"] = _put(run, f"{base}/report.html", _report(run, manifest, accounted))
        manifest.files = [
            ReleaseFile(f.key.removeprefix(f"{base}/"), f.sha256, f.bytes) for f in (*files.values(), *_tars(run))
        ]
        _delete_others(run, base, manifest)
        files["manifest"] = _publish(run, f"{base}/manifest.json", manifest.to_bytes())
        return Output(files, counts(accounted.tally)["outcome"])


def _report(run: Run, manifest: Manifest, accounted: Account) -> bytes:
    ledger = run.engine.scan(run.workspace, accounted.files, contracts.LEDGER)
    count = run.recipe.release.thumbnails
    examples = choose(few(run.engine, ledger, count), count)
    return page(manifest, examples, thumbnails(run, examples.shown))


def _tars(run: Run) -> list[File]:
    records = [run.records[name] for name in ("shard.write", "cot.write") if name in run.records]
    return [f for record in records for f in record.files("tar")]


def _put(run: Run, key: str, data: bytes) -> File:
    run.workspace.store.put(key, data)
    return File(key, hashlib.sha256(data).hexdigest(), len(data))


def _delete_others(run: Run, base: str, manifest: Manifest) -> None:
    """Delete what an earlier release of this name left behind, but for a manifest, which is another run's."""
    wanted = {f"{base}/{path}" for path in ("manifest.json", *(f.path for f in manifest.files))}
    run.workspace.store.delete([e.key for e in run.workspace.store.list(base) if e.key not in wanted])


def _publish(run: Run, key: str, data: bytes) -> File:
    """The manifest completes the release. Raises RunError where another run has written one since this one began."""
    store = run.workspace.store
    if not store.create(key, data) and store.get(key) != data:
        raise RunError(f"{store.uri(key)}: another run has published this release meanwhile; run one at a time")
    return File(key, hashlib.sha256(data).hexdigest(), len(data))
