"""``FOLDER OUT``: decode, perceptual hash and blur of every JPEG, one of equal ones kept, Parquet with the bytes; by Daft."""

import hashlib
import io
import sys

import daft
import imagehash
import numpy as np
from daft import DataType, col
from PIL import Image

FACTS = DataType.struct({"width": DataType.int32(), "phash": DataType.string(), "blur": DataType.float64()})


@daft.udf(return_dtype=FACTS)
def facts(data):
    rows = []
    for raw in data.to_pylist():
        picture = Image.open(io.BytesIO(raw))
        gray = np.asarray(picture.convert("L"), np.float32)
        edges = 4 * gray[1:-1, 1:-1] - gray[:-2, 1:-1] - gray[2:, 1:-1] - gray[1:-1, :-2] - gray[1:-1, 2:]
        rows.append({"width": picture.width, "phash": str(imagehash.phash(picture)), "blur": float(edges.var())})
    return rows


@daft.udf(return_dtype=DataType.string())
def digest(data):
    return [hashlib.sha256(raw).hexdigest() for raw in data.to_pylist()]


files = daft.from_glob_path(f"{sys.argv[1]}/*.jpg").select("path").with_column("data", col("path").download())
table = files.with_column("facts", facts(col("data"))).with_column("digest", digest(col("data")))
table = table.with_column("phash", col("facts").get("phash")).drop_duplicates("digest").drop_duplicates("phash")
table.write_parquet(sys.argv[2])
