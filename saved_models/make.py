"""Trains the sample models on the packaged MovieLens and exports them here.

    python saved_models/make.py

The models stand here when all of them are whole, with ``models.config`` and the table
in ``README.md``. They read ids and genres; no title is in them, nor what users took.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

from tfrec import datasets, keras, models
from tfrec.cli import quiet, run
from tfrec.data.interactions import Interactions
from tfrec.evaluation import Evaluator, FullRanking, RankingCallback
from tfrec.evaluation.report import fitted
from tfrec.serving import TwoStage, serving_config
from tfrec.serving.export import CONFIG, EXTRA, METRICS

HERE = Path(__file__).parent
README = HERE / "README.md"
IN_CONTAINER = "/models"
BATCH_SIZE, EPOCHS = 1024, 8
BEGIN, END = "<!-- models:begin -->", "<!-- models:end -->"
MEASURED = "MovieLens 100,004, leave last out"


def parts() -> tuple[Interactions, ...]:
    """Events to train on, to validate on and to predict."""
    with quiet.data_sets():
        data = datasets.load("movielens", history=10)
    spec = data.spec.select("user_id", "movie_id", "history", "genres")
    return data.with_spec(spec).split("leave_last_out")


def build(train: Interactions) -> dict[str, Any]:
    """The models by the name of their folder, not trained; the pipeline is of two."""
    spec = train.spec
    return {
        "movielens_retrieval": models.TwoTower(
            spec.select("user_id", "history"), dim=16, learning_rate=0.05
        ),
        "movielens_ranking": models.DeepFM(spec, layers=(64, 32), negatives=2),
        "movielens_sequence": models.GRU4Rec(
            spec.select("history"), layers=(32,), negatives=512
        ),
    }


def pipeline(made: dict[str, Any]) -> TwoStage:
    """The first two models as one."""
    return TwoStage(
        made["movielens_retrieval"], made["movielens_ranking"], shortlist=200
    )


def learn(model: Any, train: Interactions, valid: Interactions) -> None:
    """Trains a model; the epoch that is best on validation data is kept."""
    model.compile()
    stop = keras.callbacks.EarlyStopping(
        "val_ndcg@10", mode="max", patience=4, restore_best_weights=True
    )
    batch_size = 128 if isinstance(model, models.GRU4Rec) else BATCH_SIZE
    model.fit(
        train.batches(model, batch_size),
        epochs=EPOCHS,
        callbacks=[RankingCallback(valid), stop],
        verbose=0,
    )


def table() -> str:
    """The rows of README, from what is in the folders."""
    lines = [
        "| folder | class | reads | recall@10 | ndcg@10 | MB |",
        "|---|---|---|---|---|---|",
    ]
    for name, folder in serving_config.find_models(HERE).items():
        extra = folder / "1" / EXTRA
        config = json.loads((extra / CONFIG).read_text("utf-8"))
        found = json.loads((extra / METRICS).read_text("utf-8"))[MEASURED]
        size = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
        columns = ", ".join([*config["query_columns"], *config["item_columns"]])
        lines.append(
            f"| `{name}` | `{config['class']}` | {columns} | {found['recall@10']:.4f} "
            f"| {found['ndcg@10']:.4f} | {size / 1e6:.1f} |"
        )
    lines.append(
        f"| popularity, beside them | | | {found['popularity recall@10']:.4f} "
        f"| {found['popularity ndcg@10']:.4f} | |"
    )
    return "\n".join(lines)


def config_text() -> str:
    """``models.config`` for a container that has this folder as ``/models``."""
    found = serving_config.find_models(HERE)
    return serving_config.models_config({n: Path(IN_CONTAINER) / n for n in found})


def main() -> None:
    """Trains, measures, exports, and puts everything in its place."""
    train, valid, test = parts()
    made = build(train)
    for model in made.values():
        learn(model, train, valid)
    made["movielens_pipeline"] = pipeline(made)
    evaluator = Evaluator(test, FullRanking(10))
    simple = evaluator.evaluate(fitted("popularity", train))
    beside = {f"popularity {m}": simple[m] for m in ("recall@10", "ndcg@10")}
    with tempfile.TemporaryDirectory(dir=HERE, prefix=".making-") as folder:
        for name, model in made.items():
            metrics = {**evaluator.evaluate(model).metrics, **beside}
            model.export(Path(folder) / name, {MEASURED: metrics})
        for name in made:
            shutil.rmtree(HERE / name, ignore_errors=True)
            (Path(folder) / name).rename(HERE / name)
    run.write(HERE / serving_config.MODELS, config_text())
    text = README.read_text("utf-8")
    rows = re.compile(f"{BEGIN}.*?{END}", re.DOTALL)
    run.write(README, rows.sub(lambda _: f"{BEGIN}\n{table()}\n{END}", text))
    print(table())


if __name__ == "__main__":
    quiet.tensorflow()
    main()
