"""Near-duplicate texts by datatrove's MinHash: signatures of each file of a corpus by itself, then clusters of all.

The first of near-duplicates stays, in the order of files and rows. datatrove itself would keep whichever text its union of
clusters ends in, which depends on how they are spread over files.
"""

from __future__ import annotations

import resource
import struct
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, count, islice
from pathlib import Path

from dataengine.config.sequence import MinhashStep
from dataengine.errors import RunError
from dataengine.sequence.datatrove_steps import minhash_config

_SIGNED_TOGETHER = 200_000
"""Texts of a file of signatures, which is sorted in memory."""
_OTHER_FILES = 256
"""Files that a process has open besides."""


@dataclass(frozen=True)
class Signatures:
    """Where the signatures of a file of a corpus lie in a blob: ``sizes[chunk][bucket]`` bytes, one after the other; ``read`` is
    a function of offset and size."""

    sizes: Sequence[Sequence[int]]
    read: Callable[[int, int], bytes]

    def of(self, bucket: int) -> Iterator[bytes]:
        """Of each chunk those of a bucket."""
        offset = 0
        for chunk in self.sizes:
            yield self.read(offset + sum(chunk[:bucket]), chunk[bucket])
            offset += sum(chunk)


def sign(texts: Iterable[str], step: MinhashStep, write: Callable[[bytes], object]) -> list[list[int]]:
    """Write the sorted signatures of texts, some hundred thousand at a time; the sizes of ``Signatures``."""
    from datatrove.data import Document
    from datatrove.pipeline.dedup import minhash

    config, sizes = minhash_config(step), list[list[int]]()
    documents = (Document(text=text, id=str(n)) for n, text in enumerate(texts))
    for _ in count():
        some = islice(documents, _SIGNED_TOGETHER)
        one = next(some, None)
        if one is None and sizes:
            break
        with tempfile.TemporaryDirectory() as folder:
            signer = minhash.MinhashDedupSignature(folder, config, language=step.language)
            signer.run(chain([one] if one is not None else [], some), 0, 1)
            blobs = [_file(Path(folder), bucket, 0).read_bytes() for bucket in range(config.num_buckets)]
        for blob in blobs:
            write(blob)
        sizes.append([len(blob) for blob in blobs])
    return sizes


def duplicates(files: Sequence[Signatures], step: MinhashStep) -> Iterator[tuple[int, int]]:
    """(File, number of the text in it) of each text that has an earlier near-duplicate, in order. The disk holds the signatures
    of one bucket, memory the numbers of texts that have near-duplicates. Raises RunError where the machine does not allow as many
    open files as there are files of signatures."""
    from datatrove.pipeline.dedup import minhash

    config = minhash_config(step)
    places = [(number, chunk) for number, one in enumerate(files) for chunk in range(len(one.sizes))]
    allow_open(len(places))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        buckets, clusters = str(folder / "buckets"), folder / "clusters"
        for bucket in range(config.num_buckets):
            with tempfile.TemporaryDirectory() as signatures:
                _lay_out(Path(signatures), bucket, chain.from_iterable(one.of(bucket) for one in files))
                step_of_bucket = minhash.MinhashDedupBuckets(signatures, buckets, config=config)
                step_of_bucket.run(None, bucket, config.num_buckets)
        minhash.MinhashDedupCluster(buckets, str(clusters), config, save_cluster_id=True).run(None, 0, 1)
        known = set[int]()
        for path in sorted(clusters.glob("*.clusters")):
            number, chunk = places[int(path.stem)]
            for place, cluster in struct.iter_unpack("<2I", path.read_bytes()):
                if cluster in known:
                    yield number, chunk * _SIGNED_TOGETHER + place
                known.add(cluster)


def allow_open(files: int) -> None:
    """Allow this process to open so many files at once: datatrove reads all signatures of a bucket side by side. Raises RunError
    where it may not."""
    wanted = files + _OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise RunError(
            f"minhash reads {files:,} files of signatures side by side, and a process here may open {hard:,}: raise the limit "
            "(`ulimit -n`), or store the corpus in fewer, larger files"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _lay_out(folder: Path, bucket: int, blobs: Iterable[bytes]) -> None:
    for rank, blob in enumerate(blobs):
        path = _file(folder, bucket, rank)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(blob)


def _file(folder: Path, bucket: int, rank: int) -> Path:
    """As datatrove names it."""
    return folder / f"bucket_{bucket:03d}" / f"{rank:05d}.minhash.sig"
