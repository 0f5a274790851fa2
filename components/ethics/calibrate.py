"""The stage that trains the filter on the lists, and sets its thresholds by held-out harmless texts, kind by kind."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.core.stage import Counts, Input, Output, stage
from components.enrichment.enriched_items import read_enriched_items
from components.ethics.classifier import ClassifierTrainer, TrainingExamples, kernel_features, split_rows
from components.ethics.disguise_spelling import DisguiseSpelling
from components.ethics.filter import EXAMPLES, EthicsFilter
from components.ethics.known_sentences import KnownSentences
from components.ethics.language_detection import check_languages, is_in_languages
from components.ethics.past_queries import agrees_with_banned, sample_queries
from components.ethics.sentence_lists import LOOK_ALIKE, NATURAL_KINDS, SHARP, SentenceLists, read_lists
from components.ethics.sentence_vectors import SentenceVectors, SpanVectors
from components.ethics.settings import EthicsSettings
from components.ethics.text_variants import canonicalize_text, decode_disguise
from components.ethics.thresholds import BlockLimit, HeldOutScores, upper_bound
from components.ethics.tradeoff_curve import draw_curve, log_curve, measure_tradeoff
from components.query_model.onnx_encoder import Vectors

BANNED, TITLE, PAST_QUERY, OTHER_LANGUAGE = "banned", "title", "past query", "other language"
HARMLESS_KINDS = (*NATURAL_KINDS, TITLE, PAST_QUERY, SHARP, LOOK_ALIKE, OTHER_LANGUAGE)
SET_ASIDE = "set_aside.csv"
MAX_EXAMPLES = 1000  # of banned and of harmless texts that a bundle is evaluated with
Limits = dict[tuple[str, ...], BlockLimit]


@dataclass(frozen=True)
class TextReadings:
    """The spans of each text as it is written, and those of all its variants."""

    written: SpanVectors
    variants: SpanVectors

    @classmethod
    def from_texts(
        cls, texts: Sequence[str], spelling: DisguiseSpelling, store: SentenceVectors
    ) -> "TextReadings":
        """Encode texts as the filter reads them."""
        canonical = [*map(canonicalize_text, texts)]
        disguised: list[int] = []
        decoded: list[str] = []
        for row, text in enumerate(canonical):
            meaning = decode_disguise(text, spelling, store.encoder.knows)
            if meaning is not None:
                disguised.append(row)
                decoded.append(meaning)
        written, further = store.get_spans(canonical), store.get_spans(decoded)
        owners = np.concatenate([written.texts, np.array(disguised, np.intp)[further.texts]])
        # Stable, so that the first span of a text stays the whole of it as it is written
        order = np.argsort(owners, kind="stable")
        vectors = np.concatenate([written.vectors, further.vectors])
        windows = np.concatenate([written.windows, further.windows])
        return cls(written, SpanVectors(vectors[order], owners[order], windows=windows[order]))

    def select_texts(self, kept: NDArray[np.bool_]) -> "TextReadings":
        """Return the readings of the kept texts (t,)."""
        return TextReadings(self.written.select_texts(kept), self.variants.select_texts(kept))


@dataclass(frozen=True)
class Calibration:
    """A filter, its figures, the curve of blocks against recall, and its texts (text, kind, banned) with vectors (t, d).

    set_aside: harmful past queries (text, reason), which were not learnt from.
    """

    filter: EthicsFilter
    figures: dict[str, float]
    curve: pd.DataFrame
    texts: pd.DataFrame
    vectors: Vectors
    set_aside: pd.DataFrame


def collect_texts(
    lists: SentenceLists, titles: Sequence[str], past: pd.DataFrame, settings: EthicsSettings
) -> pd.DataFrame:
    """Return all texts (text, kind, banned, category, severity, language, harmful): banned ones first, past queries last."""
    banned = lists.banned.rename(columns={"sentence": "text"}).assign(kind=BANNED, banned=True)
    benign = lists.benign.rename(columns={"sentence": "text"}).assign(banned=False)
    item_titles = pd.DataFrame({"text": list(titles)}).assign(
        kind=TITLE, banned=False, language=settings.encoder_languages[0]
    )
    languages = [_guess_language(text, settings) for text in past["text"]]
    queries = past.assign(kind=PAST_QUERY, banned=False, language=languages)
    columns = ["text", "kind", "banned", "category", "severity", "language", "harmful"]
    texts = pd.concat([banned, benign, item_titles, queries], ignore_index=True).reindex(columns=columns)
    foreign = ~texts["banned"] & (texts["kind"] != LOOK_ALIKE)
    foreign &= ~texts["language"].isin(settings.encoder_languages)
    return texts.assign(kind=texts["kind"].mask(foreign, OTHER_LANGUAGE))


def _guess_language(text: str, settings: EthicsSettings) -> str:
    """Return the encoder's first language for a text that may be in any of its languages, and "" for others."""
    # As the filter detects it, so that a query joins the kind whose threshold it is held against
    own = is_in_languages(
        settings.encoder_languages, canonicalize_text(text), settings.encoder_language_share
    )
    return settings.encoder_languages[0] if own else ""


