"""Learn the filter from the lists, and set its lines by harmless requests that it has not seen, kind by kind."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.catalogue.tables import read_items
from components.core.stage import Counts, Input, Output, stage
from components.ethics.classifier import ClassifierTrainer, TrainingExamples, likeness, row_blocks
from components.ethics.filter import EXAMPLES, EthicsFilter
from components.ethics.known_sentences import KnownSentences
from components.ethics.language_detection import check_languages, is_known
from components.ethics.past_queries import agrees_with_banned, sample_past_queries
from components.ethics.sentence_lists import LOOK_ALIKE, NATURAL_KINDS, SHARP, SentenceLists, read_lists
from components.ethics.sentence_vectors import SentenceVectors, SpanVectors
from components.ethics.settings import EthicsSettings
from components.ethics.spelling import DisguiseSpelling
from components.ethics.text_variants import as_meant, as_written
from components.ethics.thresholds import BlockLimit, HeldOutScores, upper_bound
from components.ethics.tradeoff_curve import draw_curve, log_curve, trade_off
from components.text_model.encoder import Vectors

BANNED, TITLE, PAST_QUERY, OTHER_LANGUAGE = "banned", "title", "past query", "other language"
HARMLESS_KINDS = (*NATURAL_KINDS, TITLE, PAST_QUERY, SHARP, LOOK_ALIKE, OTHER_LANGUAGE)
SET_ASIDE = "set_aside.csv"
MAX_EXAMPLES = 1000  # of banned and of harmless texts that a bundle is examined with


@dataclass(frozen=True)
class TextReadings:
    """The ways to read each text: its spans as written, and where it looks disguised the spans of what it may mean."""

    written: SpanVectors
    all: SpanVectors

    @classmethod
    def read(cls, texts: Sequence[str], spelling: DisguiseSpelling, store: SentenceVectors) -> "TextReadings":
        """Read texts as the filter does."""
        as_they_are = [as_written(text) for text in texts]
        meant = [as_meant(text, spelling, store.encoder.knows) for text in as_they_are]
        disguised = [row for row, text in enumerate(meant) if text is not None]
        written = store.spans(as_they_are)
        further = store.spans([text for text in meant if text is not None])
        owners = np.concatenate([written.texts, np.array(disguised, np.intp)[further.texts]])
        order = np.argsort(owners, kind="stable")
        vectors = np.concatenate([written.vectors, further.vectors])
        windows = np.concatenate([written.windows, further.windows])
        return cls(written, SpanVectors(vectors[order], owners[order], windows[order]))

    def take(self, kept: NDArray[np.bool_]) -> "TextReadings":
        """The readings of some texts (t,)."""
        return TextReadings(self.written.take(kept), self.all.take(kept))


@dataclass(frozen=True)
class Calibration:
    """A filter, its figures, the shares blocked against recall, and the texts (text, kind, banned) with their spans."""

    filter: EthicsFilter
    figures: dict[str, float]
    curve: pd.DataFrame
    texts: pd.DataFrame
    whole: Vectors
    set_aside: pd.DataFrame


def gather(
    lists: SentenceLists, titles: Sequence[str], past: pd.DataFrame, settings: EthicsSettings
) -> pd.DataFrame:
    """All texts (text, kind, banned, category, severity, language, harmful), banned ones first; the last of past queries."""
    banned = lists.banned.rename(columns={"sentence": "text"}).assign(kind=BANNED, banned=True)
    benign = lists.benign.rename(columns={"sentence": "text"}).assign(banned=False)
    named = pd.DataFrame({"text": list(titles)}).assign(
        kind=TITLE, banned=False, language=settings.encoder_languages[0]
    )
    asked = past.assign(
        kind=PAST_QUERY, banned=False, language=[_language_of(text, settings) for text in past["text"]]
    )
    columns = ["text", "kind", "banned", "category", "severity", "language", "harmful"]
    found = pd.concat([banned, benign, named, asked], ignore_index=True).reindex(columns=columns)
    foreign = ~found["banned"] & (found["kind"] != LOOK_ALIKE)
    foreign &= ~found["language"].isin(settings.encoder_languages)
    return found.assign(kind=found["kind"].mask(foreign, OTHER_LANGUAGE))


def _language_of(text: str, settings: EthicsSettings) -> str:
    """A language of the encoder, or none, where nobody said which one a text is in."""
    known = is_known(settings.encoder_languages, as_written(text), settings.encoder_language_share)
    return settings.encoder_languages[0] if known else ""


def learn_set(
    texts: pd.DataFrame, vectors: Vectors, settings: EthicsSettings
) -> tuple[NDArray[np.intp], TrainingExamples]:
    """The rows that are learnt from, and what is learnt; harmless texts of other languages only set their line."""
    rows = np.flatnonzero(texts["kind"] != OTHER_LANGUAGE)
    chosen = texts.iloc[rows]
    own = chosen[chosen["banned"]]
    examples = TrainingExamples(
        vectors[rows],
        np.where(chosen["kind"].isin([BANNED, LOOK_ALIKE]), 1.0, settings.natural_weight),
        chosen["banned"].to_numpy(bool),
        own["category"].tolist(),
        own["severity"].astype(int).tolist(),
    )
    return rows, examples


def held_out_scores(
    read: TextReadings, rows: NDArray[np.intp], trainer: ClassifierTrainer, settings: EthicsSettings
) -> NDArray[np.float32]:
    """Score of each text (t, draws) by classifiers learnt without it."""
    texts = len(read.written.whole)
    scores = np.empty((texts, settings.draws), np.float32)
    for draw in range(settings.draws):
        parts = np.random.default_rng(settings.seed + draw).permutation(texts) % settings.parts
        weights = trainer.learn_without(parts[rows], settings.parts)
        own = parts[read.all.texts]
        spans = np.empty(len(own), np.float32)
        for block in row_blocks(len(own)):
            near = likeness(read.all.vectors[block], trainer.landmarks, settings.sharpness)
            spans[block] = np.take_along_axis(near @ weights, own[block, None], axis=1)[:, 0]
        scores[:, draw] = read.all.highest(spans, settings.window_margin)
    return scores


def limits_of(settings: EthicsSettings) -> dict[tuple[str, ...], BlockLimit]:
    """How large a share of which kinds of harmless text may be blocked."""
    one_kind = BlockLimit(settings.kind_block_rate, settings.confidence)
    return {
        NATURAL_KINDS: BlockLimit(settings.false_block_rate, settings.confidence),
        **{(kind,): one_kind for kind in (*NATURAL_KINDS, TITLE, PAST_QUERY)},
        (SHARP,): BlockLimit(settings.sharp_block_rate, None),
        (LOOK_ALIKE,): BlockLimit(settings.look_alike_block_rate, None),
    }


def other_language_limits(settings: EthicsSettings) -> dict[tuple[str, ...], BlockLimit]:
    """The same for texts in languages that the encoder does not know."""
    return {(OTHER_LANGUAGE,): BlockLimit(settings.other_language_block_rate, settings.confidence)}


def calibrate(
    lists: SentenceLists,
    titles: Sequence[str],
    past: pd.DataFrame,
    store: SentenceVectors,
    settings: EthicsSettings,
) -> Calibration:
    """Learn a filter, and hold its lines against what it has not seen.

    past: queries (text, harmful) that people asked; those that are harmful are set aside.
    """
    check_languages(settings.encoder_languages)
    spelling = DisguiseSpelling.of(
        _known_sentences(lists.banned, settings),
        _known_sentences(lists.benign[lists.benign["kind"] == LOOK_ALIKE], settings),
    )
    texts = gather(lists, titles, past, settings)
    read = TextReadings.read(texts["text"], spelling, store)
    kept, aside = _set_aside(texts, read, settings)
    texts, read = texts[kept].drop(columns="harmful").reset_index(drop=True), read.take(kept)
    rows, examples = learn_set(texts, read.written.whole, settings)
    trainer = ClassifierTrainer(examples, settings)
    judged = np.ones(len(texts), bool)
    judged[rows[trainer.landmark_rows]] = False
    scores = held_out_scores(read, rows, trainer, settings)[judged]
    held_out = HeldOutScores(scores, texts.loc[judged, "kind"].to_numpy(str))
    threshold = held_out.threshold(limits_of(settings))
    other_line = threshold
    if (texts["kind"] == OTHER_LANGUAGE).any():
        other_line = max(threshold, held_out.threshold(other_language_limits(settings)))
    ethics = EthicsFilter(
        classifier=trainer.learn(),
        spelling=spelling,
        threshold=threshold,
        other_language_threshold=other_line,
        encoder_languages=list(settings.encoder_languages),
        encoder_language_share=settings.encoder_language_share,
        window_tokens=settings.window_tokens,
        window_margin=settings.window_margin,
        log_blocked_texts=settings.log_blocked_texts,
    )
    figures = _figures(held_out, ethics, texts, settings) | {
        "repeated_sentences": lists.repeated,
        "past_queries_set_aside": len(aside),
    }
    curve = trade_off(held_out, HARMLESS_KINDS, BANNED)
    return Calibration(ethics, figures, curve, texts, read.written.whole, aside)


def _known_sentences(table: pd.DataFrame, settings: EthicsSettings) -> list[str]:
    sentences: list[str] = table.loc[table["language"].isin(settings.encoder_languages), "sentence"].tolist()
    return sentences


def _set_aside(
    texts: pd.DataFrame, read: TextReadings, settings: EthicsSettings
) -> tuple[NDArray[np.bool_], pd.DataFrame]:
    """Which texts (t,) are kept, and the past queries that are not, as they are harmful (text, reason)."""
    past = texts["harmful"].notna().to_numpy()
    reasons = np.full(len(texts), "", dtype=object)
    if past.any():
        _, examples = learn_set(texts[~past], read.written.whole[~past], settings)
        classifier = ClassifierTrainer(examples, settings).learn()
        agree = agrees_with_banned(read.all.take(past), classifier, examples, settings.window_margin)
        marked = texts.loc[past, "harmful"].to_numpy(bool)
        reasons[past] = np.where(marked, "marked as harmful", np.where(agree, "near to banned sentences", ""))
    kept = reasons == ""
    return kept, texts.loc[~kept, ["text"]].assign(reason=reasons[~kept])


def _figures(
    held_out: HeldOutScores, ethics: EthicsFilter, texts: pd.DataFrame, settings: EthicsSettings
) -> dict[str, float]:
    """Recall and false blocks of texts that neither the classifier nor the line knew, and what was learnt from."""
    figures: dict[str, float] = {}
    for name, kinds in {
        "harmless": NATURAL_KINDS,
        BANNED: (BANNED,),
        **{k: (k,) for k in HARMLESS_KINDS},
    }.items():
        limits = other_language_limits(settings) if name == OTHER_LANGUAGE else limits_of(settings)
        blocked, count = held_out.blocked(kinds, limits, settings.seed)
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


def sample_titles(catalogue: Input, settings: EthicsSettings) -> list[str]:
    """Titles of the catalogue that count as harmless queries."""
    titles = read_items(catalogue)["title"].drop_duplicates()
    return titles.sample(min(settings.maximum_titles, len(titles)), random_state=settings.seed).tolist()


def write_examples(texts: pd.DataFrame, file: Path, seed: int) -> None:
    """Write texts (text, banned) by which bundles are compared: banned ones, and harmless ones as people ask."""
    harmless = texts[texts["kind"].isin([*NATURAL_KINDS, PAST_QUERY])]
    drawn = [
        part.sample(min(MAX_EXAMPLES, len(part)), random_state=seed)
        for part in (texts[texts["banned"]], harmless)
    ]
    pd.concat(drawn)[["text", "banned"]].to_csv(file, index=False)


@stage(EthicsSettings, tracked=True)
def main(
    banned: Input,
    benign: Input,
    catalogue: Input,
    query_model: Input,
    ethics: Output,
    sentences: Output,
    metrics: Output,
    curve: Output,
    settings: EthicsSettings,
) -> Counts:
    """Learn and calibrate the filter; report for each kind of text what lines set without it do on it."""
    lists = read_lists(banned, benign)
    store = SentenceVectors(ethics, query_model, settings.window_tokens)
    titles, past = sample_titles(catalogue, settings), sample_past_queries(catalogue, settings)
    found = calibrate(lists, titles, past, store, settings)
    found.filter.save(ethics)
    write_examples(found.texts, ethics / EXAMPLES, settings.seed)
    KnownSentences(found.texts, found.whole).save(sentences)
    found.set_aside.to_csv(sentences / SET_ASIDE, index=False)
    found.curve.to_csv(curve, index=False)
    log_curve(draw_curve(found.curve, found.figures))
    metrics.write_text(json.dumps(found.figures, indent=1) + "\n")
    return found.figures


if __name__ == "__main__":
    main.cli()
