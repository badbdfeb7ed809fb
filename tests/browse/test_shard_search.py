"""Finding samples in shards by a few ranged reads: the right bytes of any sample, whatever lies beside it, from a small part of
the tar."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dataengine.browse.shard_search import ShardSearch
from dataengine.contracts import sample_id
from dataengine.shards.manifest import Shard
from dataengine.storage.store import Store
from dataengine.storage.tar import BLOCK, header, write_tar

SAMPLES = 600
NAME = "train-image-00000"


class Made:
    """A shard of pictures that are random bytes. ``sizes``: of one at a position."""

    def __init__(self, folder: Path, sizes: Callable[[int], int], forge: bool = False) -> None:
        random = np.random.default_rng(5)
        self.media: dict[str, bytes] = {}
        pictures = [random.bytes(sizes(position)) for position in range(SAMPLES)]
        self.ids = [sample_id(data)[0] for data in pictures]
        if forge:  # a picture that looks like the beginning of another sample, at every block
            false = header(f"{self.ids[500]}.jpg", 8).ljust(2 * BLOCK, b"x") * 60
            pictures[250] = false
            self.ids[250] = sample_id(false)[0]
        members = []
        for id_, data in zip(self.ids, pictures, strict=True):
            facts = {"id": id_, "kind": "image", "ext": "png", "bytes": len(data), "more": "x" * 300}
            members += [(f"{id_}.jpg", data), (f"{id_}.txt", b"caption"), (f"{id_}.json", json.dumps(facts).encode())]
            self.media[id_] = data
        self.path = folder / "shards" / f"{NAME}.tar"
        self.path.parent.mkdir()
        out = io.BytesIO()
        self.bytes = write_tar(out, members).bytes
        self.path.write_bytes(out.getvalue())
        places = {id_: (NAME, position) for position, id_ in enumerate(self.ids)}
        shard = Shard(NAME, "train", "image", "0" * 64, self.bytes, SAMPLES)
        self.search = ShardSearch(Store(folder), [shard], places.get)

    def found(self, position: int) -> bytes:
        members = self.search.members(self.ids[position])
        assert (members.kind, members.ext, members.tar) == ("image", "png", f"shards/{NAME}.tar")
        assert members.extents.keys() == {"jpg", "txt", "json"}
        return self.search.store.get_range(members.tar, *members.media)


SIZES: dict[str, Callable[[int], int]] = {
    "alike": lambda position: 30_000 + position,
    "small": lambda position: 100 + position,
    "uneven": lambda position: 400_000 if position % 97 == 3 else 2_000 + 150 * (position % 50),
    "growing": lambda position: 20 + position * position // 6,
}


@pytest.mark.parametrize("kind", SIZES)
def test_any_sample_is_found_in_a_few_reads(tmp_path: Path, kind: str) -> None:
    for order in ([0, SAMPLES - 1, 300, 299, 17], [599, 301]):
        folder = tmp_path / str(len(order))
        folder.mkdir()
        made = Made(folder, SIZES[kind])
        for position in order:
            assert made.found(position) == made.media[made.ids[position]]
        assert made.search.reads < 40 * len(order)
        assert made.search.read_bytes < made.bytes // 4 + 1_500_000


def test_what_is_known_of_a_shard_is_used_again(tmp_path: Path) -> None:
    made = Made(tmp_path, SIZES["alike"])
    made.found(300)
    before = made.search.reads
    made.found(301)
    made.found(303)
    assert made.search.reads - before < 12


def test_bytes_that_look_like_a_sample_mislead_no_search(tmp_path: Path) -> None:
    made = Made(tmp_path, SIZES["alike"], forge=True)
    for position in (240, 249, 250, 251, 260, 500):
        assert made.found(position) == made.media[made.ids[position]]


def test_samples_that_are_not_there_or_damaged(tmp_path: Path) -> None:
    made = Made(tmp_path, SIZES["uneven"])
    with pytest.raises(KeyError):
        made.search.members("0" * 32)
    data = bytearray(made.path.read_bytes())
    at = data.index(f"{made.ids[400]}.json".encode())
    data[at : at + BLOCK] = b"\xff" * BLOCK
    made.path.write_bytes(data)
    with pytest.raises(KeyError):
        made.found(400)
    assert made.found(100) == made.media[made.ids[100]] and made.found(599) == made.media[made.ids[599]]
