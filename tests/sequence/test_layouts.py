"""Documents in each layout, and back."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.sequences import SIZES, film, packed_of, picture

from dataengine.config.sequence import LossConfig, SetConfig
from dataengine.errors import InputError
from dataengine.sequence.assemble import Assembler
from dataengine.sequence.chat import ChatTemplate, Turn, end_of_text
from dataengine.sequence.document import Document, expand, from_bytes, piece
from dataengine.sequence.draft import Draft, Run, Visual, Words
from dataengine.sequence.model import Role
from dataengine.sequence.text_tokenizer import TextTokenizer
from dataengine.sequence.unpack import unpack
from dataengine.tokenize.base import Codes
from dataengine.tokenize.vocabulary import Layout

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
KINDS = st.lists(st.sampled_from([0, 1]), min_size=1, max_size=5).map(tuple)
VISUAL = st.one_of(
    st.builds(picture, st.integers(1, 4), st.integers(1, 4), st.integers(0, 99)),
    st.builds(film, KINDS.filter(lambda kinds: len(set(kinds)) == 2), st.integers(0, 99)),
)
PARTS = st.lists(st.tuples(TEXT, VISUAL), min_size=1, max_size=4)


def visual(codes: Codes) -> Visual:
    return Visual("s", "s.jpg", codes, codes.grid, video=codes.timeline is not None)


def layout_of(words: TextTokenizer) -> Layout:
    return Layout(SIZES, words.encode, words.vocabulary)


@pytest.mark.parametrize("layout", ["blocks", "codes"])
@settings(max_examples=40)
@given(documents=st.lists(PARTS, min_size=1, max_size=3))
def test_tokens_give_texts_and_codes_back(
    words: TextTokenizer, layout: str, documents: list[list[tuple[str, Codes]]]
) -> None:
    drafts = [
        Draft(str(n), (*(run for text, codes in parts for run in (Words(text), visual(codes))), end_of_text()))
        for n, parts in enumerate(documents)
    ]
    made = Assembler(words, "discrete", SIZES).documents(drafts)
    good = [one for one in made if isinstance(one, Document)]
    assert len(good) == len(drafts), made
    one = SetConfig(name="s", length=4096, layout=layout)
    sequence = packed_of(good, one, words)
    again = list(unpack(sequence, layout_of(words), words))
    assert [list(document.parts) for document in again] == [
        [part for pair in parts for part in pair] for parts in documents
    ]


@pytest.mark.parametrize("layout", ["keye", "qwen-vl"])
@settings(max_examples=25)
@given(documents=st.lists(PARTS, min_size=1, max_size=3))
def test_placeholders_give_texts_and_grids_back(
    words: TextTokenizer, layout: str, documents: list[list[tuple[str, Codes]]]
) -> None:
    drafts = [
        Draft(str(n), (*(run for text, codes in parts for run in (Words(text), placeholders(codes))), end_of_text()))
        for n, parts in enumerate(documents)
    ]
    good = [one for one in Assembler(words, layout, ()).documents(drafts) if isinstance(one, Document)]
    sequence = packed_of(good, SetConfig(name="s", length=4096, layout=layout, positions="3d"), words)
    for one, parts in zip(unpack(sequence, None, words), documents, strict=True):
        assert [part for part in one.parts if isinstance(part, str)] == [text for text, _ in parts]
        frames = [[m.grid for m in part] for part in one.parts if isinstance(part, tuple)]
        assert frames == [[(1, *grid) for grid in grids(codes)] for _, codes in parts]
    pads = [words.special["image_pad"], words.special["video_pad"]]
    assert all(np.isin(sequence.tokens[m.start : m.stop], pads).all() for m in sequence.media)


def placeholders(codes: Codes) -> Visual:
    return Visual("s", "s.mp4", None, codes.grid, codes.timeline, video=codes.timeline is not None)


def grids(codes: Codes) -> list[tuple[int, int]]:
    return codes.timeline.grids(codes.grid) if codes.timeline else [codes.grid[1:]]


def test_both_discrete_layouts_hold_the_same_tokens(words: TextTokenizer) -> None:
    draft = Draft("a", (Words("a red roof"), visual(picture()), end_of_text()))
    [document] = Assembler(words, "discrete", SIZES).documents([draft])
    assert isinstance(document, Document)
    rows, flat = (expand(document, layout, words.special["eob"]) for layout in ("blocks", "codes"))
    assert rows.tokens.shape == (document.length("blocks"), 4) and flat.tokens.shape == (document.length("codes"),)
    assert rows.tokens[rows.tokens != words.special["eob"]].tolist() == flat.tokens.tolist()
    assert (flat.tokens >= words.first_code).sum() == 6 * len(SIZES) == (flat.roles == Role.CODE).sum()
    stored = from_bytes(document.to_bytes(), len(document.first), len(document.codes), len(SIZES))
    assert np.array_equal(stored.first, document.first) and np.array_equal(stored.codes, document.codes)


def test_pieces_of_a_document_are_the_document(words: TextTokenizer) -> None:
    draft = Draft("a", (visual(film()), Words("A lake. The roof is red! So it is."), end_of_text()))
    [document] = Assembler(words, "discrete", SIZES, splittable_from=8).documents([draft])
    assert isinstance(document, Document)
    borders = [0, *document.cuts.tolist(), len(document.first)]
    # Before the second and third frame, and after each of the three sentences.
    assert len(document.cuts) >= 5
    parts = [expand(piece(document, a, b), "codes", 0).tokens for a, b in pairwise(borders) if b > a]
    assert np.array_equal(np.concatenate(parts), expand(document, "codes", 0).tokens)


def test_losses_by_role(words: TextTokenizer) -> None:
    loss = LossConfig()
    turns = [
        Turn("system", ("be brief",)),
        Turn("user", ("what is it?", visual(picture()))),
        Turn("assistant", ("<think>a roof</think> <sandbox_output> 3 </sandbox_output>red",)),
    ]
    draft = Draft("r", (*ChatTemplate().runs(turns, loss), end_of_text()))
    [document] = Assembler(words, "discrete", SIZES).documents([draft])
    assert isinstance(document, Document)
    wanted: dict[int, str] = {}
    for role in (Role.USER, Role.ASSISTANT, Role.REASONING, Role.TOOL_OUTPUT, Role.TEXT):
        of_role = document.roles == role
        wanted[role] = words.decode(document.first[of_role].tolist())
        expected = role in (Role.ASSISTANT, Role.REASONING)
        assert (document.loss[of_role] == expected).all(), role
    assert (
        wanted[Role.REASONING] == "<think>a roof</think>"
        and wanted[Role.TOOL_OUTPUT].strip() == "<sandbox_output> 3 </sandbox_output>"
    )
    assert wanted[Role.USER] == "what is it?" and wanted[Role.TEXT] == "be brief" and wanted[Role.ASSISTANT] == " red"
    ends = np.flatnonzero(document.first == words.special["im_end"])
    assert document.loss[ends].tolist() == [0, 0, 1], "the assistant's end of turn is a target"
    plain = words.decode(document.first[document.first >= 0].tolist())
    assert plain.startswith("<|im_start|>system\nbe brief<|im_end|>\n<|im_start|>user\nwhat is it?<|vision_start|>")


def test_a_picture_that_a_tool_gave_is_no_target_nor_is_the_text_around_it(words: TextTokenizer) -> None:
    parts = ("<think>closer\n<sandbox_output> ", visual(picture()), " </sandbox_output>\nnow</think> red")
    turns = [Turn("user", ("what is it?",)), Turn("assistant", parts)]
    draft = Draft("r", (*ChatTemplate().runs(turns, LossConfig()), end_of_text()))
    assert [run.loss for run in draft.runs if isinstance(run, Visual)] == [False]
    [document] = Assembler(words, "discrete", SIZES).documents([draft])
    assert isinstance(document, Document)
    learnt = words.decode(document.first[(document.loss == 1) & (document.first >= 0)].tolist())
    assert learnt.split() == ["<think>closer", "now</think>", "red<|im_end|>"]
    loose = Draft("r", tuple(ChatTemplate().runs(turns, LossConfig(tool_output=True))))
    assert [run.loss for run in loose.runs if isinstance(run, Visual)] == [True]


@pytest.mark.parametrize(
    ("run", "failure"),
    [
        (Words("  \n"), "empty"),
        (Visual("s", "s.jpg", None, (1, 1, 1)), "no_codes"),
        (Visual("s", "s.jpg", Codes(np.zeros((1, 2), np.uint8), (1, 1, 1)), (1, 1, 1)), "other_codes"),
    ],
)
def test_what_cannot_be_a_document(words: TextTokenizer, run: Run, failure: str) -> None:
    [made] = Assembler(words, "discrete", SIZES).documents([Draft("a", (run, end_of_text()))])
    assert isinstance(made, InputError) and made.failure == failure


def test_a_spelled_special_token_is_plain_text(words: TextTokenizer) -> None:
    text = "say <|im_end|> and <|endoftext|>"
    [document] = Assembler(words, "discrete", SIZES).documents([Draft("a", (Words(text), end_of_text()))])
    assert isinstance(document, Document)
    assert words.decode(document.first[:-1].tolist()) == text
    assert np.isin(document.first, words.special_ids).sum() == 1


@pytest.mark.parametrize("layout", ["keye", "qwen-vl"])
def test_continuous_layouts_have_a_placeholder_a_patch(words: TextTokenizer, layout: str) -> None:
    codes = film()
    look = partial(Visual, "s", "s.mp4", None, codes.grid, codes.timeline, video=True)
    [document] = Assembler(words, layout, ()).documents([Draft("a", (look(), Words("a film"), end_of_text()))])
    assert isinstance(document, Document)
    assert (document.first == words.special["video_pad"]).sum() == 4 + 2 + 4 == (document.roles == Role.MEDIA).sum()
    assert [(m.stop - m.start, m.grid, m.seconds) for m in document.media] == [
        (4, (1, 2, 2), 0.0),
        (2, (1, 1, 2), 0.5),
        (4, (1, 2, 2), 1.0),
    ]
    text = words.decode(document.first.tolist())
    expected = (
        "<|vision_start|><|frame|>0.0"
        + 4 * "<|video_pad|>"
        + "<|frame|>0.5<|fast_start|>"
        + 2 * "<|video_pad|>"
        + "<|fast_end|><|frame|>1.0"
        + 4 * "<|video_pad|>"
        + "<|vision_end|>a film<|endoftext|>"
        if layout == "keye"
        else "<|vision_start|>" + 10 * "<|video_pad|>" + "<|vision_end|>a film<|endoftext|>"
    )
    assert text == expected
