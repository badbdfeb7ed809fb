"""Records' own pictures have codes where the release has a tokenizer: as members beside them, with their grids in the record."""

from __future__ import annotations

import numpy as np
import pytest
from support.cot_corpus import pixels_of, records

from dataengine.cot.core.record import Record
from dataengine.cot.core.shard_files import codes_of, encode_png, observations, pictures_of, record_members
from dataengine.cot.mix.picture_codes import PictureCodes
from dataengine.errors import RunError
from dataengine.storage.workspace import File, Workspace
from dataengine.tokenize.codec import to_npy
from dataengine.tokenize.factory import configure, tokenizer_class
from dataengine.tokenize.product import ProductTokenizer


@pytest.fixture(scope="module")
def coder(tmp_path_factory: pytest.TempPathFactory) -> PictureCodes:
    """A product quantiser fitted on two photographs."""
    config = configure({"name": "product", "entries": 128})
    prepare = tokenizer_class("product").preparer(config)
    stills = ((name, prepare([pixels_of(f"{name}.jpg")])) for name in ("china", "flower"))
    workspace = Workspace(str(tmp_path_factory.mktemp("codes")))
    data = ProductTokenizer.fit(config, stills).save()
    return PictureCodes(workspace, File("tokenizer", workspace.store.put("tokenizer", data), len(data), 1), "cpu")


def test_pictures_lie_beside_their_codes_and_come_back(coder: PictureCodes) -> None:
    images = [encode_png(pixels_of("china.jpg")[:200, :300]), encode_png(pixels_of("flower.jpg")[:120, :90])]
    codes = [coder.of(image) for image in images]
    seen = observations(images, [one.grid for one in codes])
    record = next(k.record for k in records()).model_copy(update={"observations": seen})
    members = record_members(record, images, [to_npy(one) for one in codes])
    fields = {name.partition(".")[2]: data for name, data in members}
    assert list(fields) == ["json", "obs0.png", "obs1.png", "obs0.codes.npy", "obs1.codes.npy"]
    assert Record.from_bytes(fields["json"]) == record and list(pictures_of(fields)) == ["obs0.png", "obs1.png"]
    for n, one in enumerate(codes):
        again = codes_of(record, fields, f"obs{n}.png")
        assert again == one and np.array_equal(coder.of(images[n]).tokens, one.tokens)
    assert codes[0].grid != codes[1].grid and codes_of(record, fields, "obs2.png") is None
    with pytest.raises(RunError):
        codes_of(record, fields | {"obs0.codes.npy": fields["obs1.codes.npy"]}, "obs0.png")


def test_a_record_without_codes_has_the_bytes_that_it_had() -> None:
    for kept in records():
        data = kept.record.to_bytes()
        assert b'"grid"' not in data and Record.from_bytes(data) == kept.record