def select_examples(
    texts: pd.DataFrame, vectors: Vectors, settings: EthicsSettings
) -> tuple[NDArray[np.intp], TrainingExamples]:
    """Return the rows that are learnt from, and their examples."""
    # Harmless texts of other languages only set the threshold of those languages
    rows = np.flatnonzero(texts["kind"] != OTHER_LANGUAGE)
    chosen = texts.iloc[rows]
    banned = chosen[chosen["banned"]]
    examples = TrainingExamples(
        vectors=vectors[rows],
        weights=np.where(chosen["kind"].isin([BANNED, LOOK_ALIKE]), 1.0, settings.natural_weight),
        banned=chosen["banned"].to_numpy(bool),
        categories=banned["category"].tolist(),
        severities=banned["severity"].astype(int).tolist(),
    )
    return rows, examples


def score_held_out(
    readings: TextReadings, rows: NDArray[np.intp], trainer: ClassifierTrainer, settings: EthicsSettings
) -> NDArray[np.float32]:
    """Return the scores (t, draws) of all texts by classifiers that are trained without them."""
    texts = len(readings.written.text_vectors)
    scores = np.empty((texts, settings.draws), np.float32)
    for draw in range(settings.draws):
        parts = np.random.default_rng(settings.seed + draw).permutation(texts) % settings.parts
        weights = trainer.fit_without_parts(parts[rows], settings.parts)
        own = parts[readings.variants.texts]
        spans = np.empty(len(own), np.float32)
        # One product with the weights of all parts, of which each span takes its own
        for block in split_rows(len(own)):
            vectors = readings.variants.vectors[block]
            features = kernel_features(vectors, trainer.landmarks, settings.sharpness)
            spans[block] = np.take_along_axis(features @ weights, own[block, None], axis=1)[:, 0]
        scores[:, draw] = readings.variants.highest_scores(spans, settings.window_margin)
    return scores


def block_limits(settings: EthicsSettings) -> Limits:
    """Return how large a share of which kinds of harmless text may be blocked."""
    # Not 0.3 % of each kind at 95 % confidence: the recall of HarmBench fell from .947 to .842 by that, while harmless
    # requests of public sets were blocked no less (docs/ethics.md)
    limits: Limits = {NATURAL_KINDS: BlockLimit(settings.false_block_rate, settings.confidence)}
    for kind in (*NATURAL_KINDS, TITLE, PAST_QUERY):
        limits[kind,] = BlockLimit(settings.kind_block_rate, settings.confidence)
    limits[SHARP,] = BlockLimit(settings.sharp_block_rate, None)
    limits[LOOK_ALIKE,] = BlockLimit(settings.look_alike_block_rate, None)
    return limits


