"""A small corpus cut from the demo corpus, recipes over it, and ways to run and compare them."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from support.command import COMMAND, Completed, dataengine, dataengine_process

NAME = "small"

PHOTOS = (
    *("animals/cheetah-cub.jpg", "animals/cheetah-face.jpg", "animals/kitten.bmp", "animals/quokka.jpg"),
    *("drawings/horse.png", "drawings/toy-bus.png", "places/dahlia.jpg", "textures/motion-blur.png"),
    *("copies/cheetah-face.jpg", "copies/cheetah-cub-half.jpg", "copies/kitten.gif"),
    *("broken/cut-off.jpg", "broken/empty.jpg", "broken/error-page.jpg", "broken/caption-only.txt"),
)
VIDEOS = ("concert/singer.mp4", "copies/duet.mp4", "street/taxi.mkv", "street/cyclist-and-van.webm", "broken/notes.mp4")
ROWS = ("images/cyclist.webp", "images/kitten.bmp", "images/old-bicycle.jpg", "images/never-downloaded.jpg")
MEMBERS = ("000000001", "000000002", "000000003", "000000006", "000000011")

#: Inputs that cannot be read, as the corpus' labels say, with the class of their failure.
BAD = {
    ("photos", "broken/cut-off.jpg"): "truncated",
    ("photos", "broken/empty.jpg"): "empty",
    ("photos", "broken/error-page.jpg"): "not_media",
    ("photos", "broken/caption-only.txt"): "missing",
    ("videos", "broken/notes.mp4"): "not_media",
    ("table", "captions.jsonl#images/never-downloaded.jpg"): "missing",
    ("table", "captions.jsonl#row 5"): "bad_row",
    ("web", "00000.tar#000000011.jpg"): "truncated",
}
INPUTS = len(PHOTOS) + len(VIDEOS) + len(ROWS) + 1 + len(MEMBERS)

POLICY = {
    "name": "small",
    "version": "1",
    "description": "Drops what is tiny or out of focus.",
    "rules": [
        {"name": "side", "keep": "width >= 96 and height >= 96", "on_missing": "drop", "reason": "tiny"},
        {"name": "blur", "keep": "blur >= 50", "on_missing": "drop", "reason": "out of focus"},
    ],
}


def cut(corpus: Path, target: Path) -> Path:
    """Copy the chosen inputs of the demo corpus to ``target``: two folders, a JSONL and a tar."""
    for source, names in (("photos", PHOTOS), ("videos", VIDEOS)):
        for name in names:
            for path in (corpus / source / name).parent.glob(f"{Path(name).stem}.*"):
                if path.name == Path(name).name or path.suffix in (".txt", ".json"):
                    _copy(path, target / source / path.relative_to(corpus / source))
    table = target / "table"
    lines = (corpus / "table" / "captions.jsonl").read_text().splitlines()
    rows = [line for line in lines if any(f'"{name}"' in line for name in ROWS)]
    for name in ROWS:
        if (corpus / "table" / name).exists():
            _copy(corpus / "table" / name, table / name)
    (table / "captions.jsonl").write_text("\n".join([*rows, "{this is no row"]) + "\n")
    _cut_tar(corpus / "web" / "00000.tar", target / "web" / "00000.tar")
    return target


def _copy(path: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(path, to)


def _cut_tar(path: Path, to: Path) -> None:
    to.parent.mkdir(parents=True)
    with tarfile.open(path) as old, tarfile.open(to, "w") as new:
        for member in old:
            if member.name.partition(".")[0] in MEMBERS:
                new.addfile(member, old.extractfile(member))


@dataclass(frozen=True)
class Setup:
    """A recipe file over a corpus and a workspace (folder or URL)."""

    folder: Path
    corpus: str
    workspace: str
    changes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def recipe(self) -> Path:
        return self.folder / "recipe.yaml"

    @property
    def lock(self) -> Path:
        return self.folder / "recipe.lock"

    @property
    def policy(self) -> Path:
        return self.folder / "policy.yaml"

    @property
    def release(self) -> Path:
        return Path(self.workspace, "releases", NAME)

    def content(self) -> dict[str, Any]:
        return {
            "name": NAME,
            "workspace": self.workspace,
            "seed": 7,
            "sources": [
                {"type": "folder", "name": "photos", "path": f"{self.corpus}/photos", "buckets": 3},
                {"type": "folder", "name": "videos", "path": f"{self.corpus}/videos", "buckets": 2},
                {"type": "table", "name": "table", "path": f"{self.corpus}/table/captions.jsonl", "buckets": 1},
                {"type": "webdataset", "name": "web", "path": f"{self.corpus}/web/*.tar"},
            ],
            "limits": {"bytes": "16 MB", "pixels": 50_000_000, "frames": 20_000, "seconds": 300},
            "dedup": {"radius": 8},
            "score": {"scorers": [{"name": "technical"}], "device": "cpu"},
            "filter": {"policy": str(self.policy)},
            "tokenize": {"tokenizer": {"name": "product", "codebooks": 4, "entries": 32, "max_tokens": 256}},
            "shard": {"target_bytes": "150 KB", "splits": {"train": 0.7, "validation": 0.3}},
            "cot": {"mix": "even", "questions_per_sample": 2},
            "release": {"title": "Small", "license": "other", "description": "Made to test."},
            **self.changes,
        }

    def write(self, policy: Mapping[str, Any] = POLICY) -> Setup:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.recipe.write_text(yaml.safe_dump(self.content(), sort_keys=False))
        self.policy.write_text(yaml.safe_dump(dict(policy), sort_keys=False))
        return self

    def run(self, *arguments: str, command: str = "run", ok: bool = True, process: bool = False) -> Completed:
        """Run the command in this process, or in one of its own: workers then have the test's environment."""
        call = dataengine_process if process else dataengine
        return call(command, str(self.recipe), *arguments, ok=ok)

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """The run in a session of its own, to be killed whole."""
        return subprocess.Popen(
            [COMMAND, "run", str(self.recipe), *arguments],
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


def kill_session(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL to the run and everything that it started, as when a machine is taken away."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            session = int(stat.read_text().rpartition(")")[2].split()[3])
            if session == process.pid:
                os.kill(int(stat.parent.name), signal.SIGKILL)
        except (FileNotFoundError, ProcessLookupError):
            continue
    process.wait()


def stage_lines(stdout: str) -> dict[str, tuple[str, int]]:
    """State and number of parts made of each stage, from the command's table."""
    found = {}
    for line in stdout.splitlines():
        words = line.replace("up to date", "up-to-date").split()
        if len(words) >= 2 and words[1] in ("done", "up-to-date", "pending", "waiting"):
            made = int(words[2].partition("/")[0]) if len(words) > 2 and "/" in words[2] else 0
            found[words[0]] = (words[1], made)
    assert found, stdout
    return found


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below a folder."""
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def times(folder: Path) -> dict[str, int]:
    """When each file below a folder was last written."""
    return {str(p.relative_to(folder)): p.stat().st_mtime_ns for p in sorted(folder.rglob("*")) if p.is_file()}


def ledger(release: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(release / "ledger.parquet").to_pylist()
    return rows


def manifest(release: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((release / "manifest.json").read_bytes())
    return loaded


def members(paths: list[Path]) -> dict[str, bytes]:
    """All members of some tars; a name that stands twice is an error."""
    found: dict[str, bytes] = {}
    for path in paths:
        with tarfile.open(path) as archive:
            for member in archive:
                assert member.name not in found, member.name
                handle = archive.extractfile(member)
                assert handle is not None
                found[member.name] = handle.read()
    return found


def rows_of(folder: Path) -> pa.Table:
    return pa.concat_tables([pq.read_table(p) for p in sorted(folder.glob("*.parquet"))])


def read_npy(data: bytes) -> Any:
    import numpy as np

    return np.load(io.BytesIO(data), allow_pickle=False)


def user() -> str:
    return os.environ.get("USER") or os.environ.get("LOGNAME") or Path.home().name
