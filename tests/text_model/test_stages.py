"""The four stages one after the other on a small shop and a small encoder."""

import json
import re
from importlib.util import find_spec
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from safetensors import safe_open

from components.core.ranking_metrics import mean_ndcg, mean_reciprocal_rank
from components.text_model import encode, evaluate, finetune, training_pairs
from components.text_model.encoder import TextEncoder
from components.text_model.settings import TextModelError, TextModelSettings
from tests.text_model.conftest import garments

FEW = {
    "dimensions": 64, "maximum_tokens": 32, "maximum_steps": 6, "batch_size": 16, "lora_rank": 4,
    "learning_rate": 3e-3, "nested_dimensions": [32], "checkpoint_steps": 2, "validation_queries": 160, "test_queries": 40, "hybrid_steps": 4,
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def tracking(tmp_path_factory: pytest.TempPathFactory) -> None:
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path_factory.mktemp('tracking') / 'mlflow.db'}")


def finetuned(shop: Path, out: Path, model: Path, **changed: object) -> dict[str, float]:
    """Pairs and finetune into `out`; returns what finetune measured."""
    settings = TextModelSettings(**(FEW | {"model": str(model)} | changed))
    table, taste = out / "pairs.parquet", out / "taste.parquet"
    training_pairs.main(
        shop / "catalogue",
        shop / "descriptions.parquet",
        shop / "split.parquet",
        table,
        taste,
        settings=settings,
    )
    finetune.main(
        table, taste, out, out / "model", out / "finetune.json", out / "finetune.csv", settings=settings
    )
    return json.loads((out / "finetune.json").read_text())


