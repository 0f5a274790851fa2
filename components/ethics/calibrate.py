"""Set the filter's threshold to the chosen share of false blocks, every sentence judged without itself."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.catalogue.tables import read_items
from components.ethics.filter import EthicsFilter, readings, score
from components.ethics.sentences import read_banned, read_benign
from components.ethics.settings import EthicsSettings
from components.language.encoder import Encoder, Vectors
from components.stage import Counts, Input, Output, stage


@dataclass(frozen=True)
class Readings:
    """Vectors (r, d) of the readings of texts, and which text each belongs to (r,), in order."""

    vectors: Vectors
    texts: NDArray[np.intp]

    @classmethod
    def of(cls, texts: Sequence[str], encoder: Encoder, window_words: int) -> "Readings":
        """Read texts as the filter will."""
        each = [readings(text, window_words) for text in texts]
        vectors = encoder.encode([reading for found in each for reading in found], progress=True)
        return cls(vectors, np.repeat(np.arange(len(each)), [len(found) for found in each]))

    def nearest(self, sentences: Vectors) -> Vectors:
        """Likeness of each reading to its nearest sentence (r,)."""
        best: Vectors = (self.vectors @ sentences.T).max(axis=1)
        return best

    def nearest_other(self, sentences: Vectors) -> Vectors:
        """The same where the texts are the sentences (t, d) themselves, and none counts for itself."""
        near = self.vectors @ sentences.T
        near[np.arange(len(near)), self.texts] = -1
        best: Vectors = near.max(axis=1)
        return best

    def worst(self, scores: Vectors) -> Vectors:
        """The highest score of each text's readings (t,)."""
        highest: Vectors = np.maximum.reduceat(scores, np.flatnonzero(np.diff(self.texts, prepend=-1)))
        return highest


@dataclass(frozen=True)
class Scores:
    """Scores of banned and of harmless texts under one contrast, in halves: to choose by, and to report on."""

    contrast: float
    banned: tuple[Vectors, Vectors]
    harmless: tuple[Vectors, Vectors]

    def threshold(self, rate: float) -> float:
        """The score that the given share of the harmless texts to choose by exceeds."""
        return round(float(np.quantile(self.harmless[0], 1 - rate)), 6)

    def blocked(self, threshold: float, half: int) -> tuple[float, float]:
        """Shares of one half's banned and harmless texts that the threshold blocks."""
        return float((self.banned[half] > threshold).mean()), float((self.harmless[half] > threshold).mean())


def halves(scores: Vectors, seed: int) -> tuple[Vectors, Vectors]:
    """Split scores into two halves, the same ones for every contrast."""
    order = np.random.default_rng(seed).permutation(len(scores))
    return scores[order[::2]], scores[order[1::2]]


@stage(EthicsSettings)
def main(
    banned: Input,
    benign: Input,
    catalogue: Input,
    model: Input,
    ethics: Output,
    metrics: Output,
    settings: EthicsSettings,
) -> Counts:
    """Choose contrast and threshold on half of the sentences and titles; report on the other half."""
    lists, fine = read_banned(banned), read_benign(benign)
    titles = read_items(catalogue)["title"]
    titles = titles.sample(min(settings.maximum_titles, len(titles)), random_state=settings.seed)
    encoder = Encoder.load(model)
    bad_vectors, good_vectors = (encoder.encode(texts["sentence"].tolist()) for texts in (lists, fine))
    bad, good, named = (
        Readings.of(texts.tolist(), encoder, settings.window_words)
        for texts in (lists["sentence"], fine["sentence"], titles)
    )

    def scores(contrast: float) -> Scores:
        of_bad = score(bad.nearest_other(bad_vectors), bad.nearest(good_vectors), contrast)
        of_good = score(good.nearest(bad_vectors), good.nearest_other(good_vectors), contrast)
        of_named = score(named.nearest(bad_vectors), named.nearest(good_vectors), contrast)
        harmless = np.concatenate([good.worst(of_good), named.worst(of_named)])
        return Scores(contrast, halves(bad.worst(of_bad), settings.seed), halves(harmless, settings.seed))

    rate = settings.false_block_rate
    tried = [scores(contrast) for contrast in settings.contrasts]
    chosen = max(tried, key=lambda found: found.blocked(found.threshold(rate), 0)[0])
    threshold = chosen.threshold(rate)
    recall, false_blocks = chosen.blocked(threshold, 1)
    plain_rule = scores(0.0)
    EthicsFilter(
        bad_vectors,
        good_vectors,
        lists["sentence"].tolist(),
        lists["category"].tolist(),
        chosen.contrast,
        threshold,
        settings.window_words,
    ).save(ethics)
    figures = {
        "held_out_recall": round(recall, 6),
        "held_out_false_block_rate": round(false_blocks, 6),
        "plain_rule_recall": round(plain_rule.blocked(plain_rule.threshold(rate), 1)[0], 6),
        "threshold": threshold,
        "contrast": chosen.contrast,
        "banned_sentences": len(lists),
        "benign_sentences": len(fine),
        "titles": len(titles),
    }
    metrics.write_text(json.dumps(figures, indent=1) + "\n")
    return figures


if __name__ == "__main__":
    main.cli()
