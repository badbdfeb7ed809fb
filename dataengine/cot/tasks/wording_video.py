"""Wording templates of the video tasks; which one is used is drawn from the record's seed.

Reasoning speaks of the frames that are shown and their times, and of what looks alike, never of measurements.
"""

from __future__ import annotations

from collections.abc import Sequence

from dataengine.cot.core.seeded import Draw
from dataengine.cot.tasks.rendered.words import joined

SHOT_QUESTIONS = (
    "How many shots does this video consist of?",
    "Count the shots of this clip.",
    "Into how many shots is this video cut?",
    "From cut to cut is one shot. How many shots are there in this clip?",
    "How many shots can be told apart in this video?",
    "The camera's view may be replaced by another at once. How many different stretches does that give?",
    "How many separate takes follow each other here?",
    "What is the number of shots in this video?",
    "Going from start to end, how many shots do you see?",
    "If this clip were taken apart at its cuts, how many pieces would there be?",
    "How many times, plus one, is this video cut?",
    "Say how many shots were joined to make this clip.",
)
ONE_SHOT = ("The clip is a single shot, so the count is {n}.", "There is {n} shot.", "Number of shots: {n}.")
SHOTS = ("There are {n} shots.", "The video consists of {n} shots.", "Number of shots: {n}.")
SHOT_FINALS = {
    True: ("The clip is one single shot: {box}", "Nothing is cut here, so the count is {box}"),
    False: ("The number of shots is {box}", "Counted over the whole clip: {box}"),
}
SHOT_OPENINGS = (
    "A shot lasts until the whole view is replaced at once, so I look for such places.",
    "I go through the frames and note each place where one view gives way to another.",
    "Cuts are what separates shots. Let me find them.",
)
_NO_CUTS = (
    "From the first frame to the last, at {last} s, the view is never replaced. With no cut there is one shot.",
    "Each frame follows smoothly from the one before, up to the last at {last} s: no cut, hence a single shot.",
    "I find no place where another view takes over, so this is one uninterrupted shot.",
)
_CUTS = (
    "Another view takes over {places}. {many}",
    "I see the view replaced {places}. {many}",
    "One view gives way to another {places}. {many}",
)
_SUMS = (
    "Cuts: {cuts}. Shots are one more than cuts, so {shots}.",
    "{cuts} in all; adding the first shot makes {shots} shots.",
)
CUT_QUESTIONS = (
    "In which second does the first cut of this video come? Give the whole seconds that have passed.",
    "After how many whole seconds is this clip cut for the first time?",
    "How many whole seconds pass before the first cut?",
    "When does the view change at once for the first time? Answer in whole seconds from the start.",
    "How long does the first shot last, in whole seconds, rounded down?",
    "Find the first cut and give its time in whole seconds, rounded down.",
    "At which second is the first view replaced by another? Round down to whole seconds.",
    "Count the full seconds until the first cut.",
    "The first shot ends after how many full seconds?",
    "How many full seconds into the clip is it cut for the first time?",
    "Give the time of the first cut, as the number of whole seconds since the start.",
    "Up to the first cut, how many whole seconds have gone by?",
)
CUT_ANSWERS = ("{n}", "{n} seconds", "It is {n}.")
CUT_THINKS = (
    "I look for the first place where the whole view is replaced at once. The frame at {before} s still shows the first view, "
    "the one at {after} s another, so {n} whole seconds have passed.",
    "Up to the frame at {before} s the view stays the same; at {after} s it is a different one. Whole seconds until then: {n}.",
    "The first two frames that do not belong together are those at {before} s and {after} s. Both lie in the second that "
    "begins at {n} s.",
)
CUT_FINALS = (
    "Whole seconds before the first cut: {box}",
    "Counted in whole seconds, the first cut comes after {box}",
    "So the number of whole seconds is {box}",
)

ORDER_QUESTIONS = (
    "These six frames of one video have been shuffled. Frame {first} is the earliest. Give all six letters in the order of "
    "time.",
    "The frames above come from one video but are out of order. Starting with frame {first}, restore their order.",
    "Put the six frames in the order in which they were filmed. The first is frame {first}. Answer with the letters.",
    "Which frame follows which? Begin with {first}, the earliest, and list all six letters.",
    "The video starts with frame {first}. In which order do the other frames follow? Give all six letters.",
    "Sort these frames by time. Frame {first} comes first.",
    "Six frames, mixed up. Given that {first} is the first one, what is the right sequence?",
    "Reconstruct the clip from its frames: {first} opens it. List all letters in order.",
    "From frame {first} on, in which order were these frames shown? Answer with six letters.",
    "Bring the frames into their order in time, beginning with {first}.",
    "Frame {first} was filmed before the others. Write all six letters in the order of filming.",
    "How does the clip run? Start at {first} and name the frames one after another.",
)
ORDERS = ("The order is {order}.", "In time they follow as {order}.", "Restored sequence: {order}.")
ORDER_FINALS = ("The order is {box}", "In time they follow as {box}", "Restored sequence: {box}")
ORDER_OPENINGS = (
    "Frames that follow each other look alike, so from frame {first} I go on to whatever frame has changed least.",
    "Frame {first} is given as the first. From there the next frame should be the one that has changed least.",
    "I start at frame {first} and always continue with the frame that looks most like the one before.",
)
_LINKS = (
    "Most like {here} is {next}; {other} has already moved on further.",
    "{next} is close to {here}, while {other} shows more of a change, so {next} follows.",
    "From {here} the smallest step is to {next}; {other} comes later.",
)
_LAST = ("Only {next} is left for the end.", "That leaves {next} as the last one.")

