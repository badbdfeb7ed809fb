"""Wording templates of the video tasks; which one is used is drawn from the record's seed."""

from __future__ import annotations

from collections.abc import Sequence

from dataengine.cot.core.seeded import Draw
from dataengine.cot.tasks.base import Facts
from dataengine.cot.tasks.frame_order import between, nearest

SHOT_QUESTIONS = (
    "How many shots does this video consist of?",
    "Count the shots of this clip.",
    "Into how many shots is this video cut?",
    "From cut to cut is one shot. How many shots are there in this clip?",
)
ONE_SHOT = ("The clip is a single shot, so the count is {n}.", "There is {n} shot.", "Number of shots: {n}.")
SHOTS = ("There are {n} shots.", "The video consists of {n} shots.", "Number of shots: {n}.")
SHOT_FINALS = {
    True: ("The clip is one single shot: {box}", "Nothing is cut here, so the count is {box}"),
    False: ("The number of shots is {box}", "Counted over the whole clip: {box}"),
}
SHOT_OPENINGS = (
    "A shot lasts until the whole picture changes at once, so I look for such jumps.",
    "I go through the video and note each place where one view is replaced by another from one frame to the next.",
    "Cuts are what separates shots. Let me find them.",
)
_NO_CUTS = (
    "Over its {duration} the view never jumps. With no cut there is one shot.",
    "From the start to the end at {duration} one frame follows smoothly from another: no cut, hence a single shot.",
    "I find no jump anywhere in the {duration}, which means one uninterrupted shot.",
)
_CUTS = (
    "The view jumps at about {times}. {many}",
    "I see a cut at {times}. {many}",
    "One view gives way to another at around {times}. {many}",
)
_SUMS = (
    "Cuts: {cuts}. Shots are one more than cuts, so {shots}.",
    "{cuts} in all; adding the first shot makes {shots} shots.",
)

ORDER_QUESTIONS = (
    "These six frames of one video have been shuffled. Frame {first} is the earliest. Give all six letters in the order of "
    "time.",
    "The frames above come from one video but are out of order. Starting with frame {first}, restore their order.",
    "Put the six frames in the order in which they were filmed. The first is frame {first}. Answer with the letters.",
)
ORDERS = ("The order is {order}.", "In time they follow as {order}.", "Restored sequence: {order}.")
ORDER_FINALS = ("The order is {box}", "In time they follow as {box}", "Restored sequence: {box}")
ORDER_OPENINGS = (
    "Frames that follow each other look alike, so from frame {first} I go on to whatever frame differs least.",
    "Frame {first} is given as the first. From there the next frame should be the one that has changed least.",
    "I start at frame {first} and always continue with the most similar frame left, by mean difference of their pixels.",
)
_LINKS = (
    "Nearest to {here} is {next} ({near}); the runner-up {other} is at {far}.",
    "{next} differs from {here} by {near}, {other} already by {far}, so {next} follows.",
    "From {here} the smallest step is to {next}: {near}, against {far} for {other}.",
)
_LAST = ("Only {next} is left, {near} from {here}.", "That leaves {next} for the end ({near} from {here}).")


def cuts(times: Sequence[str], duration: float, draw: Draw) -> str:
    """A sentence with the times of the cuts and the number of shots."""
    if not times:
        return draw.choice(_NO_CUTS).format(duration=f"{duration:.1f} s")
    joined = times[0] if len(times) == 1 else f"{', '.join(times[:-1])} and {times[-1]}"
    many = draw.choice(_SUMS).format(cuts=len(times), shots=len(times) + 1)
    return draw.choice(_CUTS).format(times=joined, many=many)


def chain(facts: Facts, order: Sequence[str], draw: Draw) -> str:
    """Sentences that go from each frame to its nearest, with their differences."""
    links = []
    for place, here in enumerate(order[:-2]):
        (near, next_), (far, other) = nearest(facts, here, order[place + 1 :])[:2]
        links.append(draw.choice(_LINKS).format(here=here, next=next_, near=near, other=other, far=far))
    here, last = order[-2:]
    return " ".join([*links, draw.choice(_LAST).format(here=here, next=last, near=between(facts, here, last))])
