"""What the stages of sequences share: their configuration, the releases that they read, and what documents are tokenized for."""

from __future__ import annotations

from dataengine.config.recipe import Recipe
from dataengine.config.sequence import (
    DISCRETE,
    ReleaseSource,
    SamplesSource,
    SequenceConfig,
    SetConfig,
    TextSource,
)
from dataengine.errors import UsageError
from dataengine.index.codes.settings import codes_config, coding
from dataengine.sequence.releases import OWN, Release, other_release, own_release
from dataengine.sequence.special import family_of
from dataengine.stage import Run

SIGNATURES, DUPLICATES, CORPORA = "sequence.signatures", "sequence.duplicates", "sequence.corpora"
SAMPLES, VOCABULARY = "sequence.samples", "sequence.vocabulary"
ENCODE, DRAW, MIX = "sequence.encode", "sequence.draw", "sequence.mix"
LEDGER, PACK = "sequence.ledger", "sequence.pack"
#: Fields of a set that change how it is written, not what is packed.
AS_WRITTEN = {"formats", "summary"}
WRITE, DESCRIBE = "sequence.write", "sequence.describe"


class Sequencing:
    """Left out where the recipe has no ``sequence``."""

    def active(self, recipe: Recipe) -> bool:
        return recipe.sequence is not None

    def config(self, recipe: Recipe) -> SequenceConfig:
        if recipe.sequence is None:
            raise ValueError("the recipe has no sequence")
        return recipe.sequence


def corpora(config: SequenceConfig) -> list[TextSource]:
    """Sources that are plain text."""
    return [source for source in config.sources if isinstance(source, TextSource)]


def sources_of(config: SequenceConfig, one: SetConfig) -> list[str]:
    """Names of the sources of a set, in the order of the recipe."""
    return [source.name for source in config.sources if not one.sources or source.name in one.sources]


def families(config: SequenceConfig) -> dict[str, list[str]]:
    """Names of the sources whose documents are tokenized for each family of layouts."""
    out: dict[str, set[str]] = {}
    for one in config.sets:
        out.setdefault(family_of(one.layout), set()).update(sources_of(config, one))
    order = [source.name for source in config.sources]
    return {family: sorted(names, key=order.index) for family, names in sorted(out.items())}


def releases(run: Run, config: SequenceConfig) -> dict[str, Release]:
    """The releases that sources read, by the place that the recipe names. Raises UsageError for codes of two tokenizers."""
    wanted = sorted({source.release or OWN for source in config.sources if isinstance(source, ReleaseSource)})
    out = {url: own_release(run) if url == OWN else other_release(url) for url in wanted}
    makers = {release.tokenizer: release.name for release in out.values()}
    if discrete_sets(config) and len(makers) > 1:
        listed = ", ".join(f"{name} has {tokenizer or 'none'}" for tokenizer, name in sorted(makers.items()))
        raise UsageError(
            f"sequence: codes of two tokenizers cannot be mixed: {listed}. Encode all with one, as a checkpoint"
        )
    if discrete_sets(config) and makers and "" in makers:
        raise UsageError(
            f"sequence: release {makers['']} has no codes, which layouts {' and '.join(DISCRETE)} need: give the recipe a "
            "`tokenize`, or take a continuous layout (qwen-vl, keye)"
        )
    return out


def discrete_sets(config: SequenceConfig) -> list[SetConfig]:
    return [one for one in config.sets if one.layout in DISCRETE]


def codebook_sizes(releases: dict[str, Release]) -> tuple[int, ...]:
    """Of the one tokenizer of all releases; () where there is none."""
    return next((release.codebook_sizes for release in releases.values() if release.codebook_sizes), ())


def semantic_shape(recipe: Recipe) -> tuple[int, int] | None:
    """Levels and codes a level of the semantic ids that sources want; None where none does. Raises UsageError where they cannot
    be had."""
    sources = recipe.sequence.sources if recipe.sequence else []
    wanted = [s for s in sources if isinstance(s, SamplesSource) and s.semantic_ids != "none"]
    if not wanted:
        return None
    if not coding(recipe):
        raise UsageError(
            f"sequence source {wanted[0].name}: `semantic_ids` needs `index.codes`, whose levels and size name the tokens"
        )
    own = next((source for source in wanted if source.release is None), None)
    if own is not None and not (recipe.index and recipe.index.in_samples):
        raise UsageError(
            f"sequence source {own.name}: `semantic_ids` are read from the release's samples: set `index.in_samples: true`"
        )
    return codes_config(recipe).shape


def splits(config: SequenceConfig) -> list[tuple[str, str]]:
    """(release, split) of all sources, in order."""
    pairs = {(s.release or OWN, s.split) for s in config.sources if isinstance(s, ReleaseSource)}
    return sorted(pairs)


def splitting_from(config: SequenceConfig) -> int | None:
    """Rows from which a document may have to be split; None where no set splits."""
    return min((one.length for one in config.sets if one.too_long == "split"), default=None)
