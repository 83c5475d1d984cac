"""ScaNN against the exact answer, in Python and exported."""

import sys

import numpy as np
import pytest
import tensorflow as tf

from tfrec import serving
from tfrec.data.interactions import Interactions
from tfrec.features import Categorical, FeatureSpec
from tfrec.indexes import Exact, Indexed, Scann
from tfrec.models.factorization.matrix_factorization import MatrixFactorization

USERS, ITEMS, DIM = 64, 3000, 16


def loaded():
    try:
        from scann.scann_ops.py import scann_ops  # noqa: F401
    except (ImportError, tf.errors.OpError):
        return False
    return True


needs_scann = pytest.mark.skipif(
    not loaded(), reason="ScaNN is not installed for this TensorFlow: extra ann"
)


@pytest.fixture(scope="module")
def model():
    """Factors in clusters, as learned ones are."""
    rng = np.random.default_rng(0)
    ids = {
        "user_id": tuple(f"u{n}" for n in range(USERS)),
        "item_id": tuple(f"i{n}" for n in range(ITEMS)),
    }
    spec = FeatureSpec(
        (
            Categorical("user_id", "user", vocabulary=ids["user_id"]),
            Categorical("item_id", "item", vocabulary=ids["item_id"]),
        )
    )
    events = {
        "user_id": 2 + np.arange(ITEMS, dtype=np.int32) % USERS,
        "item_id": 2 + np.arange(ITEMS, dtype=np.int32),
    }
    model = MatrixFactorization(spec, dim=DIM)
    model.adapt(Interactions(spec, events))
    model.ensure_built()
    centres = rng.normal(size=(40, DIM))
    for table, rows in ((model.user_table, USERS), (model.item_table, ITEMS)):
        near = centres[rng.integers(0, 40, rows + 2)]
        table.embeddings.assign(near + 0.3 * rng.normal(size=near.shape))
    return model


@pytest.fixture(scope="module")
def indexed(model):
    return Indexed(model, Scann(leaves=50, searched=10, reordered=200))


def users(n=USERS):
    return {"user_id": [f"u{number}" for number in range(n)]}


@needs_scann
def test_nearly_all_is_found_and_more_in_more_leaves(model, indexed):
    found = indexed.recall(users(), 20)
    assert 0.9 < found <= 1
    few = Indexed(model, Scann(leaves=50, searched=1, reordered=20)).recall(users(), 20)
    assert few < found
    everywhere = Scann(leaves=50, searched=50, reordered=ITEMS)
    assert Indexed(model, everywhere).recall(users(), 20) == 1


@needs_scann
def test_scores_are_exact_and_in_order(model, indexed):
    found = indexed.recommend(users(5), 10, drop_seen=False)
    assert (np.diff(found.score, axis=1) <= 0).all()
    for row in range(5):
        pairs = {
            "user_id": tf.constant([f"u{row}"] * 10),
            "item_id": tf.constant(found.item_id[row]),
        }
        np.testing.assert_allclose(model(pairs), found.score[row], rtol=1e-4)


@needs_scann
def test_what_is_excluded_is_replaced(indexed):
    best = indexed.recommend(users(3), 10, drop_seen=False).item_id
    rest = indexed.recommend(users(3), 10, best[:, ::2].tolist(), drop_seen=False)
    for row in range(3):
        assert not set(rest.item_id[row]) & set(best[row, ::2])
        assert set(best[row, 1::2]) <= set(rest.item_id[row])


@needs_scann
def test_candidates_are_compared_exactly(model, indexed):
    asked = {"candidates": [["i3", "i4", "i3", "i2999"], [], ["i7"]]}
    expected = Indexed(model, Exact()).recommend(users(3), 3, drop_seen=False, **asked)
    found = indexed.recommend(users(3), 3, drop_seen=False, **asked)
    for row in (0, 2):
        assert found.item_id[row].tolist() == expected.item_id[row].tolist()
    assert found.item_id[2].tolist() == ["i7", "", ""]


@needs_scann
def test_too_few_items_or_too_many_leaves_are_refused(model):
    with pytest.raises(ValueError, match="3000 items in 3001 leaves, 150 of them sear"):
        Indexed(model, Scann(leaves=3001))
    with pytest.raises(ValueError, match="10 items in 3 leaves, 1 of them searched"):
        Scann().fit(tf.zeros([10, 4]))


@needs_scann
def test_an_export_finds_the_same_in_a_new_process(indexed, tmp_path):
    version = indexed.export(tmp_path / "scann")
    expected = indexed.recommend(users(4), 7, [["i1"]] * 4, drop_seen=False)
    inputs = {**users(4), "k": 7, "exclude": [["i1"]] * 4}
    found = serving.answer(version, inputs)
    assert found["item_id"] == expected.item_id.tolist()
    served = serving.load(version).recommend(users(4), 7, [["i1"]] * 4)
    assert served.item_id.tolist() == expected.item_id.tolist()
    shapes = tf.train.load_checkpoint(
        str(version / "variables" / "variables")
    ).get_variable_to_shape_map()
    vectors = [key for key, shape in shapes.items() if shape == [ITEMS, DIM + 2]]
    assert len(vectors) == 1


def test_without_the_library_one_sentence_says_how_to_get_it(model, monkeypatch):
    for name in [n for n in sys.modules if n.partition(".")[0] == "scann"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "scann", None)
    with pytest.raises(ValueError, match=r"run pip install -e '\.\[ann\]'"):
        Indexed(model, Scann())
