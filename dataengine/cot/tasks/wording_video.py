"""Wording templates of the video tasks; which one is used is drawn from the record's seed.

Reasoning speaks of the frames that are shown and their times, and of what looks alike, never of measurements.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from dataengine.cot.core.seeded import Draw
from dataengine.cot.tasks.rendered.words import joined

SHOT_QUESTIONS = (
    "How many shots does this video consist of?",
    "Count the shots in this clip.",
    "How many shots were edited together to make this video?",
    "A shot runs from one cut to the next. How many shots are there in this clip?",
    "How many shots can you make out in this video?",
    "At a cut, one view is replaced by another all at once. Into how many shots is this video divided?",
    "How many shots follow one another here?",
    "What is the number of shots in this video?",
    "Going from start to finish, how many shots do you see?",
    "If this clip were split at its cuts, how many pieces would there be?",
    "Count the cuts in this video. How many shots does that make?",
    "Say how many shots make up this clip.",
)
ONE_SHOT = ("The clip is a single shot, so the count is {n}.", "There is {n} shot.", "Number of shots: {n}.")
SHOTS = ("There are {n} shots.", "The video consists of {n} shots.", "Number of shots: {n}.")
SHOT_FINALS = {
    True: ("The clip is a single shot: {box}", "There are no cuts, so the count is {box}"),
    False: ("The number of shots is {box}", "Counted over the whole clip, the number of shots is {box}"),
}
SHOT_OPENINGS = (
    "A shot lasts until the whole view is replaced at once, so I look for the places where that happens.",
    "I go through the frames and note each place where one view gives way to another.",
    "Shots are separated by cuts, so I look for the cuts.",
)
_NO_CUTS = (
    "From the first frame to the last, at {last} s, the view is never replaced. With no cuts, there is one shot.",
    "Each frame continues the view of the one before it, up to the last one at {last} s. There is no cut, hence a single shot.",
    "I find no place where another view takes over, so this is one uninterrupted shot.",
)
_CUTS = (
    "Another view takes over {places}. {many}",
    "I see the view replaced at once {places}. {many}",
    "One view gives way to another {places}. {many}",
)
_SUMS = (
    "Cuts: {cuts}. There is always one more shot than there are cuts, so the number of shots is {shots}.",
    "Cuts: {cuts}. Each of them starts a new shot; together with the opening shot, that makes {shots}.",
)
CUT_QUESTIONS = (
    "When does the first cut in this video come? Give the number of whole seconds that have passed by then.",
    "How much of this clip comes before its first cut? Answer in whole seconds, rounded down.",
    "How many whole seconds pass before the first cut?",
    "When is the whole view replaced for the first time? Answer in whole seconds from the start, rounded down.",
    "How long does the first shot last, in whole seconds, rounded down?",
    "Find the first cut and give its time in whole seconds, rounded down.",
    "At what time is the opening view replaced by another? Round down to whole seconds.",
    "Count the full seconds until the first cut.",
    "After how many full seconds does the first shot end?",
    "How many full seconds into the clip is the first cut?",
    "Give the time of the first cut as the number of whole seconds since the start.",
    "By the time of the first cut, how many whole seconds have gone by?",
)
CUT_ANSWERS = ("{n}", "{n} {seconds}", "The answer is {n}.")
CUT_THINKS = (
    "I look for the first place where the whole view is replaced at once. The frame at {before} s still shows the first view and "
    "the one at {after} s shows another, so the cut comes after {n} whole {seconds}.",
    "Up to the frame at {before} s it is all one shot; at {after} s the view is a different one. Whole seconds until then: {n}.",
    "The first two consecutive frames that do not belong together are those at {before} s and {after} s. Both lie in the second "
    "that begins at {n} s.",
)
CUT_FINALS = (
    "Whole seconds before the first cut: {box}",
    "Time of the first cut in whole seconds: {box}",
    "So the number of whole seconds is {box}",
)

ORDER_QUESTIONS = (
    "These six frames of one video have been shuffled. Frame {first} is the earliest. Give all six letters in chronological "
    "order.",
    "The frames above come from one video but are out of order. Starting with frame {first}, give all six letters in the right "
    "order.",
    "Put the six frames in the order in which they appear in the video. The first is frame {first}. Answer with the letters.",
    "Which frame follows which? Begin with {first}, the earliest, and list all six letters.",
    "Of these six frames, frame {first} comes first in the video. In what order do the others follow? Give all six letters.",
    "Sort these frames by time. Frame {first} comes first. Give all six letters.",
    "Here are six frames of a video, mixed up. Given that {first} is the first one, what is the right sequence of letters?",
    "Reconstruct the sequence of these frames, which begins with {first}. List all six letters in order.",
    "Starting from frame {first}, in what order were these frames shown? Answer with six letters.",
    "Bring the frames into chronological order, beginning with {first}. List all six letters.",
    "Frame {first} comes before all the others. Write down all six letters in the order in which the frames occur in the video.",
    "How does the video go on from frame {first}? Start with {first} and give the letters of the frames one after another.",
)
ORDERS = ("The order is {order}.", "In order of time: {order}.", "The right sequence is {order}.")
ORDER_FINALS = ("The order is {box}", "In order of time: {box}", "The right sequence is {box}")
ORDER_OPENINGS = (
    "Frames that follow each other look alike, so from frame {first} I always go on to the frame that has changed least.",
    "Frame {first} is given as the first. The frame after it should be the one that has changed least, and so on.",
    "I start at frame {first} and always continue with the frame that looks most like the one before.",
)
_PLACED = (
    "{next} looks most like {here}, and what has changed is mostly in {where} of the picture; {other} has changed more.",
    "Between {here} and {next} it is mostly {where} of the picture that changes; {other} differs from {here} more clearly.",
)
_LINKS = (
    "Of the frames that are left, {next} looks most like {here}; {other} differs more.",
    "{next} comes next, since {other} differs from {here} more clearly.",
)
_LAST = ("Only {next} is left for the end.", "That leaves {next} as the last one.")

FRAME_QUESTIONS = (
    "At what time does the picture shown before the video occur in it? Give the time of that frame in seconds, to one decimal "
    "place.",
    "The picture is one of the video's frames. When is it shown? Answer in seconds, to one decimal place.",
    "Find the frame of the video that the picture shows, and give its time in seconds, to one decimal place.",
    "When in the video do you see what the picture shows? Give the frame's time in seconds, to one decimal place.",
    "Which moment of the video does this picture show? Answer with the time in seconds, to one decimal place.",
    "Locate the picture in the video. How many seconds in does it appear, to one decimal place?",
    "The still was taken from the video. At what time, in seconds, to one decimal place?",
    "Match the still with a frame of the video and give that frame's time in seconds, to one decimal place.",
    "At how many seconds, to one decimal place, would you pause the video to see this picture?",
    "One frame of the video is the same as the picture. Give its time in seconds, to one decimal place.",
    "What is the time, in seconds to one decimal place, of the frame that the picture was copied from?",
    "Say when the picture appears in the video, in seconds, to one decimal place.",
)
FRAME_ANSWERS = ("{answer}", "{answer} s", "At {answer} s.")
FRAME_THINKS = (
    "I compare the picture with the frames one after another. The frame at {answer} s shows the same. {beside}",
    "The picture agrees with the frame at {answer} s. {beside}",
    "The frame at {answer} s looks just like the picture. {beside}",
)
_BESIDE = (
    "The one {side} it, at {time} s, differs from it mostly in {where} of the picture.",
    "In the frame {side} it, at {time} s, it is mostly {where} of the picture that looks different.",
)
_BOTH_BESIDE = (
    "The ones {sides} it, at {times}, differ from it mostly in {where} of the picture.",
    "In the frames {sides} it, at {times}, it is mostly {where} of the picture that looks different.",
)
FRAME_FINALS = (
    "In seconds, it is shown at {box}",
    "The time of that frame, in seconds, is {box}",
    "So the time in seconds is {box}",
)

STRANGER_QUESTIONS = (
    "Five of these frames come from one video, and one does not. Which letter is it?",
    "Which frame does not belong to the same video as the others?",
    "One of the six frames was taken from another video. Which one?",
    "Find the frame that does not come from where the others do.",
    "Six frames, two videos: five frames from one, a single frame from the other. Which is the single one?",
    "Which letter marks the frame that is from another video than the rest?",
    "Spot the frame that was slipped in from another video.",
    "All but one of these frames are from the same clip. Which one is not?",
    "Tell me which of the frames is a stranger among the others.",
    "Look at the six frames. Which one comes from a different video?",
    "Which frame would you have to take out so that all those left are from one video?",
    "Give the letter of the frame that does not fit with the other five.",
)
STRANGER_ANSWERS = ("{answer}", "{answer}. The others are from one video.", "The answer is {answer}.")
STRANGER_THINKS = (
    "{others} resemble one another, all of them mostly {own}. Frame {answer} is mostly {theirs}.",
    "I compare the frames with each other. {others} are mostly {own}, and differ far less from one another than frame {answer}, "
    "which is mostly {theirs}, does from any of them.",
    "Most of frame {answer} is {theirs}. {others} are different from it and much like each other: mostly {own}.",
)
STRANGER_FINALS = (
    "The frame from another video is {box}",
    "The frame that does not belong is {box}",
    "So the answer is {box}",
)

MATCH_QUESTIONS = (
    "Each video is a short clip. Clips 1 and 2 come from one video. Which candidate comes from the same video?",
    "One of the candidates was cut from the same video as clips 1 and 2. Which one?",
    "Clips 1 and 2 are parts of one video. Which candidate is another part of it?",
    "Which candidate belongs with clips 1 and 2?",
    "The first two clips are from the same video. Find the candidate that was cut from that video, too.",
    "Watch all six clips. Which candidate is another piece of the video that clips 1 and 2 are from?",
    "Match the clips: which of the candidates has the same source as clips 1 and 2?",
    "Besides clips 1 and 2, one more clip is from their video. Which candidate is it?",
    "Group the clips. Which candidate goes together with clips 1 and 2?",
    "Which candidate is from the video that clips 1 and 2 were cut from?",
    "Clips 1 and 2 have the same origin. Choose the candidate that shares it.",
    "Watch clips 1 and 2, then say which candidate is from the same video.",
)
MATCH_THINKS = (
    "Clips 1 and 2 are mostly {own}. Candidate {others}. Candidate {letter} is mostly {own} as well.",
    "I go through the candidates by their colours. Candidate {others}. What clips 1 and 2 show is mostly {own}, and so is what "
    "candidate {letter} shows.",
    "Candidate {letter} has the colours of clips 1 and 2: all three are mostly {own}. That is not so with the rest: candidate "
    "{others}.",
    "The area of clips 1 and 2 is mostly {own}. The same holds for candidate {letter}, whereas candidate {others}.",
)
MATCH_FINALS = (
    "Candidate {letter} comes from the same video as clips 1 and 2: {box}",
    "The matching clip is candidate {letter}: {box}",
)
MATCH_SHORT = ("Candidate {letter}.", "The matching clip is candidate {letter}.")


def named(noun: str, letters: Sequence[str]) -> str:
    """Several things by their letters: "frames A, B and C"."""
    return f"{noun}s {joined(letters)}"


def matched(letter: str, own: Sequence[str], others: Mapping[str, Sequence[str]], draw: Draw) -> str:
    """Names the colours of the clips that belong together, and of each of the other candidates."""
    first, *more, last = [f"{other} {{}}mostly {joined(colours)}" for other, colours in others.items()]
    rest = ", ".join([first.format("is "), *(one.format("") for one in more), f"and {last.format('')}"])
    return draw.choice(MATCH_THINKS).format(letter=letter, own=joined(own), others=rest)


def beside(places: Sequence[tuple[str, str, str]], draw: Draw) -> str:
    """What tells a frame from those beside it; ``places`` are ("before" or "after", time, where the picture differs most)."""
    if len(places) > 1 and len({where for *_, where in places}) == 1:
        slots = {
            "sides": joined([side for side, *_ in places]),
            "times": joined([f"{time} s" for _, time, _ in places]),
        }
        return draw.choice(_BOTH_BESIDE).format(where=places[0][2], **slots)
    order = draw.shuffled(_BESIDE)
    return " ".join(
        order[n % len(order)].format(side=side, time=time, where=where) for n, (side, time, where) in enumerate(places)
    )


def sentences(text: str) -> str:
    """The text with a capital at the beginning of each sentence."""
    return re.sub(r"(?:^|(?<=[.?!] ))[a-z]", lambda letter: letter[0].upper(), text)


def cuts(gaps: Sequence[tuple[str, str]], last: str, draw: Draw) -> str:
    """A sentence with the times of the frames around each cut, in seconds, and the number of shots."""
    if not gaps:
        return draw.choice(_NO_CUTS).format(last=last)
    places = joined([f"between the frames at {before} s and {after} s" for before, after in gaps])
    many = draw.choice(_SUMS).format(cuts=len(gaps), shots=len(gaps) + 1)
    return draw.choice(_CUTS).format(places=places, many=many)


def chain(links: Sequence[tuple[str, str, str, str]], last: str, draw: Draw) -> str:
    """Sentences that go from each frame to the most similar one; ``links`` are (frame, next, runner-up, where it changes most or
    "")."""
    steps = [
        draw.choice(_PLACED if where else _LINKS).format(here=here, next=next_, other=other, where=where)
        for here, next_, other, where in links
    ]
    return " ".join([*steps, draw.choice(_LAST).format(next=last)])
