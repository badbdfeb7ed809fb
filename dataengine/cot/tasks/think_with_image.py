"""Think-with-image tasks: the reply calls tools on the picture and reads their output.

Each question takes one call that gives a picture and one that gives numbers. The facts are measured from the array without
the tools, so a check can hold the tools' outputs against them.
"""

from __future__ import annotations

from collections.abc import Iterable

from dataengine.cot.core.formats import IMAGE_MARK, Agentic, Step, box
from dataengine.cot.core.measure import LEVELS, PARTS, QUALITIES, QUARTERS, SIDES, cut, extreme, mean
from dataengine.cot.core.record import OBSERVATION, Style
from dataengine.cot.core.sample import CotInput
from dataengine.cot.core.seeded import Draw
from dataengine.cot.tasks import extremes, views
from dataengine.cot.tasks import wording_tools as w
from dataengine.cot.tasks.base import SEPARATOR, Abstain, Exchange, Facts, Params, PixelTask, listed, names, picture
from dataengine.media.image.pixels import Pixels

_SHOWN = (f"{OBSERVATION}0",)


class InspectView(PixelTask):
    """Crop, turn or mirror the picture, then compare the halves of what is seen."""

    name = "inspect_view"
    mode = "think_with_image"
    styles = ("agentic",)
    family = "tools"
    answer_type = "word"

    def options(self, source: CotInput, draw: Draw) -> Iterable[Params]:
        combinations = [(view, q, halves) for view in views.VIEWS for q in QUALITIES for halves in (SIDES, LEVELS)]
        for view, quality, halves in draw.shuffled([a for a in combinations if (a[0], a[2]) not in views.IDLE]):
            yield {"view": view, "quality": quality, "parts": SEPARATOR.join(draw.shuffled(halves))}

    def measure(self, params: Params, source: CotInput) -> Facts:
        seen = views.apply_view(params["view"], source.picture())
        return {part: mean(params["quality"], cut(seen, PARTS[part])) for part in names(params, "parts")}

    def decide(self, params: Params, facts: Facts, strict: bool) -> str | Abstain:
        first, second = names(params, "parts")
        if abs(facts[first] - facts[second]) < extremes.margin(params, strict):
            return Abstain("too close")
        return "yes" if facts[first] > facts[second] else "no"

    def write(self, source_id: str, params: Params, facts: Facts, answer: str, style: Style, draw: Draw) -> Exchange:
        first, second = names(params, "parts")
        quality, value, other = QUALITIES[params["quality"]], round(facts[first]), round(facts[second])
        slots = {"view": views.VIEWS[params["view"]], "first": first, "second": second, "value": value, "other": other}
        slots |= {"more": quality.more, "noun": quality.noun, "scale": quality.scale, "gap": abs(value - other)}
        look = Step(draw.choice(w.LOOKS).format(**slots), views.enlarged_code(params["view"]), IMAGE_MARK)
        code = f"{views.code(params['view'])}\n{views.measures(quality.name, (first, second))}"
        read = Step(draw.choice(w.MEASURES).format(**slots), code, f"{value}\n{other}")
        final = draw.choice(w.VERDICTS[answer]).format(box=box(answer), **slots)
        reply = Agentic((look, read), draw.choice(w.HALVES[answer]).format(**slots), final)
        return Exchange(draw.choice(w.VIEW_QUESTIONS).format(**slots), reply, picture(source_id), _SHOWN)

    def observe(self, params: Params, source: CotInput) -> list[Pixels]:
        return [views.enlarged(params["view"], source.picture())]


class FindCell(PixelTask):
    """Measure small cells all over the picture, then enlarge the quarter that holds the extreme one."""

    name = "find_cell"
    mode = "think_with_image"
    styles = ("agentic",)
    family = "tools"
    answer_type = "choice"

    def options(self, source: CotInput, draw: Draw) -> Iterable[Params]:
        for quality, end in draw.shuffled([(q, end) for q in QUALITIES for end in ("highest", "lowest")]):
            yield {"quality": quality, "end": end, "parts": SEPARATOR.join(draw.shuffled(QUARTERS))}

    def measure(self, params: Params, source: CotInput) -> Facts:
        pixels, highest = source.picture(), params["end"] == "highest"
        parts = names(params, "parts")
        return {part: extreme(params["quality"], cut(pixels, PARTS[part]), highest) for part in parts}

    def decide(self, params: Params, facts: Facts, strict: bool) -> str | Abstain:
        return extremes.winner(params, facts, strict)

    def write(self, source_id: str, params: Params, facts: Facts, answer: str, style: Style, draw: Draw) -> Exchange:
        parts, slots = names(params, "parts"), extremes.words(params, facts, answer)
        values = "\n".join(str(round(facts[part])) for part in parts)
        code = views.measures(f"{params['end']} {params['quality']}", parts)
        search = Step(draw.choice(w.SEARCHES).format(**slots), code, values)
        look = Step(draw.choice(w.ZOOMS).format(**slots), views.enlarged_code(str(slots["part"])), IMAGE_MARK)
        reply = Agentic(
            (search, look), draw.choice(w.CELLS).format(**slots), draw.choice(w.CELL_ANSWERS).format(**slots)
        )
        question = draw.choice(w.CELL_QUESTIONS).format(options=listed(parts), **slots)
        return Exchange(question, reply, picture(source_id), _SHOWN)

    def observe(self, params: Params, source: CotInput) -> list[Pixels]:
        best, _ = extremes.leaders(params, self.measure(params, source))
        return [views.enlarged(best, source.picture())]
