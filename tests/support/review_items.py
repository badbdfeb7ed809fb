"""Items for reviewers, from real questions."""

from __future__ import annotations

from dataengine.cot.review.base import ReviewItem, ReviewPath
from dataengine.cot.tasks.programmatic import exchange
from support.cot_corpus import original, pictures, records


def items(count: int = 3) -> list[ReviewItem]:
    """Questions of think mode, each with a flawed and a long path; the first holds markup that must stay text."""
    found = []
    for kept in [k for k in records() if k.record.task == "compare_parts"][:count]:
        question = kept.question
        texts = [exchange(question, path).reply.render() for path in (0, 1)]
        if not found:
            texts[0] = texts[0].replace("<think>", "<think><script>document.title='taken over'</script>", 1)
        paths = (ReviewPath(0, texts[0], "B", ("contradiction",), -0.2), ReviewPath(1, texts[1], "B", ("repetition",)))
        found.append(
            ReviewItem(
                question.id,
                question.mode,
                question.task,
                question.text,
                question.answer,
                question.parents,
                paths,
                0,
                "process",
            )
        )
    return found


def media(name: str) -> tuple[str, bytes]:
    """Any sample of ``cot_corpus``; another name is the photo of a temple."""
    return "image/jpeg", pictures().get(name, original("china.jpg"))