def other_language_limits(settings: EthicsSettings) -> Limits:
    """Return the same for texts in languages that the encoder does not know."""
    return {(OTHER_LANGUAGE,): BlockLimit(settings.other_language_block_rate, settings.confidence)}


def calibrate_filter(
    lists: SentenceLists,
    titles: Sequence[str],
    past: pd.DataFrame,
    store: SentenceVectors,
    settings: EthicsSettings,
) -> Calibration:
    """Train a filter, and calibrate its thresholds on texts that it has not seen.

    past: queries (text, harmful) that people asked; the harmful ones are set aside.
    """
    check_languages(settings.encoder_languages)  # before the sentences are encoded, which may take minutes
    look_alikes = lists.benign[lists.benign["kind"] == LOOK_ALIKE]
    spelling = DisguiseSpelling.from_sentences(
        _select_sentences(lists.banned, settings), _select_sentences(look_alikes, settings)
    )
    texts = collect_texts(lists, titles, past=past, settings=settings)
    readings = TextReadings.from_texts(texts["text"], spelling, store)
    kept, set_aside = _find_harmful_queries(texts, readings, settings)
    texts = texts[kept].drop(columns="harmful").reset_index(drop=True)
    readings = readings.select_texts(kept)
    vectors = readings.written.text_vectors
    rows, examples = select_examples(texts, vectors, settings)
    trainer = ClassifierTrainer(examples, settings)
    # Landmarks are not scored: a sentence that is compared with itself tells nothing about a new one
    scored = np.ones(len(texts), bool)
    scored[rows[trainer.landmark_rows]] = False
    scores = score_held_out(readings, rows, trainer=trainer, settings=settings)[scored]
    held_out = HeldOutScores(scores, texts.loc[scored, "kind"].to_numpy(str))
    ethics = _make_filter(held_out, spelling, trainer=trainer, settings=settings)
    figures = _report_figures(held_out, ethics, texts=texts, settings=settings) | {
        "repeated_sentences": lists.repeated,
        "past_queries_set_aside": len(set_aside),
    }
    curve = measure_tradeoff(held_out, HARMLESS_KINDS, BANNED)
    return Calibration(ethics, figures, curve=curve, texts=texts, vectors=vectors, set_aside=set_aside)


def _make_filter(
    held_out: HeldOutScores, spelling: DisguiseSpelling, trainer: ClassifierTrainer, settings: EthicsSettings
) -> EthicsFilter:
    """Return the filter that is trained on all examples, with thresholds from the held-out scores."""
    threshold = other_threshold = held_out.find_threshold(block_limits(settings))
    # Without harmless texts in other languages nothing would be blocked in them
    if OTHER_LANGUAGE in held_out.kinds:
        other_threshold = max(threshold, held_out.find_threshold(other_language_limits(settings)))
    return EthicsFilter(
        classifier=trainer.fit(),
        spelling=spelling,
        threshold=threshold,
        other_language_threshold=other_threshold,
        encoder_languages=list(settings.encoder_languages),
        encoder_language_share=settings.encoder_language_share,
        window_tokens=settings.window_tokens,
        window_margin=settings.window_margin,
        log_blocked_texts=settings.log_blocked_texts,
    )


def _select_sentences(table: pd.DataFrame, settings: EthicsSettings) -> list[str]:
    """Return the sentences in the encoder's languages, which alone are corrected."""
    sentences: list[str] = table.loc[table["language"].isin(settings.encoder_languages), "sentence"].tolist()
    return sentences


def _find_harmful_queries(
    texts: pd.DataFrame, readings: TextReadings, settings: EthicsSettings
) -> tuple[NDArray[np.bool_], pd.DataFrame]:
    """Return which texts (t,) are kept, and the harmful past queries (text, reason), which are not."""
    past = texts["harmful"].notna().to_numpy()
    reasons = np.full(len(texts), "", dtype=object)
    if past.any():
        # By a classifier of the lists alone: past queries must not vouch for each other
        _, examples = select_examples(texts[~past], readings.written.text_vectors[~past], settings)
        classifier = ClassifierTrainer(examples, settings).fit()
        spans = readings.variants.select_texts(past)
        agrees = agrees_with_banned(spans, classifier, lists=examples, margin=settings.window_margin)
        reasons[past] = np.where(agrees, "near to banned sentences", "")
        marked = texts["harmful"].eq(True).to_numpy(bool)
        reasons[marked] = "marked as harmful"
    kept = reasons == ""
    return kept, texts.loc[~kept, ["text"]].assign(reason=reasons[~kept])


