r"""Forms in which models write a reply: reasoning and an answer dressed as model families document theirs.

Each takes the reasoning, the answer as it would stand in a box, and a sentence that says it, and gives the ``message`` of a chat
completion. The forms say nothing of how often a model writes them.
"""

from __future__ import annotations

import json
from collections.abc import Callable

Message = dict[str, str]
Dress = Callable[[str, str, str], Message]


def _text(form: str) -> Dress:
    return lambda think, answer, sentence: {
        "content": form.replace("THINK", think).replace("ANSWER", answer).replace("SENTENCE", sentence)
    }


def _json(think: str, answer: str, sentence: str) -> Message:
    return {"content": f"```json\n{json.dumps({'reasoning': think, 'answer': answer}, indent=1)}\n```"}


def _parsed(think: str, answer: str, sentence: str) -> Message:
    return {"reasoning_content": think, "content": f"\n\n{sentence}"}


def _parsed_box(think: str, answer: str, sentence: str) -> Message:
    return {"reasoning": think, "content": rf"\boxed{{{answer}}}"}


#: For questions that ask for reasoning.
THINKING: dict[str, Dress] = {
    "exact": _text(r"<think>THINK</think> <answer>\boxed{ANSWER}</answer>"),
    "line break between tags": _text("<think>\nTHINK\n</think>\n\n<answer>\n\\boxed{ANSWER}\n</answer>"),
    "text in the box": _text(r"<think>THINK</think><answer>SENTENCE \boxed{\text{ANSWER}}</answer>"),
    "bold": _text("<think>THINK</think>\n<answer>**ANSWER**</answer>"),
    "no box": _text("<think>THINK</think>\n<answer>ANSWER</answer>"),
    "sentence": _text("<think>THINK</think>\n<answer>SENTENCE</answer>"),
    "no answer tag": _text("<think>\nTHINK\n</think>\n\nSENTENCE"),
    "no opening tag": _text("THINK\n</think>\n\nSENTENCE"),
    "no closing tags": _text("<think>THINK\n<answer>\\boxed{ANSWER}"),
    "GLM box": _text("<think>THINK</think><answer><|begin_of_box|>ANSWER<|end_of_box|></answer>"),
    "display math": _text("THINK\n\n\\[\n\\boxed{ANSWER}\n\\]"),
    "Answer label": _text("THINK\n\nAnswer: ANSWER"),
    "bold label": _text("THINK\n\n**Final Answer:** ANSWER"),
    "headings": _text("### Reasoning\nTHINK\n\n### Answer\nANSWER"),
    "last line": _text("THINK\n\nSENTENCE"),
    "fence": _text("```\n<think>THINK</think>\n<answer>ANSWER</answer>\n```"),
    "JSON": _json,
    "reasoning_content": _parsed,
    "reasoning": _parsed_box,
    "token at the end": _text("<think>\nTHINK\n</think>\n\n<answer>ANSWER</answer><|im_end|>"),
}
#: For questions that ask for the answer alone.
PLAIN: dict[str, Dress] = {
    "plain": _text("ANSWER"),
    "plain sentence": _text("SENTENCE"),
    "plain bold": _text("**ANSWER**"),
    "plain box": _text(r"$\boxed{\text{ANSWER}}$"),
    "plain answer tag": _text("<answer>ANSWER</answer>"),
    "plain, thought unasked": _text("<think>THINK</think>\n\nANSWER"),
}
_ANALYSIS = "<analysis>{why} Therefore, /{no}think mode is more appropriate.</analysis>"
#: For questions that leave it to the model.
AUTO: dict[str, Dress] = {
    "auto, plain": _text(_ANALYSIS.format(why="One look will do.", no="no_") + "\nSENTENCE"),
    "auto, thinking": _text(
        _ANALYSIS.format(why="It takes steps.", no="") + "\n<think>\nTHINK\n</think>\n<answer>ANSWER</answer>"
    ),
}
