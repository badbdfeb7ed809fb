"""Says by which codes samples are described, what aligned their vectors, and how even their clusters are before and after the
filter. From the manifest alone."""

from __future__ import annotations

from dataengine.config.index_codes import PRESETS
from dataengine.release.card_text import plural, table
from dataengine.release.manifest import Manifest
from dataengine.release.manifest_codes import Alignment, Balance, Cluster, Evenness, QuantitativeCodes
from dataengine.shards.json_types import known

CLUSTERS_HEAD = ("cluster", "words of its captions", "before", "after the filter")
EVENNESS_HEAD = ("", "samples", "clusters", "effective clusters", "Gini", "share of the largest")


def codes(m: Manifest) -> str:
    """Section of the card on alignment and codes; "" without both."""
    aligned, coded = known(m.alignment, None), known(m.quantitative_codes, None)
    parts = [of_alignment(aligned)] if aligned else []
    if coded:
        parts += [of_codes(coded), table(("level", "codes", "used", "perplexity"), levels(coded))]
    return "\n\n".join(["## Quantitative codes", *parts]) if parts else ""


def of_alignment(a: Alignment) -> str:
    """A sentence or two."""
    trained, held = plural(a.pairs - a.held_out_pairs, "pair"), plural(a.held_out_pairs, "held-out pair")
    return (
        f"The embeddings were aligned by a linear projection (`{a.id}`, {a.dims[0]:,} to {a.dims[1]:,} components) trained by "
        f"InfoNCE on {trained} that belong together. Of {held} the other half is among the {a.k} nearest of {a.candidates:,} for "
        f"{a.recall:.1%}; without the projection for {a.recall_raw:.1%}."
    )


def of_codes(c: QuantitativeCodes) -> str:
    """A few sentences."""
    error = "" if c.error is None else f" What they leave of a vector is {c.error:.1%} of its squared length."
    vq = f" VQ codes are the {c.nearest} nearest of {c.items:,} items." if c.items else ""
    carried = " Samples carry them in their `.json`." if c.in_samples else ""
    shape = PRESETS.get(c.preset)
    preset = f"preset `{c.preset}`, " if shape and [one.size for one in c.levels] == [shape[1]] * shape[0] else ""
    fitted = f"{preset}codebooks `{c.id}`, fitted on {plural(c.fitted_on, 'vector')} of {c.model}"
    return (
        f"Residual k-means (QARM, {fitted}) gives each of {plural(c.samples, 'representative')} a code a level; {c.without:,} "
        f"have none. There are {c.distinct:,} different sequences of codes; {c.collision_rate:.1%} of the samples share theirs "
        f"with another.{error}{vq}{carried}"
    )


def levels(c: QuantitativeCodes) -> list[tuple[int, int, str, str]]:
    """Rows of a table, a level each."""
    return [(n, one.size, f"{one.used:.1%}", f"{one.perplexity:,.1f}") for n, one in enumerate(c.levels, 1)]


def balance(m: Manifest) -> str:
    """Section of the card on clusters; "" without them."""
    section = known(m.balance, None)
    if section is None:
        return ""
    return "\n\n".join(
        [
            f"## Balance\n\n{of_balance(section)}",
            table(EVENNESS_HEAD, evenness(section)),
            f"The largest and the emptiest clusters:\n\n{table(CLUSTERS_HEAD, clusters(section))}",
        ]
    )


def of_balance(b: Balance) -> str:
    """Sentences."""
    by = {"leaf": "leaves of the index", "subtree": f"subtrees of the index at depth {b.depth}"}
    named = by.get(b.by, f"the first {plural(b.depth, 'level')} of their codes")
    return (
        f"Representatives are in clusters by {named}. The index drops nothing, its columns are for the filter policy: how large "
        "a sample's cluster is (`cluster_size`), its place in it by draw (`cluster_rank`), the chance to be kept if "
        f"{b.target:,} of each cluster are to stay on average (`balance_keep`), and how often to sample at temperature "
        f"{b.temperature:g} (`balance_weight`)."
    )


def evenness(b: Balance) -> list[tuple[str, int, int, str, str, str]]:
    """Rows of a table: before and after the filter."""

    def row(when: str, e: Evenness) -> tuple[str, int, int, str, str, str]:
        return when, e.samples, e.clusters, f"{e.effective:,.1f}", f"{e.gini:.3f}", f"{e.largest:.1%}"

    return [row("before the filter", b.before), row("after", b.after)]


def clusters(b: Balance) -> list[tuple[str, str, int, int]]:
    """Rows of a table, a cluster each."""
    return [(c.name, words(c), c.before, c.after) for c in (*b.largest, *b.emptiest)]


def words(cluster: Cluster) -> str:
    return ", ".join(cluster.words) or "no captions"


def steps(m: Manifest) -> list[str]:
    """What was done, for Croissant."""
    aligned, coded, even = known(m.alignment, None), known(m.quantitative_codes, None), known(m.balance, None)
    sentences = [of_alignment(aligned)] if aligned else []
    sentences += [of_codes(coded)] if coded else []
    sentences += [of_balance(even)] if even else []
    return [sentence.replace("`", "") for sentence in sentences]


def examples(m: Manifest) -> list[str]:
    """Ids of the samples that the report shows of clusters."""
    section = known(m.balance, None)
    return [id_ for c in (*section.largest, *section.emptiest) for id_ in c.examples] if section else []