def _report_figures(
    held_out: HeldOutScores, ethics: EthicsFilter, texts: pd.DataFrame, settings: EthicsSettings
) -> dict[str, float]:
    """Return recall and false blocks of texts that neither classifier nor threshold knew, and counts of sentences."""
    figures: dict[str, float] = {}
    groups: dict[str, Sequence[str]] = {"harmless": NATURAL_KINDS, BANNED: (BANNED,)}
    groups |= {kind: (kind,) for kind in HARMLESS_KINDS}
    for name, kinds in groups.items():
        limits = other_language_limits(settings) if name == OTHER_LANGUAGE else block_limits(settings)
        blocked, count = held_out.count_blocked(kinds, limits, settings.seed)
        if count:
            key = name.replace("-", "_").replace(" ", "_")
            figures[f"{key}_texts"] = count
            figures[f"{key}_blocked"] = round(blocked / count, 6)
            figures[f"{key}_blocked_upper"] = round(upper_bound(blocked, count, settings.confidence), 6)
    return {
        "held_out_recall": figures[f"{BANNED}_blocked"],
        "held_out_false_block_rate": figures.get("harmless_blocked", 0.0),
        "threshold": ethics.threshold,
        "other_language_threshold": ethics.other_language_threshold,
        "banned_sentences": int(texts["banned"].sum()),
        "benign_sentences": int((~texts["banned"]).sum()),
        **figures,
    }


def sample_titles(items: pd.DataFrame, settings: EthicsSettings) -> list[str]:
    """Return titles of items, which count as harmless queries."""
    titles = items["title"].drop_duplicates()
    return titles.sample(min(settings.maximum_titles, len(titles)), random_state=settings.seed).tolist()


def write_examples(texts: pd.DataFrame, file: Path, seed: int) -> None:
    """Write texts (text, banned) by which bundles are compared: banned ones, and harmless ones as people ask."""
    groups = texts[texts["banned"]], texts[texts["kind"].isin([*NATURAL_KINDS, PAST_QUERY])]
    drawn = [part.sample(min(MAX_EXAMPLES, len(part)), random_state=seed) for part in groups]
    pd.concat(drawn)[["text", "banned"]].to_csv(file, index=False)


@stage(EthicsSettings, tracked=True)
def main(
    banned: Input,
    benign: Input,
    catalogue: Input,
    descriptions: Input,
    query_model: Input,
    ethics: Output,
    sentences: Output,
    metrics: Output,
    curve: Output,
    settings: EthicsSettings,
) -> Counts:
    """Train and calibrate the filter, and report for each kind of text what held-out thresholds do on it."""
    lists = read_lists(banned, benign)
    store = SentenceVectors(ethics, query_model, settings.window_tokens)
    items = read_enriched_items(catalogue, descriptions)
    titles, past = sample_titles(items, settings), sample_queries(catalogue, items, settings)
    calibration = calibrate_filter(lists, titles, past=past, store=store, settings=settings)
    calibration.filter.save(ethics)
    write_examples(calibration.texts, ethics / EXAMPLES, settings.seed)
    KnownSentences(calibration.texts, calibration.vectors).save(sentences)
    calibration.set_aside.to_csv(sentences / SET_ASIDE, index=False)
    calibration.curve.to_csv(curve, index=False)
    log_curve(draw_curve(calibration.curve, calibration.figures))
    metrics.write_text(json.dumps(calibration.figures, indent=1) + "\n")
    return calibration.figures


if __name__ == "__main__":
    main.cli()