FRAME_QUESTIONS = (
    "At which time does the picture before the video occur in it? Give the time of that frame in seconds, to one decimal.",
    "The picture is one of the video's frames. When is it shown? Answer in seconds, to one decimal.",
    "Find the frame of the video that the picture shows, and give its time in seconds to one decimal.",
    "When in the video do you see what the picture shows? Give the frame's time, to one decimal.",
    "Which moment of the video is this picture? Answer with the time in seconds, to one decimal.",
    "Locate the picture in the video: at how many seconds (one decimal) does it stand?",
    "The still was taken from the video. At what time, in seconds to one decimal?",
    "Match the still with a frame of the video and give that frame's time in seconds (one decimal).",
    "At how many seconds, to one decimal, would you stop the video to see this picture?",
    "One frame of the video equals the picture. Give its time in seconds with one decimal.",
    "What is the time, in seconds to one decimal, of the frame that the picture was copied from?",
    "Say when the picture appears in the video: seconds, one decimal.",
)
FRAME_ANSWERS = ("{answer}", "{answer} s", "It is {answer}.")
FRAME_THINKS = (
    "I compare the picture with the frames one after another. The frame at {answer} s shows the same; its neighbours show "
    "something else already.",
    "The picture agrees with the frame at {answer} s. None of the other frames shows exactly this.",
)
FRAME_FINALS = ("It is shown at {box}", "The time of that frame is {box}", "So the answer is {box}")

STRANGER_QUESTIONS = (
    "Five of these frames come from one video, one does not. Which letter is it?",
    "Which frame does not belong to the same video as the others?",
    "One of the six frames was taken from another video. Name it.",
    "Find the frame that comes from somewhere else.",
    "Six frames, two videos: five from the one, one from the other. Which is the single one?",
    "Which letter marks the frame that has nothing to do with the rest?",
    "Spot the frame that was put in from another video.",
    "All but one of these frames are from the same clip. Which one is not?",
    "Tell me which of the frames is a stranger among the others.",
    "Look at the six frames. Which one was filmed somewhere else?",
    "Which frame would you take out so that all that are left are of one video?",
    "Give the letter of the frame that does not fit with the other five.",
)
STRANGER_ANSWERS = ("{answer}", "{answer}. The others are of one video.", "The answer is {answer}.")
STRANGER_THINKS = (
    "{others} show one and the same scene, a little later or earlier. Frame {answer} shows another one.",
    "I compare the frames with each other. {others} belong together; frame {answer} has nothing of what they show.",
)
STRANGER_FINALS = ("The frame from another video is {box}", "It is frame {box}", "So the answer is {box}")

MATCH_QUESTIONS = (
    "Each video is a short clip. Clips 1 and 2 come from one video. Which candidate comes from the same video?",
    "One of the candidates was cut from the video that clips 1 and 2 are from. Which one?",
    "Clips 1 and 2 are parts of one video. Which candidate is another part of it?",
    "Which candidate belongs with clips 1 and 2?",
    "The first two clips share a video. Find the candidate that was cut from that video, too.",
    "Watch all six clips. Which candidate continues or precedes clips 1 and 2?",
    "Match the clips: which of the candidates has the same source as clips 1 and 2?",
    "One candidate was filmed in the same video as clips 1 and 2. Which one?",
    "Group the clips. Which candidate goes together with clips 1 and 2?",
    "Which candidate is from the video that clips 1 and 2 were cut from?",
    "Clips 1 and 2 have one origin. Choose the candidate that has it as well.",
    "Watch clips 1 and 2, then say which candidate comes out of the same video.",
)
MATCH_THINKS = (
    "Clips of one video tend to share scene and colours. Candidate {letter} has those of clips 1 and 2. {others} show other "
    "scenes in other colours.",
    "I look for the scene and the colours of clips 1 and 2. They come back in candidate {letter}; {others} look clearly "
    "different.",
    "What clips 1 and 2 show is seen again in candidate {letter}. Of {others}, none has the same colours.",
)
MATCH_FINALS = (
    "It comes from the same video as candidate {letter}: {box}",
    "The matching clip is candidate {letter}. {box}",
)
MATCH_SHORT = ("Candidate {letter}.", "The matching clip is candidate {letter}.")


def cuts(gaps: Sequence[tuple[str, str]], last: str, draw: Draw) -> str:
    """A sentence with the times of the frames around each cut, in seconds, and the number of shots."""
    if not gaps:
        return draw.choice(_NO_CUTS).format(last=last)
    places = joined([f"between the frames at {before} s and {after} s" for before, after in gaps])
    many = draw.choice(_SUMS).format(cuts=len(gaps), shots=len(gaps) + 1)
    return draw.choice(_CUTS).format(places=places, many=many)


def chain(links: Sequence[tuple[str, str, str]], last: str, draw: Draw) -> str:
    """Sentences that go from each frame to the most similar one; ``links`` are (frame, next, runner-up)."""
    sentences = [draw.choice(_LINKS).format(here=here, next=next_, other=other) for here, next_, other in links]
    return " ".join([*sentences, draw.choice(_LAST).format(next=last)])
