"""Learn the votes of the lists, and set the threshold to the chosen shares of false blocks on texts left out."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.catalogue.tables import read_items
from components.ethics.compact import CompactVectors
from components.ethics.filter import EthicsFilter
from components.ethics.head import Votes, folds, likeness, worst
from components.ethics.readings import readings, windows
from components.ethics.sentences import Lists, read_lists
from components.ethics.settings import EthicsSettings
from components.ethics.spelling import Spelling
from components.language.encoder import Encoder, Vectors
from components.language.query_model import QueryModel
from components.stage import Counts, Input, Output, stage

BANNED, BENIGN, TITLE = 0, 1, 2
BLOCK = 2048  # readings that are scored at once


@dataclass(frozen=True)
class Readings:
    """Vectors (r, d) of the readings of texts, and which text each belongs to (r,), in order."""

    vectors: Vectors
    texts: NDArray[np.intp]

    @classmethod
    def of(cls, each: Sequence[Sequence[str]], encoder: Encoder) -> "Readings":
        """Encode the readings of each text, the same reading once."""
        flat = [reading for found in each for reading in found]
        distinct = {reading: n for n, reading in enumerate(dict.fromkeys(flat))}
        vectors = encoder.encode(list(distinct), progress=True)
        rows = [distinct[reading] for reading in flat]
        return cls(vectors[rows], np.repeat(np.arange(len(each)), [len(found) for found in each]))

    def first(self) -> Vectors:
        """Vector of each text's first reading (t, d), which is the text as it is written."""
        return self.vectors[np.flatnonzero(np.diff(self.texts, prepend=-1))]

    def worst(self, scores: Vectors, share: float) -> Vectors:
        """Mean of the highest scores of each text's readings (t,), a share of them and at least one."""
        each = np.split(scores, np.flatnonzero(np.diff(self.texts)) + 1)
        return np.array([worst(found, share) for found in each], dtype=np.float32)


@dataclass(frozen=True)
class LeftOut:
    """Scores of texts by votes learnt without them, kind by kind, in halves: each chooses for the other.

    Each half (t, draws): how the parts that are left out are drawn moves a score, and so the threshold.
    """

    kinds: tuple[tuple[Vectors, Vectors], ...]

    @classmethod
    def split(cls, scores: Vectors, kinds: NDArray[np.intp], seed: int) -> "LeftOut":
        """Halve the scores (t, draws) of each kind, the same halves for any scores."""
        random = np.random.default_rng(seed)
        orders = [random.permutation(np.flatnonzero(kinds == kind)) for kind in (BANNED, BENIGN, TITLE)]
        return cls(tuple((scores[order[::2]], scores[order[1::2]]) for order in orders))

    def threshold(self, settings: EthicsSettings) -> float:
        """The mean of both halves' thresholds."""
        return round(float(np.mean([self._threshold(half, settings) for half in (0, 1)])), 6)

    def blocked(self, kind: int, settings: EthicsSettings) -> float:
        """Share of each half that the other's threshold blocks, in the mean; 0 where there is none of the kind."""
        shares = [
            (scores > self._threshold(1 - half, settings)).mean()
            for half, scores in enumerate(self.kinds[kind])
            if len(scores)
        ]
        return round(float(np.mean(shares)), 6) if shares else 0.0

    def _threshold(self, half: int, settings: EthicsSettings) -> float:
        """The lowest threshold that blocks neither more titles nor more look-alikes than chosen, in the mean over draws."""
        rates = {BENIGN: settings.look_alike_block_rate, TITLE: settings.false_block_rate}
        limits = [
            np.quantile(self.kinds[kind][half], 1 - rate, axis=0)
            for kind, rate in rates.items()
            if len(self.kinds[kind][half])
        ]
        return float(np.max(limits, axis=0).mean())


