"""Validate a candidate: evaluate it and the champion on the same set, apply the gate, and compare their answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from components.bundle.bundle import Bundle
from components.bundle.data_diff import DataDifference, changed_answers, data_difference
from components.bundle.evaluation import EvaluationSet, evaluate_bundle
from components.bundle.manifest import FORMAT, read_format, read_manifest, read_metrics
from flows.promote.promotion_gate import BundleMetrics, GateDecision, decide_promotion
from flows.settings import GateSettings


@dataclass(frozen=True)
class ValidationResult:
    """The verdict on a candidate, and how its data and its answers differ from the champion's, where there is one.

    new_data: whether the candidate was made of another catalogue. changed: as `changed_answers` returns it.
    """

    verdict: GateDecision
    new_data: bool = True
    data: DataDifference | None = None
    changed: pd.DataFrame | None = None

    @property
    def refusal(self) -> str | None:
        """Why the candidate may not be published, or None."""
        if not self.verdict.passed:
            return f"refused by the gate ({self.verdict.failure_reasons})"
        if not self.verdict.is_gain and not self.new_data:
            return "a tie with the champion on the same data, which stays"
        return None


def validate_candidate(
    candidate: Path, champion: Path | None, queries: Sequence[str], gate: GateSettings
) -> ValidationResult:
    """Evaluate the bundles in two folders on the same set, and let both answer the queries that users typed.

    A champion of another format cannot answer any more: then its reported figures are compared.
    """
    # The set is the candidate's: the champion has never seen the newest items and users, and has to answer for them.
    exam = EvaluationSet.from_bundle(candidate, gate.examples, gate.seed)
    bundle = Bundle.load(candidate)
    new = BundleMetrics(_read_reported(candidate), evaluate_bundle(bundle, exam, "candidate"))
    if champion is None:
        return ValidationResult(decide_promotion(new, None, gate))
    if read_format(champion) != FORMAT:
        return ValidationResult(decide_promotion(new, BundleMetrics(read_metrics(champion)), gate))
    standing = Bundle.load(champion)
    old = BundleMetrics(_read_reported(champion), evaluate_bundle(standing, exam, "champion"))
    texts = list(queries) or exam.queries["text"].tolist()  # a new shop has no log of queries yet
    return ValidationResult(
        decide_promotion(new, old, gate),
        new_data=_read_data_hashes(candidate) != _read_data_hashes(champion),
        data=data_difference(champion, candidate),
        changed=changed_answers(standing, bundle, texts[: gate.examples]),
    )


def _read_reported(folder: Path) -> dict[str, float]:
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    return read_metrics(folder) | {"bundle.megabytes": size / 1e6}


def _read_data_hashes(folder: Path) -> dict[str, str]:
    """Return the hashes of the catalogue that a bundle was made of."""
    files = read_manifest(folder)["files"]
    return {name: files[name] for name in files if name.startswith("catalogue/")}
