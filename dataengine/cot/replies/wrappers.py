r"""Strips what models put around an answer: LaTeX wrappers, math delimiters, Markdown, quotes, boxes and special tokens."""

from __future__ import annotations

import re
from collections.abc import Iterator

LONGEST = 4000
"""Characters of an answer; of a longer one only white space is stripped."""
_ROUNDS = 6
"""Wrappers inside of wrappers."""

_COMMANDS = (
    r"text|textbf|textit|textrm|texttt|mathrm|mathbf|mathit|mathsf|mathtt|operatorname|mbox|emph|bf|rm|underline"
)
_COMMAND = re.compile(rf"\\(?:{_COMMANDS})\s{{0,4}}\{{([^{{}}]*)\}}")
_LATEX = (
    (re.compile(r"\\[,;:!]|\\(?:left|right|displaystyle|quad|qquad)(?![a-zA-Z])"), ""),
    (re.compile(r"\\ |~"), " "),
    (re.compile(r"\\([%$#&_])"), r"\1"),
    (re.compile(r"\{([,.])\}"), r"\1"),
    (re.compile(r"\s{0,4}\^\s{0,4}\{?\s{0,4}(?:\\circ|\\degree|°)\s{0,4}\}?|\\degree(?![a-zA-Z])"), "°"),
    (re.compile(r"\\(?:times|cdot)(?![a-zA-Z])"), "×"),
    (re.compile(r"\\(?:to|rightarrow|Rightarrow|longrightarrow)(?![a-zA-Z])"), "→"),
    (re.compile(r"\\(?:lt|gt)(?![a-zA-Z])"), ","),
)
_PAIRS = (
    ("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]"), ("***", "***"), ("**", "**"), ("__", "__"), ("*", "*"),
    ("```", "```"), ("`", "`"), ('"', '"'), ("'", "'"), ("“", "”"), ("‘", "’"), ("「", "」"), ("«", "»"),
)  # fmt: skip
_LABEL = re.compile(
    r"(?i)(?:the\s{1,4})?(?:final\s{1,4}|correct\s{1,4}|my\s{1,4}|short\s{1,4})?(?:answer|ans|result|答案)\s{0,4}"
    r"(?:is\b|是|为)?\s{0,4}[:：=]\s{0,4}"
)
_TOKENS = re.compile(r"<\|(?:im_end|im_start|endoftext|eot_id|end|eos|return|end_of_text)\|>|</s>|<eos>|<pad>")
_BOX = re.compile(r"\\+(?:boxed|fbox|framebox)\s{0,4}")
_GLM_BOX = re.compile(r"<\|begin_of_box\|>(.{0,2000}?)<\|end_of_box\|>", re.DOTALL)


def bare(text: str) -> str:
    """An answer without its wrappers; the same for one that has none."""
    text = without_tokens(text).strip()
    if len(text) > LONGEST:
        return text
    for _ in range(_ROUNDS):
        before = text
        text = _unwrapped(text)
        if text == before:
            break
    return text


def without_latex(text: str) -> str:
    r"""Text with ``\text{…}`` and spacing of LaTeX replaced by what they show."""
    for _ in range(_ROUNDS):
        before = text
        text = _COMMAND.sub(r"\1", text)
        if text == before:
            break
    for pattern, replacement in _LATEX:
        text = pattern.sub(replacement, text)
    return text


def without_markdown(text: str) -> str:
    """Text without emphasis, headings, code marks and math delimiters."""
    text = re.sub(r"(?m)^[ \t]{0,4}(?:#{1,6}|>)[ \t]{1,4}", "", text)
    text = re.sub(r"\*{2,3}|__|`{1,3}|\$\$?|\\[()\[\]]", "", text)
    return re.sub(r"(?<![\w*])\*(?=\w)|(?<=[\w.,:!?])\*(?![\w*])", "", text)


def without_tokens(text: str) -> str:
    """Text without a model's special tokens, GLM-V's box as ``\\boxed{}``."""
    text = _GLM_BOX.sub(lambda match: rf"\boxed{{{match[1].strip()}}}", text) if "<|begin_of_box|>" in text else text
    return _TOKENS.sub("", text) if "<" in text else text


def boxes(text: str) -> list[tuple[int, int, str]]:
    r"""``(start, end, content)`` of each outermost ``\boxed{…}`` with balanced braces, in one pass; also ``\boxed 3``."""
    return list(_boxes(text))


def _boxes(text: str) -> Iterator[tuple[int, int, str]]:
    closing: dict[int, int] | None = None
    at = 0
    for match in _BOX.finditer(text):
        if match.start() < at:
            continue
        if text[match.end() : match.end() + 1] == "{":
            closing = _closing(text) if closing is None else closing
            end = closing.get(match.end(), -1)
            if end < 0:
                continue
            content = text[match.end() + 1 : end]
            inner = boxes(content) if _BOX.search(content) and len(content) <= LONGEST else []
            yield match.start(), end + 1, inner[0][2] if len(inner) == 1 else content
            at = end + 1
        elif word := re.compile(r"[\w.,%/-]{1,40}").match(text, match.end()):
            yield match.start(), word.end(), word[0]
            at = word.end()


def _closing(text: str) -> dict[int, int]:
    """The closing brace of each opening one."""
    pairs, opened = dict[int, int](), list[int]()
    for place, letter in enumerate(text):
        if letter == "{":
            opened.append(place)
        elif letter == "}" and opened:
            pairs[opened.pop()] = place
    return pairs


def _unwrapped(text: str) -> str:
    text = without_latex(text).strip()
    for begin, end in _PAIRS:
        inside = text[len(begin) : len(text) - len(end)]
        if (
            text.startswith(begin)
            and text.endswith(end)
            and inside.strip()
            and begin not in inside
            and end not in inside
        ):
            text = inside.strip()
            break
    around = boxes(text) if "box" in text else []
    if len(around) == 1 and around[0][:2] == (0, len(text)):
        text = around[0][2].strip()
    if text.startswith("{") and text.endswith("}") and not re.search(r"[{}:,]", text[1:-1]):
        text = text[1:-1].strip()
    if label := _LABEL.match(text):
        text = text[label.end() :].strip()
    return text.rstrip(".。").rstrip() if not text.endswith("...") else text