def left_out_scores(
    read: Readings, vectors: CompactVectors, votes: Votes, settings: EthicsSettings
) -> Vectors:
    """Score of each text by votes learnt without the texts that are about the same, in each draw of parts (t, draws)."""
    written = read.first()
    draws = [folds(written, settings.parts, settings.seed + draw) for draw in range(settings.draws)]
    weights = [votes.without(parts == part) for parts in draws for part in range(settings.parts)]
    learnt = np.stack(weights, axis=1).astype(np.float32)
    blocks = np.array_split(read.vectors, max(1, len(read.vectors) // BLOCK))
    scores = np.vstack([likeness(vectors.cosines(block), settings.sharpness) @ learnt for block in blocks])
    column = settings.parts * np.arange(settings.draws) + np.stack(draws, axis=1)[read.texts]
    own = np.take_along_axis(scores, column, axis=1)
    return np.stack([read.worst(one, settings.worst_share) for one in own.T], axis=1)


def plain_rule_scores(read: Readings, banned: NDArray[np.bool_]) -> Vectors:
    """Largest cosine of each text (t,) to a banned sentence other than itself."""
    near = read.vectors @ read.first()[banned].T
    near[read.texts[:, None] == np.flatnonzero(banned)] = -1
    return read.worst(near.max(axis=1), 0)


def calibrate(
    lists: Lists, titles: list[str], encoder: Encoder, settings: EthicsSettings
) -> tuple[EthicsFilter, dict[str, float]]:
    """Learn a filter from banned and benign sentences and harmless titles; gives it, its held-out figures and counts."""
    sentences = lists.banned["sentence"].tolist()
    fine = in_windows(lists.benign["sentence"], settings.window_words)
    texts = [*sentences, *fine, *titles]
    kinds = np.repeat([BANNED, BENIGN, TITLE], [len(sentences), len(fine), len(titles)])
    banned = kinds == BANNED
    spelling = Spelling.of([*sentences, *fine])
    read = Readings.of([readings(text, settings.window_words, spelling, encoder) for text in texts], encoder)
    vectors = CompactVectors.of(read.first())
    votes = Votes.learn(vectors.rounded, banned, settings.sharpness, settings.ridge)
    found = LeftOut.split(left_out_scores(read, vectors, votes, settings), kinds, settings.seed)
    weights = votes.weights.astype(np.float32)
    del votes  # its inverse is (n, n)
    plain = LeftOut.split(plain_rule_scores(read, banned)[:, None], kinds, settings.seed)
    threshold = found.threshold(settings)
    ethics = EthicsFilter(
        vectors,
        weights,
        sentences,
        lists.banned["category"].tolist(),
        lists.banned["severity"].astype(int).tolist(),
        settings.sharpness,
        threshold,
        settings.window_words,
        settings.worst_share,
        settings.log_blocked_texts,
        spelling,
    )
    return ethics, {
        "held_out_recall": found.blocked(BANNED, settings),
        "held_out_false_block_rate": found.blocked(TITLE, settings),
        "held_out_look_alike_block_rate": found.blocked(BENIGN, settings),
        "plain_rule_recall": plain.blocked(BANNED, settings),
        "threshold": threshold,
        "banned_sentences": len(sentences),
        "benign_sentences": len(fine),
        "repeated_sentences": lists.repeated,
        "titles": len(titles),
    }


def in_windows(sentences: Iterable[str], window_words: int) -> list[str]:
    """Benign sentences, long ones cut into windows as long as those in which a text is judged."""
    return [window for text in sentences for window in windows(text, window_words)[::2]]


def sample_titles(catalogue: Input, settings: EthicsSettings) -> list[str]:
    """Titles of the catalogue that count as benign queries."""
    titles = read_items(catalogue)["title"].drop_duplicates()
    return titles.sample(min(settings.maximum_titles, len(titles)), random_state=settings.seed).tolist()


@stage(EthicsSettings)
def main(
    banned: Input,
    benign: Input,
    catalogue: Input,
    query_model: Input,
    ethics: Output,
    metrics: Output,
    settings: EthicsSettings,
) -> Counts:
    """Learn and calibrate the filter; report on each half of the left-out texts what the other chose."""
    lists = read_lists(banned, benign)
    titles = sample_titles(catalogue, settings)
    learnt, figures = calibrate(lists, titles, QueryModel.load(query_model), settings)
    learnt.save(ethics)
    metrics.write_text(json.dumps(figures, indent=1) + "\n")
    return figures


if __name__ == "__main__":
    main.cli()
