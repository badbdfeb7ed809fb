"""Train a small transformer on packed sequences, with and without summary tokens, and draw pictures of what it has learnt.

    python examples/train_tiny.py workspace/demo/releases/demo/sequences/SET/webdataset --steps 300

SET has rows of codes (layout ``blocks``). A fifth of its documents, by id, is held out. Printed for each layout: the loss in nats
a token as it falls, beside a baseline that knows only how frequent each token is in its column; then perplexities on the held-out
documents. Pictures (--out, a PNG): of a held-out document, decoded by the visual tokenizer; the same with its lower half drawn by
the model; and with all of its codes drawn. A few minutes on a CPU, some dozen pictures: expect to see that it learns, no art.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from tiny_model import Sizes, TinyModel
from torch.nn import functional

from dataengine.sequence.formats.description import SetDescription
from dataengine.sequence.formats.reader import SequenceSet, open_set
from dataengine.sequence.model import DocumentSpan, PackedSequence, Role
from dataengine.sequence.show.frames import frames_of
from dataengine.sequence.show.pictures import decoded, find_tokenizer
from dataengine.sequence.summary.flex import mask_mod
from dataengine.sequence.summary.packed import chunks_of, labels_of, with_summaries, without_summaries
from dataengine.sequence.summary.settings import Documents, SummarySettings
from dataengine.sequence.summary.visibility import visibility

IGNORED = -100


@dataclass(frozen=True, eq=False)
class Example:
    """One sequence as the model takes it: rows and labels (L, W), positions (L,), summary (L,), masks (L, L) of the layers."""

    rows: torch.Tensor
    labels: torch.Tensor
    positions: torch.Tensor
    summary: torch.Tensor
    masks: list[torch.Tensor]


def documents(sequences: Iterable[PackedSequence], longest: int) -> Iterator[PackedSequence]:
    """Each document once, as a sequence of its own, cut after ``longest`` rows."""
    seen: set[tuple[str, str, int]] = set()
    for stored in sequences:
        sequence = without_summaries(stored) if (stored.roles == Role.SUMMARY).any() else stored
        for span in sequence.documents:
            if (name := (span.source, span.id, span.part)) in seen:
                continue
            seen.add(name)
            part = slice(span.start, min(span.stop, span.start + longest))
            length = part.stop - part.start
            yield replace(
                sequence,
                tokens=sequence.tokens[part],
                roles=sequence.roles[part],
                loss_mask=sequence.loss_mask[part],
                positions=sequence.positions[part],
                cu_seqlens=np.array([0, length], np.int32),
                documents=(replace(span, start=0, stop=length),),
                media=(),
            )


def packs(parts: Iterable[PackedSequence], length: int) -> Iterator[PackedSequence]:
    """Neighbouring documents together, as many as fit."""
    waiting: list[PackedSequence] = []
    for part in parts:
        if waiting and sum(map(len, waiting)) + len(part) > length:
            yield joined(waiting)
            waiting = []
        waiting.append(part)
    if waiting:
        yield joined(waiting)


def joined(parts: list[PackedSequence]) -> PackedSequence:
    borders = np.cumsum([0, *map(len, parts)]).astype(np.int32)
    spans = [replace(p.documents[0], start=int(a), stop=int(a) + len(p)) for p, a in zip(parts, borders, strict=False)]
    arrays = {n: np.concatenate([getattr(p, n) for p in parts]) for n in ("tokens", "roles", "loss_mask", "positions")}
    return PackedSequence(**arrays, cu_seqlens=borders, documents=tuple(spans))


def example(sequence: PackedSequence, layout: SummarySettings | None, eob: int) -> Example:
    """With summary tokens, or as it is; nothing is seen of another document. Labels end with each row's first end of block."""
    wide = with_summaries(sequence, layout, eob) if layout else sequence
    labels = labels_of(wide)
    ended = np.cumsum(labels == eob, axis=1)
    labels[ended > (labels == eob)] = IGNORED
    return Example(
        torch.from_numpy(wide.tokens.astype(np.int64)),
        torch.from_numpy(labels),
        torch.from_numpy(wide.positions.astype(np.int64)),
        torch.from_numpy(wide.roles == Role.SUMMARY),
        masks(wide, layout),
    )


