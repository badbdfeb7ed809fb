"""Of a model's right replies, how many are kept; of its wrong ones, how many pass: by the form in which they come.

``python benchmarks/cot_yield.py [--samples N] [--right SHARE]``. A scripted model server knows the answers and gives a wrong one
now and then, in the forms of ``reply_styles``; client, reading and grading are those of a run (``dataengine cot``), on crops of
photographs. No figure here says how often a real model is right.
"""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import harness
from cot import photographs
from reply_styles import AUTO, PLAIN, THINKING

from dataengine import pipeline
from dataengine.config import recipe as recipes
from dataengine.cot.core.schemas import CHECKS
from dataengine.testing import Body, InProcess, Turn, chat_server

_KNOWN = re.compile(r"The right answer is known: (.+?)\. Your reasoning", re.DOTALL)
_OPTION = re.compile(r"(?m)^([A-F])\. (.+)$")
_THINK = "I look at what is shown, part by part, and compare what I see. There are 3 lamps, about 12 cm wide."
_PROGRAM = (
    "<think>I look closer.\n```python\npart = image.crop((0, 0, image.width // 2, image.height // 2))\n"
    'part = part.resize((part.width * 2, part.height * 2))\npart.save("part.png")\n```'
)
_SEED = 0x7FFFFFFF
"""Bits of a seed that requests have."""
_COLOURS = ("red", "green", "blue", "black", "white")


def main() -> None:
    parser = harness.parser(__doc__)
    parser.add_argument("--samples", type=int, default=250)
    parser.add_argument("--right", type=float, default=0.8, help="share of right replies")
    options = parser.parse_args()
    report = harness.Report("cot_yield", options)
    with tempfile.TemporaryDirectory() as folder:
        counts = graded(Path(folder), options.samples, options.right)
    names = sorted({style for style, _, _ in counts})
    rows = [[name, *_figures(counts, lambda style, name=name: style == name)] for name in names]
    rows.append(["all", *_figures(counts, lambda style: True)])
    columns = ["form", "right", "graded A", "graded B", "yield", "wrong", "passed", "share"]
    report.table("Replies by form", columns, rows)
    report.write()


def _figures(counts: Counter[tuple[str, bool, str]], wanted: Callable[[str], bool]) -> list[Any]:
    some = {(right, grade): 0 for right in (True, False) for grade in "ABC"}
    for (style, right, grade), count in counts.items():
        if wanted(style):
            some[right, grade] += count
    right, wrong = (sum(some[kind, grade] for grade in "ABC") for kind in (True, False))
    kept, passed = (some[kind, "A"] + some[kind, "B"] for kind in (True, False))
    shares = [f"{part / whole:.1%}" if whole else "-" for part, whole in ((kept, right), (passed, wrong))]
    return [right, some[True, "A"], some[True, "B"], shares[0], wrong, passed, shares[1]]


def graded(folder: Path, samples: int, right: float) -> Counter[tuple[str, bool, str]]:
    """Number of replies by form, whether they are right, and their grade, of a run on ``samples`` crops."""
    recipe = prepare(folder, samples)
    script = Script(right)
    with chat_server(script.reply) as server:
        text = recipe.read_text().replace("ENDPOINT", server.endpoint)
        recipe.write_text(text)
        loaded = recipes.load(str(recipe))
        pipeline.execute(loaded, engine=InProcess())
        run = pipeline.committed(loaded, "cot")
        checks = run.table("cot.check", "checks", CHECKS, ["kind", "seed", "grade"]).to_pylist()
        run.close()
    return Counter(
        (*script.replies[row["seed"] & _SEED], row["grade"]) for row in checks if row["kind"] == "path" and row["grade"]
    )


class Script:
    """What the model says; ``replies``: form and rightness of each, by the seed of its request."""

    def __init__(self, right: float) -> None:
        self.right = right
        self.replies: dict[int, tuple[str, bool]] = {}

    def reply(self, body: Body) -> Turn:
        text = "\n".join(_texts(body))
        answer = _KNOWN.search(text)
        if answer is None:
            return Turn(text="no idea")
        draw = int.from_bytes(hashlib.sha256(str(body["seed"]).encode()).digest()[:8], "big")
        right = draw % 10_000 < 10_000 * self.right
        content = answer[1] if right else wrong(answer[1], text)
        styles = AUTO if "/no_think mode" in text else PLAIN if "No reasoning" in text else THINKING
        tools = "fenced program" in text
        if tools and len(body["messages"]) == 1:
            return Turn(text=_PROGRAM)
        name = sorted(styles)[draw // 10_000 % len(styles)]
        if tools:
            name, styles = "after tools", {"after tools": _after_tools}
        self.replies[body["seed"]] = (name, right)
        return Turn(text="", message=styles[name](_THINK, content, f"The answer is {content}."))


def _after_tools(think: str, answer: str, sentence: str) -> dict[str, str]:
    return {"content": f"Now it is clear.</think>\n<answer>{sentence}</answer>"}


def wrong(answer: str, text: str) -> str:
    """Another answer of the same kind."""
    if re.fullmatch(r"[A-F]", answer):
        letters = [letter for letter, _ in _OPTION.findall(text)] or list("ABCD")
        return next(letter for letter in [*letters, "F"] if letter != answer)
    if re.fullmatch(r"[A-F](?:, [A-F])+", answer):
        first, *rest = answer.split(", ")
        return ", ".join([*rest, first])
    if re.fullmatch(r"-?\d+", answer) and not answer.startswith("0"):
        return str(int(answer) + 1)
    if "<|box_start|>" in answer:
        return re.sub(r"\d+", lambda match: str((int(match[0]) + 500) % 1000), answer)
    if answer.lower() in ("yes", "no"):
        return "no" if answer.lower() == "yes" else "yes"
    if answer in _COLOURS:
        return next(colour for colour in _COLOURS if colour != answer)
    pairs = {"portrait": "landscape", "landscape": "portrait", "square": "portrait"}
    return pairs.get(answer, f"{answer[::-1]}x" if answer == answer[::-1] else answer[::-1])


def _texts(body: Body) -> list[str]:
    texts = []
    for message in body["messages"]:
        content = message["content"]
        texts += [content] if isinstance(content, str) else [part.get("text", "") for part in content]
    return texts


def prepare(folder: Path, samples: int) -> Path:
    """Crops of photographs, a policy, and a recipe whose model server is called ENDPOINT."""
    photographs(folder / "corpus", folder / "media", samples)
    harness.keep_all(folder / "policy.yaml", 16)
    modes = dict.fromkeys(("non_thinking", "thinking", "auto_think", "think_with_image"), 1.0)
    recipe = {
        "name": "yield",
        "workspace": str(folder / "ws"),
        "sources": [{"type": "folder", "name": "crops", "path": str(folder / "media"), "buckets": 1}],
        "dedup": {"radius": 0},
        "score": {"scorers": [{"name": "technical"}]},
        "filter": {"policy": str(folder / "policy.yaml")},
        "tokenize": None,
        "cot": {
            "mix": modes,
            "questions_per_sample": 6,
            "paths_per_question": 2,
            "show_answer": True,
            "text_only_baseline": False,
            "teachers": [{"type": "openai", "endpoint": "ENDPOINT", "model": "scripted", "concurrency": 16}],
        },
        "release": {"title": "Yield", "license": "other", "description": "Crops, to measure."},
    }
    path = folder / "recipe.yaml"
    path.write_text(json.dumps(recipe))
    return path


if __name__ == "__main__":
    main()
