"""A tokenizer stays fitted: what the recipe's lock keeps, and for how long."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image
from support.small_corpus import digests, manifest

from dataengine import pipeline
from dataengine.config import lock, recipe
from dataengine.errors import RunError, UsageError
from dataengine.progress import StageReport
from dataengine.testing import InProcess, picture, write_corpus, write_recipe
from dataengine.tokenize import stage
from dataengine.tokenize.base import Codes
from dataengine.tokenize.patches import Patches
from dataengine.tokenize.product import ProductTokenizer

pytestmark = pytest.mark.slow  # runs of seconds

PRODUCT = {"name": "product", "codebooks": 2, "entries": 8, "max_tokens": 64}
TOKENIZE = {"tokenizer": PRODUCT, "held_out": 0.3, "device": "cpu"}


class Case:
    """A recipe over pictures of two sizes, of which a threshold keeps some."""

    def __init__(self, folder: Path, **changes: Any) -> None:
        self.folder, self.changes = folder, changes
        folder.mkdir(exist_ok=True)
        self.threshold(1)

    def threshold(self, width: int, **tokenize: Any) -> Case:
        write_recipe(self.folder, **{"tokenize": TOKENIZE | tokenize, **self.changes})
        rule = {"name": "wide", "keep": f"width >= {width}", "on_missing": "drop", "reason": "narrow"}
        (self.folder / "policy.yaml").write_text(yaml.safe_dump({"name": "all", "version": "1", "rules": [rule]}))
        return self

    @property
    def lock(self) -> Path:
        return self.folder / "recipe.lock"

    @property
    def release(self) -> Path:
        return self.folder / "ws" / "releases" / "test"

    def run(self, **options: Any) -> dict[str, StageReport]:
        loaded = recipe.load(self.folder / "recipe.yaml")
        return {r.name: r for r in pipeline.execute(loaded, engine=InProcess(), **options)}

    def forget_tokenizers(self) -> None:
        """As a workspace in which none was fitted."""
        shutil.rmtree(self.folder / "ws" / "tokenizers")
        for commits in (self.folder / "ws" / "stages").glob("tokenize.*"):
            shutil.rmtree(commits)

    def tokenizer(self) -> Mapping[str, Any]:
        fitted: Mapping[str, Any] = manifest(self.release)["tokenizer"]
        return fitted


def corpus(folder: Path, narrow: int = 4) -> None:
    """Four pictures 320 pixels wide, and narrower ones from 304 down by 16."""
    write_corpus(folder, images=4)
    for n in range(narrow):
        Image.fromarray(picture(100 + n, 304 - 16 * n)).save(folder / f"narrow-{n}.png")


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """A finished run over eight pictures, of which the wider half is kept; not to be changed."""
    folder = tmp_path_factory.mktemp("fitted")
    corpus(folder / "in")
    case = Case(folder).threshold(320)
    case.run()
    assert manifest(case.release)["samples"] == 4
    return case


@pytest.fixture
def case(fitted: Case, tmp_path: Path) -> Case:
    """The finished run again, lock included, to be changed."""
    shutil.copytree(fitted.folder, tmp_path, dirs_exist_ok=True)
    again = Case(tmp_path)
    return again.threshold(320)


def test_a_fit_writes_a_lock_that_says_what_it_was_fitted_on(fitted: Case) -> None:
    kept, shown = lock.read(str(fitted.lock)), fitted.tokenizer()
    assert kept is not None and kept.tokenizer is not None
    assert kept.tokenizer.id == shown["id"] and kept.tokenizer.facts["codebook_sizes"] == [8, 8]
    assert kept.tokenizer.fitted_on.samples == 3 and kept.tokenizer.fitted_on.held_out_below
    assert shown["fit"] == {
        "settings": kept.tokenizer.settings,
        "samples": 3,
        "samples_digest": kept.tokenizer.fitted_on.digest,
    }
    assert f"`{kept.tokenizer.fitted_on.digest}`" in (fitted.release / "README.md").read_text()
    assert set(kept.tokenizer.files) == {"tokenizer", "config", "card"}


def test_no_tokenizer_is_loaded_where_samples_only_leave(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    case.threshold(1).run()
    monkeypatch.setattr(stage, "load", None)
    assert case.threshold(300).run()["tokenize.encode"].made
    assert manifest(case.release)["samples"] == 5


def test_a_moved_threshold_keeps_the_tokenizer_and_encodes_only_what_is_new(
    fitted: Case, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, given, encode = case.lock.read_bytes(), list[int](), ProductTokenizer.encode

    def counted(self: ProductTokenizer, prepared: Sequence[Patches]) -> list[Codes]:
        given.append(len(prepared))
        return encode(self, prepared)

    monkeypatch.setattr(ProductTokenizer, "encode", counted)
    reports = case.threshold(1).run()
    assert reports["tokenize.fit"].state == "up to date" and reports["filter"].made == 1
    assert manifest(case.release)["samples"] == 8
    assert case.tokenizer()["id"] == fitted.tokenizer()["id"] and case.tokenizer()["fit"] == fitted.tokenizer()["fit"]
    assert case.lock.read_bytes() == before
    assert sum(given) == 4, "of eight in one part"
    case.threshold(320).run()
    assert digests(case.release) == digests(fitted.release), "and back to the same bytes"


def test_the_same_recipe_and_lock_give_the_same_bytes_whatever_the_workspace_has_seen(
    case: Case, tmp_path: Path
) -> None:
    """One workspace goes from the fit to a looser threshold; the other has fitted on all pictures."""
    other = Case(tmp_path / "other")
    shutil.copytree(case.folder / "in", other.folder / "in")
    shutil.copytree(case.folder / "ws" / "tokenizers", other.folder / "ws" / "tokenizers")
    other.threshold(1).run()
    assert other.tokenizer()["id"] != case.tokenizer()["id"]
    shutil.copy(case.lock, other.lock)
    for one in (case, other):
        one.threshold(1).run()
    assert digests(other.release) == digests(case.release)


def test_a_new_batch_is_encoded_by_the_tokenizer_of_the_lock(case: Case, tmp_path: Path) -> None:
    corpus(tmp_path / "in", 6)
    case.threshold(1).run()
    assert manifest(case.release)["samples"] == 10
    assert case.tokenizer()["fit"]["samples"] == 3


@pytest.mark.parametrize("how", ["refit", "deleted", "settings"])
def test_it_is_fitted_anew_on_request_and_with_other_settings(fitted: Case, case: Case, how: str) -> None:
    changed: dict[str, Any] = {"refit": {"refit": True}, "settings": {"fit_samples": 4}}.get(how, {})
    if how == "deleted":
        case.lock.unlink()
    case.threshold(1, **changed)
    if how != "refit":
        with pytest.raises(UsageError, match=r"--locked: .*recipe\.lock.*Run without --locked"):
            case.run(locked=True)
    reports = case.run()
    assert reports["tokenize.fit"].state == "done"
    kept = lock.read(str(case.lock))
    assert kept is not None and kept.tokenizer is not None and kept.tokenizer.id == case.tokenizer()["id"]
    assert kept.tokenizer.id != fitted.tokenizer()["id"]
    assert f"tokenizer {kept.tokenizer.id} is kept by {case.lock}" in reports["tokenize.fit"].note
    reason = {"refit": "`tokenize.refit` is set", "settings": "was fitted with other settings"}.get(how, "")
    assert reason in reports["tokenize.fit"].note
    assert ("fitted anew" in reports["tokenize.fit"].note) == bool(reason)


def test_locked_goes_on_where_the_lock_stays_and_stops_before_anything_runs_where_not(
    case: Case, tmp_path: Path
) -> None:
    case.threshold(1).run(locked=True)
    case.threshold(1, refit=True)
    with pytest.raises(UsageError, match=r"--locked: `tokenize\.refit` is set"):
        case.run(locked=True)
    new = Case(tmp_path / "new")
    write_corpus(new.folder / "in", images=2)
    with pytest.raises(UsageError, match=r"--locked: .*recipe\.lock names no tokenizer"):
        new.run(locked=True)
    assert not (new.folder / "ws").exists()


def test_a_dry_run_reads_the_lock_and_writes_none(case: Case, tmp_path: Path) -> None:
    assert case.threshold(1).run(dry_run=True)["tokenize.fit"].state == "up to date"
    case.lock.unlink()
    assert case.run(dry_run=True)["tokenize.fit"].state == "waiting"
    assert not case.lock.exists()


def test_a_lock_is_written_again_without_a_fit_where_the_workspace_has_it(fitted: Case, case: Case) -> None:
    case.lock.unlink()
    assert case.run()["tokenize.fit"].made == 0
    assert case.lock.read_bytes() == fitted.lock.read_bytes()


def test_in_another_workspace_the_same_tokenizer_is_fitted_again(fitted: Case, case: Case) -> None:
    before = case.lock.read_bytes()
    case.forget_tokenizers()
    assert case.run(locked=True)["tokenize.fit"].state == "done"
    assert case.lock.read_bytes() == before and digests(case.release) == digests(fitted.release)


def test_in_another_workspace_with_other_samples_the_run_stops_and_says_what_to_do(case: Case) -> None:
    case.forget_tokenizers()
    case.threshold(1)
    with pytest.raises(RunError) as error:
        case.run()
    name = lock.read(str(case.lock))
    assert name is not None and name.tokenizer is not None
    text = str(error.value)
    assert f"{case.lock} names tokenizer {name.tokenizer.id}, but it is not in this workspace" in text
    assert "its 3 samples were others" in text and "tokenize.refit" in text and "name: checkpoint" in text
    assert case.run(dry_run=True)["tokenize.fit"].state == "pending", "status only says what would run"


def test_a_folder_that_cannot_be_written_does_not_stop_the_run(case: Case, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    case.changes = {"lock": str(tmp_path / "file" / "r.lock")}
    note = case.threshold(320).run()["tokenize.fit"].note
    assert "is in no lock, so a moved threshold fits it again" in note and str(tmp_path / "file" / "r.lock") in note


def test_the_lock_may_lie_in_the_workspace(fitted: Case, case: Case, tmp_path: Path) -> None:
    case.changes = {"lock": "{workspace}/kept.lock"}
    case.threshold(320).run()
    assert (tmp_path / "ws" / "kept.lock").read_bytes() == fitted.lock.read_bytes()


def test_a_checkpoint_that_has_changed_under_its_path_is_noticed(case: Case, tmp_path: Path) -> None:
    """A tokenizer from elsewhere is pinned by its bytes."""
    given, folder = tmp_path / "given", case.folder / "ws" / "tokenizers"
    [first] = folder.iterdir()
    case.threshold(320, fit_samples=2).run(only="tokenize.fit")
    [second] = set(folder.iterdir()) - {first}
    shutil.copytree(first, given)
    case.changes = {"tokenize": {"tokenizer": {"name": "checkpoint", "path": str(given)}}}
    case.threshold(320).run(only="tokenize.fit")
    assert case.run(only="tokenize.fit", locked=True)["tokenize.fit"].note == ""
    shutil.copy(second / "tokenizer.safetensors", given)
    with pytest.raises(UsageError, match=r"--locked: .*other settings"):
        case.run(only="tokenize.fit", locked=True)
    assert f"tokenizer {second.name} is kept by" in case.run(only="tokenize.fit")["tokenize.fit"].note