def masks(wide: PackedSequence, layout: SummarySettings | None) -> list[torch.Tensor]:
    at = torch.arange(len(wide))
    if layout is None:
        document = torch.from_numpy(wide.document_index)
        return [(at[:, None] >= at[None]) & (document[:, None] == document[None])]
    chunks = chunks_of(wide, layout)
    return [mask_mod(visibility(chunks, window))(0, 0, at[:, None], at[None]) for window in layout.layers]


def loss_of(
    model: TinyModel, one: Example, rows: int | None, random: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Nats of each label, and the labels; of ``rows`` rows chosen at random, or of all."""
    states = model.states(one.rows, one.positions, one.summary, one.masks)
    targets = torch.nonzero((one.labels != IGNORED).any(1))[:, 0]
    if rows is not None and len(targets) > rows:
        targets = targets[torch.randperm(len(targets), generator=random)[:rows]]
    labels = one.labels[targets]
    logits = model.logits(states[targets], labels.clamp(min=0))
    wanted = labels != IGNORED
    return functional.cross_entropy(logits[wanted], labels[wanted], reduction="none"), labels[wanted]


def unigram(train: list[Example], ids: int) -> np.ndarray:
    """(W, ids) nats of each token in each column, by how frequent it is in training; one is added to each count."""
    width = train[0].labels.shape[1]
    counts = np.ones((width, ids))
    for one in train:
        for column in range(width):
            labels = one.labels[:, column].numpy()
            np.add.at(counts[column], labels[labels != IGNORED], 1)
    return -np.log(counts / counts.sum(1, keepdims=True))


def baseline(parts: list[Example], nats: np.ndarray) -> Counter[str]:
    """Sums of nats and labels, of codes and of all other tokens."""
    out: Counter[str] = Counter()
    for one in parts:
        for column, row in enumerate(nats):
            labels = one.labels[:, column].numpy()
            labels = labels[labels != IGNORED]
            out += Counter({"nats": float(row[labels].sum()), "labels": len(labels)})
    return out


def train(model: TinyModel, parts: list[Example], options: argparse.Namespace, name: str, floor: float) -> list[float]:
    """Loss of each step."""
    random = torch.Generator().manual_seed(options.seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=options.lr, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, options.lr, options.steps, pct_start=0.1)
    losses: list[float] = []
    began = time.perf_counter()
    for step in range(options.steps):
        one = parts[int(torch.randint(len(parts), (1,), generator=random))]
        loss = loss_of(model, one, options.rows, random)[0].mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        if (step + 1) % max(1, options.steps // 6) == 0:
            recent = np.mean(losses[-20:])
            seconds = time.perf_counter() - began
            print(
                f"{name:8} step {step + 1:5}: {recent:.3f} nats/token (unigram {floor:.3f}), {seconds:.0f} s",
                flush=True,
            )
    return losses


@torch.no_grad()
def perplexities(model: TinyModel, parts: list[Example], first_code: int) -> dict[str, float]:
    """On whole documents: of all tokens, of codes and of text."""
    random = torch.Generator()
    pairs = [loss_of(model, one, None, random) for one in parts]
    nats, labels = torch.cat([n for n, _ in pairs]), torch.cat([one for _, one in pairs])
    groups = {"all": labels >= 0, "codes": labels >= first_code, "text": labels < first_code}
    return {name: float(nats[inside].mean().exp()) for name, inside in groups.items() if inside.any()}


@torch.no_grad()
def draw(
    model: TinyModel,
    document: PackedSequence,
    about: SetDescription,
    layout: SummarySettings | None,
    given: float,
    seed: int,
) -> PackedSequence:
    """The document with all codes but the first share ``given`` drawn anew; its text and markers stay."""
    random = torch.Generator().manual_seed(seed)
    tokens = document.tokens.copy()
    ends = about.first_code + np.cumsum(about.codebook_sizes)
    allowed = list(zip((ends - about.codebook_sizes).tolist(), ends.tolist(), strict=True))
    places = np.flatnonzero(document.roles == Role.CODE)
    for at in places[round(given * len(places)) :].tolist():
        head = replace(
            document,
            tokens=tokens[:at],
            roles=document.roles[:at],
            loss_mask=document.loss_mask[:at],
            positions=document.positions[:at],
            cu_seqlens=np.array([0, at], np.int32),
            documents=(DocumentSpan("", "", 0, at),),
        )
        one = example(head, layout, about.eob)
        states = model.states(one.rows, one.positions, one.summary, one.masks)
        tokens[at, :-1] = model.sample(states[~one.summary][-1], allowed, 0.9, random)
    return replace(document, tokens=tokens)


def picture(stored: SequenceSet, rows: list[list[PackedSequence]], path: Path, tokenizer: str | None) -> None:
    """A PNG: a row a layout, the first frame of each of its documents."""
    from PIL import Image

    fitted = find_tokenizer(stored, tokenizer)
    grid: list[list[np.ndarray]] = []
    for row in rows:
        frames = [frames_of(document, stored.about)[:1] for document in row]
        grid.append([next(iter(decoded(one, fitted).values())) for one in frames])
    height, width, _ = grid[0][0].shape
    sheet = np.full((len(grid) * (height + 8) - 8, len(grid[0]) * (width + 8) - 8, 3), 255, np.uint8)
    for y, line in enumerate(grid):
        for x, pixels in enumerate(line):
            top, left = y * (height + 8), x * (width + 8)
            sheet[top : top + height, left : left + width] = pixels
    Image.fromarray(sheet).save(path)


def held_out(document: PackedSequence) -> bool:
    return hashlib.sha256(document.documents[0].id.encode()).digest()[0] % 5 == 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("set", help="folder or s3:// prefix of a set: .../sequences/SET/webdataset")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--length", type=int, default=768, help="rows of a training sequence; longer documents are cut")
    parser.add_argument("--rows", type=int, default=128, help="rows of a step that have a loss, chosen at random")
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--chunk", type=int, default=8, help="rows before each summary token")
    parser.add_argument("--windows", default="[4]*3+[64]", help="chunks seen as rows, by layer")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--tokenizer", metavar="PATH", help="checkpoint of the visual tokenizer, if not the workspace's"
    )
    parser.add_argument("--out", type=Path, default=Path("train_tiny.png"))
    parser.add_argument("--threads", type=int, default=1, help="at these sizes more only wait for one another")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    stored = open_set(options.set)
    about = stored.about
    if about.width == 1:
        parser.error(f"{options.set} has one token a position: this example is for layout `blocks`")
    parts = list(documents(stored, options.length))
    held = [part for part in parts if held_out(part)] or parts[:1]
    learnt = list(packs([part for part in parts if not held_out(part)], options.length))
    print(
        f"{len(parts)} documents, {len(held)} held out; {len(learnt)} sequences of at most {options.length} rows of {about.width}"
    )
    within = SummarySettings(chunk=options.chunk, windows=options.windows, documents=Documents.within)
    pictured = next(part for part in [*held, *parts] if (part.roles == Role.CODE).any())
    rows = []
    for name, layout in (("plain", None), ("summary", within)):
        torch.manual_seed(options.seed)
        sets = [[example(part, layout, about.eob) for part in half] for half in (learnt, held)]
        nats = unigram(sets[0], about.ids)
        seen, unseen = (baseline(half, nats) for half in sets)
        model = TinyModel(Sizes(about.ids, about.width, about.eob, options.dim))
        losses = train(model, sets[0], options, name, seen["nats"] / seen["labels"])
        ours = perplexities(model, sets[1], about.first_code)
        print(
            f"{name:8} loss {np.mean(losses[:5]):.3f} -> {np.mean(losses[-20:]):.3f}; held-out perplexity "
            + ", ".join(f"{value:.1f} {group}" for group, value in ours.items())
            + f" (unigram {np.exp(unseen['nats'] / unseen['labels']):.1f})"
        )
        rows.append([pictured, *(draw(model, pictured, about, layout, given, options.seed) for given in (0.5, 0.0))])
    picture(stored, rows, options.out, options.tokenizer)
    print(f"{options.out}: as it is, lower half drawn, all drawn; rows: plain, summary")


if __name__ == "__main__":
    main()
