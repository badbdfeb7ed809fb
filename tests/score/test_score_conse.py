"""The default image–text match with its real models."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from dataengine.media.image.pixels import Pixels
from dataengine.models.lite0 import LABELS
from dataengine.score.conse import Conse

_CAPTIONS = {
    "china": "a Chinese temple with a curved roof",
    "flower": "a yellow flower",
    "chelsea": "a tabby cat looking at the camera",
    "coffee": "a cup of espresso coffee on a saucer",
    "rocket": "a rocket on the launch pad",
}


def test_the_right_caption_wins(conse: Conse, photos: dict[str, Pixels]) -> None:
    made = [conse.prepare([photos[name]]) for name in _CAPTIONS]
    found = conse.score(made, [tuple(_CAPTIONS.values())] * len(made))
    assert found["match_caption"] == list(range(len(made)))
    for row, each in enumerate(found["matches"]):
        assert found["match"][row] == max(each) == each[row]
        assert each[row] > float(np.mean([s for i, s in enumerate(each) if i != row])) + 0.05


@pytest.mark.parametrize(
    ("photo", "label"), [("chelsea", "Egyptian cat"), ("coffee", "espresso"), ("rocket", "missile")]
)
def test_labels_of_well_known_photographs(conse: Conse, photos: dict[str, Pixels], photo: str, label: str) -> None:
    labels = LABELS.read_text().splitlines()
    best = np.argsort(-conse.probabilities([conse.prepare([photos[photo]])])[0])[:2]
    assert any(label.lower() in labels[i].lower() for i in best), [labels[i] for i in best]


def test_one_label_a_class() -> None:
    labels = LABELS.read_text().splitlines()
    assert len(labels) == len(set(labels)) == 1000
    assert labels[134] != labels[517] and "crane" in labels[134] and "crane" in labels[517]


def test_stored_values_do_not_depend_on_batch_or_order(conse: Conse, crops: list[Pixels]) -> None:
    made = [conse.prepare([c]) for c in crops[:32]]
    captions = [(f"picture number {i}", "a flower") for i in range(32)]
    whole = conse.score(made, captions)
    first, last = conse.score(made[:31], captions[:31]), conse.score(made[31:], captions[31:])
    order = np.random.default_rng(0).permutation(32)
    shuffled = conse.score([made[i] for i in order], [captions[i] for i in order])
    for name in ("match", "match_caption", "matches", "embedding"):
        expected = [np.asarray(v).tobytes() for v in whole[name]]
        assert [np.asarray(v).tobytes() for v in first[name] + last[name]] == expected
        assert [np.asarray(v).tobytes() for v in shuffled[name]] == [expected[i] for i in order]


def test_without_captions_there_is_no_match_but_an_embedding(conse: Conse, photos: dict[str, Pixels]) -> None:
    found = conse.score([conse.prepare([photos["china"]])], [()])
    assert (found["match"], found["match_caption"], found["matches"]) == ([None], [None], [[]])
    assert np.linalg.norm(found["embedding"][0].astype(np.float32)) == pytest.approx(1, abs=1e-3)


def test_a_video_is_the_mean_of_its_frames(conse: Conse, photos: dict[str, Pixels]) -> None:
    frames = [photos["china"], photos["flower"]]
    each = [conse.score([conse.prepare([f])], [()])["embedding"][0].astype(np.float32) for f in frames]
    both = conse.score([conse.prepare(frames)], [()])["embedding"][0].astype(np.float32)
    mean = np.mean(each, 0)
    assert np.allclose(both, mean / np.linalg.norm(mean), atol=2e-3)


def test_pickles_before_setup(photos: dict[str, Pixels]) -> None:
    copy = pickle.loads(pickle.dumps(Conse()))
    assert np.array_equal(copy.prepare([photos["china"]]), Conse().prepare([photos["china"]]))
    assert copy.version == Conse().version
