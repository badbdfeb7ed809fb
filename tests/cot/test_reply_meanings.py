"""Replies in plain sentences: those that say the answer have it, those that say something else do not."""

from __future__ import annotations

import pytest

from dataengine.cot.checks.answers import expected, matches
from dataengine.cot.checks.grade_file import question_of
from dataengine.cot.replies.final import final_answer

CASES: list[tuple[bool, str, str, str, list[str] | None, str]] = [
    (False, "word", "Which half is brighter?", "left", None, "The left half is less bright."),
    (True, "number", "How many cars are there?", "3", None, "There are 3 cars, possibly parked."),
    (True, "number", "How many people are there?", "3", None, "There are 3 people, perhaps a family."),
    (False, "number", "How many people are there?", "3", None, "There are 3, maybe 4."),
    (True, "number", "How many people are there?", "3", None, "I count three: a man, a woman and one child."),
    (True, "number", "How many people are there?", "3", None, "Three people: one man and two women."),
    (True, "number", "How many people are there?", "3", None, "There are 2 women and 1 man, so 3 in total."),
    (False, "number", "How many apples?", "12", None, "Half a dozen"),
    (False, "choice", "Which?", "B", ["a cat", "a dog"], "Everything but the dog"),
    (False, "choice", "Which is not in the picture?", "B", ["a cat", "a dog"], "The dog is in the picture."),
    (True, "word", "Is there a dog?", "yes", None, "Yes, it may be a poodle."),
    (True, "word", "Is there a dog?", "yes", None, "Yes, possibly a poodle."),
    (True, "word", "What colour is the car?", "red", None, "The car is red."),
    (False, "word", "What colour is the car?", "red", None, "The car is blue, the bus is red."),
    (False, "word", "What colour is the car?", "red", None, "The car is reddish brown."),
    (False, "word", "What animal chases?", "dog", None, "a dog is chased by the cat"),
    (True, "time", "When?", "8:30", None, "half past eight"),
    (False, "time", "When?", "8:30", None, "half past nine"),
    (True, "time", "What time does the clock show?", "3:00", None, "The clock shows three o'clock."),
    (True, "ocr", "Text?", "STOP", None, 'The sign reads "STOP".'),
    (True, "number", "How many more dogs than cats are there?", "2", None, "There are 2 more dogs than cats."),
    (False, "number", "How many more dogs than cats are there?", "2", None, "2 fewer dogs than cats"),
    (True, "number", "Fraction?", "1/2", None, "one half"),
    (True, "number", "Fraction?", "0.5", None, "half"),
    (True, "number", "How many minutes?", "90", None, "one and a half hours"),
    (False, "number", "How many?", "3", None, "3 is wrong"),
    (False, "number", "How many?", "3", None, "3 too many"),
    (False, "number", "How many?", "3", None, "close to 3"),
    (False, "number", "How many?", "3", None, "I doubt that there are 3"),
    (False, "number", "How many?", "3", None, "If there were 3, it would be full"),
    (False, "number", "How many people?", "3", None, "There are 3 people, perhaps four."),
    (False, "word", "Is there a dog?", "yes", None, "Yes, possibly."),
    (False, "word", "What colour is the car?", "red", None, "Neither car is red."),
    (False, "word", "What colour is the car?", "red", None, "The bus is red."),
    (False, "word", "What colour is the car?", "red", None, "The car is dark red."),
    (True, "number", "How much?", "3", None, "A total of 2 + 1 = 3"),
    (False, "number", "How much?", "2", None, "A total of 2 + 1 = 3"),
    (True, "number", "How many signs are wrong?", "3", None, "3 signs are wrong"),
    (False, "number", "How many people?", "0", None, "No people other than a child"),
    (False, "number", "How many people?", "0", None, "no more than 3"),
    (True, "choice", "Which is not a fruit?", "B", ["an apple", "a carrot"], "The carrot is a vegetable."),
    (False, "number", "How many people?", "3", None, "5 people: 3 men and 2 women"),
    (True, "number", "How many people?", "5", None, "5 people: 3 men and 2 women"),
    (False, "number", "How many people?", "5", None, "5 people: 3 men and 4 women"),
    (False, "number", "How many dogs?", "2", None, "Half of 4 dogs in total"),
    (True, "number", "How many minutes?", "90", None, "one and a half hours"),
    (False, "number", "How many?", "1/2", None, "half of them"),
    (True, "number", "How many cm longer is A?", "3", None, "3 cm longer than B"),
    (False, "number", "How many cm longer is A?", "3", None, "3 cm shorter than B"),
    (True, "choice", "Which?", "B", ["a cat", "a dog"], "Nothing but a dog"),
    (True, "number", "How many?", "6", None, "half a dozen"),
    (False, "number", "How many?", "3", None, "I doubt it is 3."),
    (True, "number", "How many?", "3", None, "Without a doubt, 3."),
    (True, "number", "How many?", "3", None, "If I count them all, there are 3."),
    (True, "number", "How many?", "2.5", None, "two and a half"),
    (True, "word", "What is the man holding?", "racket", None, "The man is holding a racket."),
    (False, "number", "How many chairs are there?", "4", None, "There would be 4 chairs if one were added."),
    (True, "number", "How many chairs are there?", "4", None, "4 chairs: two red and two blue."),
    (False, "number", "How many chairs are there?", "2", None, "4 chairs: two red and two blue."),
    (False, "number", "What is the value of x?", "3", None, "x^3"),
    (True, "word", "What is on the table?", "cup", None, "A cup is on the table."),
    (False, "word", "What is on the table?", "cup", None, "The cup is missing from the table."),
    (False, "word", "Who won?", "Red Sox", None, "The Red Sox lost to the Cubs."),
]


@pytest.mark.parametrize(("right", "kind", "text", "answer", "choices", "reply"), CASES)
def test_a_sentence_is_graded_by_what_it_says(
    right: bool, kind: str, text: str, answer: str, choices: list[str] | None, reply: str
) -> None:
    fields = {"question": text, "answer": answer, "answer_type": kind, "reply": reply}
    question = question_of(fields | ({"choices": choices} if choices else {}))
    assert matches(question, final_answer(expected(question), reply)) is right
