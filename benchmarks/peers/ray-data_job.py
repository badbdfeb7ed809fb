"""``FOLDER OUT``: decode, perceptual hash and blur of every JPEG, one of equal ones kept, Parquet with the bytes; by Ray Data."""

import hashlib
import io
import sys

import imagehash
import numpy as np
import ray
from PIL import Image


def facts(row):
    picture = Image.open(io.BytesIO(row["bytes"]))
    gray = np.asarray(picture.convert("L"), np.float32)
    edges = 4 * gray[1:-1, 1:-1] - gray[:-2, 1:-1] - gray[2:, 1:-1] - gray[1:-1, :-2] - gray[1:-1, 2:]
    row |= {"width": picture.width, "phash": str(imagehash.phash(picture)), "blur": float(edges.var())}
    return row | {"digest": hashlib.sha256(row["bytes"]).hexdigest()}


def first(rows):
    return rows.sort_values("path").head(1)


ray.init("local", include_dashboard=False, log_to_driver=False)
table = ray.data.read_binary_files(sys.argv[1], include_paths=True).map(facts)
for key in ("digest", "phash"):
    table = table.groupby(key).map_groups(first, batch_format="pandas")
table.write_parquet(sys.argv[2])
