"""Small user-item matrices as events, and the folder of real data."""

import os
import warnings
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tfrec import datasets
from tfrec.data.interactions import Interactions
from tfrec.evaluation import Evaluator, SampledNegatives
from tfrec.features import Categorical, FeatureSpec, Sequence

USERS, ITEMS = 30, 20
FIRST = 2  # index of the first known id: 0 is padding, 1 unknown
DAY = 86_400
ROOT = Path(__file__).parent.parent.parent
FOLDER = Path(os.environ.get("TFREC_DATA_DIR", ROOT.parent / "shared" / "data"))


def spec_of(users: int, items: int) -> FeatureSpec:
    """Ids and a history far shorter than what users take."""
    return FeatureSpec(
        (
            Categorical("user_id", "user", vocabulary=ids("u", users)),
            Categorical("item_id", "item", vocabulary=ids("i", items)),
            Sequence("history", of="item_id", max_len=2),
        ),
        label="rating",
        timestamp="time",
    )


def ids(letter: str, n: int) -> tuple[str, ...]:
    return tuple(f"{letter}{number}" for number in range(n))


def random_matrix(seed: int = 0, users: int = USERS, items: int = ITEMS) -> np.ndarray:
    """A binary matrix of uneven rows and columns; the last user and item are empty."""
    rng = np.random.default_rng(seed)
    chance = np.outer(rng.uniform(0.2, 1, users), rng.uniform(0.1, 0.9, items))
    matrix = rng.random((users, items)) < chance
    matrix[0, :4] = True
    matrix[-1] = False
    matrix[:, -1] = False
    return matrix


def events_of(
    matrix: np.ndarray, ratings: np.ndarray | None = None, strangers: bool = True
) -> Interactions:
    """The matrix as shuffled events with ratings and times.

    With ``strangers``, some events come twice, and some are of a user or an item that
    no vocabulary knows.
    """
    rng = np.random.default_rng(1)
    user, item = np.nonzero(matrix)
    rating = np.ones(len(user)) if ratings is None else ratings[user, item]
    user, item = user + FIRST, item + FIRST
    if strangers:
        again = rng.choice(len(user), 9)
        user = np.concatenate([user, user[again], [1, 1, FIRST, FIRST + 1]])
        item = np.concatenate([item, item[again], [FIRST, FIRST + 1, 1, 1]])
        rating = np.concatenate([rating, rating[again], [5, 1, 5, 1]])
    order = rng.permutation(len(user))
    return Interactions(
        spec_of(*matrix.shape),
        {
            "user_id": user[order].astype(np.int32),
            "item_id": item[order].astype(np.int32),
            "rating": rating[order].astype(np.float32),
            "time": rng.integers(10**9, 10**9 + 100 * DAY, len(user)),
        },
    )


def fitted(cls, data, epochs=1, batch_size=7, **hyper_parameters):
    """A model of ``cls`` and the history of its fit."""
    model = cls(data.spec, **hyper_parameters)
    model.compile()
    batches = data.batches(model, batch_size)
    return model, model.fit(batches, epochs=epochs, verbose=0).history


def all_scores(model, users: int = USERS) -> np.ndarray:
    """``(users, items)`` of the ranking."""
    features = {"user_id/index": np.arange(users, dtype=np.int32) + FIRST}
    return model.catalogue_scores(features, model.catalogue_state()).numpy()


def pair_scores(model, users: int = USERS, items: int = ITEMS) -> np.ndarray:
    """``(users, items)`` of the pairs, one by one."""
    user, item = np.divmod(np.arange(users * items, dtype=np.int32), items)
    pairs = {"user_id/index": user + FIRST, "item_id/index": item + FIRST}
    return model(pairs).numpy().reshape(users, items)


def raw_pairs(users: list[str], items: list[str]) -> dict[str, tf.Tensor]:
    """Pairs of raw ids."""
    return {"user_id": tf.constant(users), "item_id": tf.constant(items)}


def check_round_trip(model, tmp_path) -> None:
    """Saved and loaded, and exported, the model answers the same."""
    from tfrec import models, serving

    model.save(tmp_path / "model.keras")
    loaded = models.load(tmp_path / "model.keras")
    np.testing.assert_array_equal(all_scores(loaded), all_scores(model))
    np.testing.assert_array_equal(pair_scores(loaded), pair_scores(model))
    model.export(tmp_path / "export")
    query = {"user_id": ["u0", "u3", f"u{USERS - 1}", "nobody"]}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "nothing is known of")
        expected = model.recommend(query, k=5, drop_seen=False)
        again = loaded.recommend(query, k=5, drop_seen=False)
    served = serving.load(tmp_path / "export").recommend(query, k=5)
    for other in (again, served):
        np.testing.assert_array_equal(other.item_id, expected.item_id)
        np.testing.assert_allclose(other.score, expected.score, rtol=1e-6)
        np.testing.assert_array_equal(other.cold, expected.cold)


def folder(name: str) -> Path:
    """A folder or file of real data; skips the test without it."""
    if not (FOLDER / name).exists():
        pytest.skip(f"no {name} in {FOLDER}: set TFREC_DATA_DIR to the data folder")
    return FOLDER / name


def ncf_numbers(cls, epochs=1, **hyper_parameters) -> tuple[float, float]:
    """HR@10 and NDCG@10 on MovieLens 1M, the NCF split, 99 stored negatives."""
    folder("ncf")
    split = datasets.load("movielens/ncf", data_dir=FOLDER)
    model, _ = fitted(cls, split.train, epochs, 4096, **hyper_parameters)
    result = Evaluator(split.test, SampledNegatives(10, split.candidates)).evaluate(
        model
    )
    return result["hit_rate@10"], result["ndcg@10"]