def files(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def searched(shop: Path, out: Path, small: Path) -> dict[str, float]:
    """Encode and evaluate what lies in `out`; returns what evaluate measured."""
    settings = TextModelSettings(**(FEW | {"model": str(small)}))
    catalogue, descriptions = shop / "catalogue", shop / "descriptions.parquet"
    model, vectors = out / "model", out / "item_vectors.npy"
    encode.main(catalogue, descriptions, model, vectors, out / "wish_vectors.npy", settings=settings)
    evaluate.main(
        catalogue, descriptions, out / "pairs.parquet", model, vectors, out / "queries.parquet", out / "search.json",
        out / "search.html", settings=settings,
    )  # fmt: skip
    return json.loads((out / "search.json").read_text())


@pytest.fixture(scope="module")
def done(tracking, shop, small_encoder_folder, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("done")
    finetuned(shop, out, small_encoder_folder)
    searched(shop, out, small_encoder_folder)
    return out


def test_finetuning_is_kept_where_it_helps(done):
    figures = json.loads((done / "finetune.json").read_text())
    assert figures["finetuned_is_kept"] == 1
    assert figures["validation_mrr_10"] > figures["validation_mrr_10_before"]
    after = [value for name, value in figures.items() if name.endswith("_after")]
    assert len(after) == 4
    assert figures["validation_mrr_10"] == pytest.approx(np.mean(after), abs=1e-5)
    losses = pd.read_csv(done / "finetune.csv")
    assert losses["step"].tolist() == [1, 2, 3, 4, 5, 6] and (losses["loss"] > 0).all()


def test_what_is_saved_is_a_plain_model_with_adapters_folded_in(done, small_encoder_folder):
    names = {name for name in files(done / "model") if "adapter" in name}
    assert not names
    with (
        safe_open(done / "model" / "model.safetensors", "np") as saved,
        safe_open(small_encoder_folder / "model.safetensors", "np") as base,
    ):
        assert set(saved.keys()) <= set(base.keys())
        name = "encoder.layer.0.attention.self.query.weight"
        assert not np.array_equal(saved.get_tensor(name), base.get_tensor(name))
        frozen = "embeddings.word_embeddings.weight"
        np.testing.assert_array_equal(saved.get_tensor(frozen), base.get_tensor(frozen))
    encoder = TextEncoder.load(done / "model")
    assert encoder.dimensions == 64 and encoder.model.max_seq_length == 32


def test_the_same_seed_gives_the_same_bytes(shop, done, small_encoder_folder, tmp_path):
    finetuned(shop, tmp_path, small_encoder_folder)
    assert files(tmp_path / "model") == files(done / "model")
    for name in ("finetune.json", "finetune.csv"):
        assert (tmp_path / name).read_bytes() == (done / name).read_bytes()


def test_finetuning_that_does_harm_is_thrown_away(shop, small_encoder_folder, tmp_path):
    harmed, untouched = tmp_path / "harmed", tmp_path / "untouched"
    harmed.mkdir()
    untouched.mkdir()
    figures = finetuned(shop, harmed, small_encoder_folder, method="full", learning_rate=1e-2)
    assert figures["finetuned_is_kept"] == 0
    assert figures["validation_mrr_10"] == figures["validation_mrr_10_before"]
    none = finetuned(shop, untouched, small_encoder_folder, maximum_steps=0)
    assert none["validation_mrr_10_before"] == figures["validation_mrr_10_before"]
    for name in ("model.safetensors", "2_Dense/model.safetensors"):
        assert (harmed / "model" / name).read_bytes() == (untouched / "model" / name).read_bytes()
    assert pd.read_csv(untouched / "finetune.csv").empty


def test_fewer_dimensions_keep_the_neighbours(shop, small_encoder_folder, tmp_path):
    finetuned(shop, tmp_path, small_encoder_folder, maximum_steps=0, dimensions=64)
    texts = garments()["title"].tolist()
    small = TextEncoder.load(tmp_path / "model").encode(texts)
    whole = TextEncoder.load(small_encoder_folder).encode(texts)
    assert small.shape == (72, 64)
    nearest = [np.argsort(-(vectors @ vectors.T), axis=1)[:, :6] for vectors in (small, whole)]
    shared = [len(set(few) & set(all_)) for few, all_ in zip(*nearest, strict=True)]
    assert np.mean(shared) > 4.5


def test_more_dimensions_than_the_model_has_are_refused(shop, small_encoder_folder, tmp_path):
    with pytest.raises(TextModelError, match=r"dimensions is 512, but the model has 384\. Lower it in conf"):
        finetuned(shop, tmp_path, small_encoder_folder, dimensions=512)
    assert not (tmp_path / "model").exists()


@pytest.mark.skipif(find_spec("bitsandbytes") is not None, reason="has bitsandbytes")
def test_qlora_without_bitsandbytes_is_refused_before_any_work(shop, small_encoder_folder, tmp_path):
    with pytest.raises(
        TextModelError, match=r"qlora, which needs bitsandbytes\. Install it with: pip install"
    ):
        finetuned(shop, tmp_path, small_encoder_folder, method="qlora")


@pytest.mark.skipif(find_spec("bitsandbytes") is None, reason="needs bitsandbytes")
def test_qlora_saves_a_plain_model_in_full_precision(shop, small_encoder_folder, tmp_path):
    finetuned(shop, tmp_path, small_encoder_folder, method="qlora")
    with safe_open(tmp_path / "model" / "model.safetensors", "np") as saved:
        assert all(saved.get_tensor(name).dtype == np.float32 for name in saved.keys())  # noqa: SIM118


def test_every_item_has_a_unit_vector_in_the_items_order(done):
    vectors = np.load(done / "item_vectors.npy")
    assert vectors.shape == (72, 64) and vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    near = TextEncoder.load(done / "model").encode(["Sandals 27 for women"]) @ vectors.T
    assert near.argmax() == 27


def test_search_is_measured_on_judged_test_queries(shop, done):
    figures = json.loads((done / "search.json").read_text())
    queries = pd.read_parquet(done / "queries.parquet")
    assert figures["judged_by_people"] == 1
    assert figures["test_queries"] == queries["query_id"].nunique()
    assert {training_pairs.assign_part(text, 0.4) for text in queries["text"]} == {"test"}
    assert queries["grade"].min() == 1 and queries["grade"].max() == 3
    for name in ("bm25", "sbert", "hybrid"):
        assert 0.3 < figures[f"{name}_ndcg_10"] <= 1
    assert 0 <= figures["hybrid_weight"] <= 1


def test_the_figures_are_those_of_the_queries_written(done):
    """NDCG and MRR of vectors alone, worked out again from the files."""
    figures = json.loads((done / "search.json").read_text())
    queries = pd.read_parquet(done / "queries.parquet")
    texts = queries.drop_duplicates("query_id")
    rows = {item: row for row, item in enumerate(garments()["item_id"])}
    grades = np.zeros((len(texts), len(rows)))
    for number, query in enumerate(texts["query_id"]):
        for asked in queries[queries["query_id"] == query].itertuples():
            grades[number, rows[asked.item_id]] = asked.grade
    scores = (
        TextEncoder.load(done / "model").encode(texts["text"].tolist()) @ np.load(done / "item_vectors.npy").T
    )
    assert figures["sbert_ndcg_10"] == pytest.approx(mean_ndcg(scores, grades, 10), abs=1e-4)
    assert figures["sbert_mrr_10"] == pytest.approx(mean_reciprocal_rank(scores, grades, 10), abs=1e-4)


def test_the_worst_queries_are_shown_with_what_was_shown_for_them(done):
    page = (done / "search.html").read_text()
    queries = pd.read_parquet(done / "queries.parquet")
    shown = [text for text in queries["text"].unique() if f"<h2>{text}</h2>" in page]
    assert 0 < len(shown) == min(20, queries["query_id"].nunique())
    assert page.count("<tr><td") == 5 * len(shown)
    values = [float(value) for value in re.findall(r"NDCG@10 ([\d.]+)\.", page)]
    assert values == sorted(values) and values[0] < 1
    run = mlflow.search_runs(
        experiment_names=["text_model"], filter_string="tags.stage = 'text_model.evaluate'"
    ).iloc[0]
    assert mlflow.artifacts.load_text(f"{run.artifact_uri}/worst_queries.html") == page


def test_without_judgements_held_out_titles_are_asked(unjudged_shop, small_encoder_folder, tmp_path):
    figures = finetuned(unjudged_shop, tmp_path, small_encoder_folder, maximum_steps=0)
    assert "query_mrr_10_before" not in figures
    found = searched(unjudged_shop, tmp_path, small_encoder_folder)
    queries = pd.read_parquet(tmp_path / "queries.parquet")
    assert found["judged_by_people"] == 0
    assert set(queries["text"]) <= set(garments()["title"])
    assert found["hybrid_mrr_10"] > 0.9


def test_a_catalogue_that_leaves_no_test_query_is_told_so(shop, done, tmp_path):
    few = TextModelSettings(**(FEW | {"held_out_share": 0.001}))
    with pytest.raises(
        TextModelError, match=r"catalogue: 24 queries leave none for validation or test\. Add"
    ):
        evaluate.main(
            shop / "catalogue", shop / "descriptions.parquet", done / "pairs.parquet", done / "model",
            done / "item_vectors.npy", tmp_path / "queries.parquet", tmp_path / "search.json", tmp_path / "search.html", settings=few,
        )  # fmt: skip


def test_the_hybrid_weight_is_the_smallest_of_the_best():
    grades = np.eye(3)
    assert evaluate.choose_weight(grades, grades, grades, 10) == 0
    assert evaluate.choose_weight(grades, -grades, grades, 10) == pytest.approx(0.6)


def test_whole_queries_are_drawn_and_always_the_same():
    queries = pd.DataFrame(
        {
            "query_id": np.repeat([f"q{n}" for n in range(30)], 3),
            "part": ["test"] * 60 + ["validation"] * 30,
            "kind": "judged",
        }
    )
    drawn = evaluate.sample_queries(queries, "test", 5, seed=1)
    assert drawn["query_id"].value_counts().tolist() == [3] * 5
    assert set(drawn["part"]) == {"test"}
    pd.testing.assert_frame_equal(
        drawn, evaluate.sample_queries(queries.sample(frac=1, random_state=0), "test", 5, 1).sort_index()
    )
