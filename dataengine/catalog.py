"""The list of all stages, in the order of the data. A new stage is one line here."""

from __future__ import annotations

from collections.abc import Collection

from dataengine.annotate.captions.choose_stage import Captions
from dataengine.annotate.captions.measure_stage import CaptionQuality
from dataengine.annotate.captions.plan_stage import CaptionPlan
from dataengine.annotate.captions.recaption import Recaption
from dataengine.annotate.source_columns import SourceColumns
from dataengine.annotate.stage import AnnotateAsr, AnnotateOcr
from dataengine.annotate.text.stage import AnnotateText
from dataengine.config.recipe import Recipe
from dataengine.contamination.embed import ContaminationEmbed
from dataengine.contamination.find import ContaminationFind
from dataengine.contamination.picture_pairs import ContaminationPicturePairs
from dataengine.contamination.pictures import ContaminationPictures
from dataengine.contamination.read import ContaminationRead
from dataengine.cot.checks.stage import CotCheck
from dataengine.cot.mix.score_stage import CotScore
from dataengine.cot.mix.stage import CotMix
from dataengine.cot.mix.write_stage import CotWrite
from dataengine.cot.paths.stage import CotPaths
from dataengine.cot.questions.decontaminate_stage import CotDecontaminate
from dataengine.cot.questions.propose_stage import CotPropose
from dataengine.cot.questions.source_metadata_stage import CotMaterial
from dataengine.cot.questions.stage import CotQuestions
from dataengine.cot.questions.text_stage import CotTexts
from dataengine.cot.review.stage import CotReview
from dataengine.cot.tasks import plugin_tasks
from dataengine.dedup.candidates import DedupCandidates
from dataengine.dedup.confirm_stage import DedupConfirm
from dataengine.dedup.detail import DedupDetail
from dataengine.dedup.fingerprint import DedupFingerprint
from dataengine.dedup.stage import Dedup, DedupEdges, DedupUnique
from dataengine.embed.stage import Embed
from dataengine.index.align.crops_stage import Crops
from dataengine.index.align.pairs_stage import DerivedPairs
from dataengine.index.align.stage import Align, ItemAlign
from dataengine.index.ann import IndexAnn
from dataengine.index.balance.coverage_stage import Centres, Coverage
from dataengine.index.balance.stage import Balance
from dataengine.index.codes.encode_stage import CodesEncode
from dataengine.index.codes.fit_stage import CodebooksFit
from dataengine.index.codes.stage import Codes
from dataengine.index.cooccurrence import IndexCooccurrence, IndexPairs
from dataengine.index.fit_stages import IndexFit, IndexRoute, IndexTop, IndexTree
from dataengine.index.leaves_stage import IndexLeaves, IndexNodes
from dataengine.index.vectors_stage import DistinctItems, IndexVectors, ItemVectors
from dataengine.ingest.stage import Ingest
from dataengine.plugins.kinds import Kind
from dataengine.plugins.offers import check
from dataengine.policy.stage import Filter
from dataengine.release.index_stages import ReleaseIndex, ReleaseIndexManifest, ReleaseRows
from dataengine.release.publish_stage import ReleasePublish
from dataengine.release.stage import ReleaseStage
from dataengine.score import factory as scorers
from dataengine.score.stage import Score
from dataengine.sequence.draw_stage import SequenceDraw
from dataengine.sequence.encode_stage import SequenceEncode
from dataengine.sequence.ledger_stage import SequenceLedger
from dataengine.sequence.mix_stage import SequenceMix
from dataengine.sequence.near_duplicate_stages import SequenceDuplicates, SequenceSignatures
from dataengine.sequence.pack_stage import SequencePack
from dataengine.sequence.read_stages import SequenceCorpora, SequenceSamples
from dataengine.sequence.vocabulary_stage import SequenceVocabulary
from dataengine.sequence.write_stage import SequenceDescribe, SequenceWrite
from dataengine.shards.stage import ShardAssign, ShardWrite
from dataengine.stage import Stage
from dataengine.tokenize import factory as tokenizers
from dataengine.tokenize.kelix_curriculum import KelixAlign, KelixAnneal, KelixAnnealed, KelixCorpus, KelixPretrain
from dataengine.tokenize.kelix_stages import KelixCentres, KelixEncoder, KelixFeatures, KelixFit
from dataengine.tokenize.plugin_fit import PluginFit
from dataengine.tokenize.stage import ProductFit, TokenizeEncode, TokenizerGiven

STAGES: tuple[Stage, ...] = (
    Ingest(),
    DedupUnique(),
    Embed(),
    DedupFingerprint(),
    DedupCandidates(),
    DedupConfirm(),
    DedupEdges(),
    DedupDetail(),
    Dedup(),
    Score(),
    SourceColumns(),
    AnnotateOcr(),
    AnnotateAsr(),
    CaptionPlan(),
    Recaption(),
    CaptionQuality(),
    Captions(),
    AnnotateText(),
    ContaminationRead(),
    ContaminationEmbed(),
    ContaminationFind(),
    ContaminationPicturePairs(),
    ContaminationPictures(),
    IndexVectors(),
    ItemVectors(),
    DistinctItems(),
    IndexTop(),
    IndexRoute(),
    IndexFit(),
    IndexTree(),
    IndexLeaves(),
    IndexAnn(),
    IndexPairs(),
    IndexCooccurrence(),
    IndexNodes(),
    Crops(),
    DerivedPairs(),
    Align(),
    ItemAlign(),
    CodebooksFit(),
    CodesEncode(),
    Codes(),
    Centres(),
    Coverage(),
    Balance(),
    Filter(),
    KelixEncoder(),
    KelixFeatures(),
    KelixCentres(),
    KelixFit(),
    KelixCorpus(),
    KelixAlign(),
    KelixPretrain(),
    KelixAnneal(),
    KelixAnnealed(),
    ProductFit(),
    TokenizerGiven(),
    PluginFit(),
    TokenizeEncode(),
    ShardAssign(),
    ShardWrite(),
    CotMaterial(),
    CotPropose(),
    CotQuestions(),
    CotDecontaminate(),
    CotTexts(),
    CotPaths(),
    CotCheck(),
    CotReview(),
    CotScore(),
    CotMix(),
    CotWrite(),
    SequenceSignatures(),
    SequenceDuplicates(),
    SequenceCorpora(),
    SequenceSamples(),
    SequenceVocabulary(),
    SequenceEncode(),
    SequenceDraw(),
    SequenceMix(),
    SequenceLedger(),
    SequencePack(),
    SequenceWrite(),
    SequenceDescribe(),
    ReleaseRows(),
    ReleaseIndex(),
    ReleaseIndexManifest(),
    ReleaseStage(),
    ReleasePublish(),
)


def own_names() -> dict[Kind, Collection[str]]:
    """Names of the engine's own, which no plugin may take."""
    return {Kind.SCORER: scorers.KNOWN, Kind.TASK: plugin_tasks.OWN, Kind.TOKENIZER: tokenizers.OWN}


def adopt_plugins(recipe: Recipe) -> None:
    """Load a recipe's plugins in this process. Raises UsageError naming every mistake in them."""
    check(recipe.plugins, own_names())
    plugin_tasks.use(plugin_tasks.task_plugins(recipe))
