"""What every model of the registry keeps to, whatever it learns and however."""

import json
import warnings
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import pytest
import tensorflow as tf

from tfrec import keras, models
from tfrec.data.interactions import Interactions, index_key
from tfrec.features import PADDING
from tfrec.models import registry
from tfrec.models.autoencoders._layerwise import Layerwise
from tfrec.models.base import Recommender
from tfrec.models.config import Tune
from tfrec.serving import Request

EPOCHS, STEPS = 4, 32

# All tests of one model follow each other in one process, which trains it once.
every_model = pytest.mark.parametrize("name", registry.entries(), scope="module")


@dataclass
class Trained:
    """A model that was fitted to 16 events, and what it was before."""

    model: Recommender
    start: list[np.ndarray]
    start_scores: np.ndarray
    losses: list[float]
    batches: tf.data.Dataset


def raw_queries(model: Recommender, data: Interactions, n: int) -> dict[str, Any]:
    """Raw features of the first ``n`` users: the id and what no table can tell."""
    features = {"user_id": list(data.spec.user_column.vocabulary[:n])}
    rows = data.spec.synthetic(n, seed=5)
    for column in data.spec.on("context"):
        if column.name in model.query_columns:
            features[column.name] = rows[column.name].tolist()
    return features


def query_tensors(model: Recommender, n: int, seed: int = 3) -> dict[str, tf.Tensor]:
    rows = model.spec.synthetic(n, seed)
    return {name: tf.constant(rows[name]) for name in model.query_columns}


def pair_tensors(model: Recommender, n: int, seed: int = 3) -> dict[str, tf.Tensor]:
    rows = model.spec.synthetic(n, seed)
    return {name: tf.constant(rows[name]) for name in model.columns}


def scores_of_all(model: Recommender, n: int = 5) -> np.ndarray:
    features = query_tensors(model, n)
    return model.catalogue_scores(features, model.catalogue_state()).numpy()


def fit_to_few(model: Recommender, data: Interactions) -> Trained:
    """Fits to the first four events of four users: events that have histories.

    One of the users is among those whom ``scores_of_all`` asks for.
    """
    by_user = np.argsort(data.user, kind="stable").reshape(-1, 15)
    few = data.take(np.sort(by_user[3::10, :4].ravel()))
    model.adapt(data)
    batches = few.batches(model, 64).cache().repeat(STEPS)
    model.compile()
    start = [variable.numpy() for variable in model.trainable_variables]
    start_scores = scores_of_all(model)
    history = model.fit(batches, epochs=EPOCHS, verbose=0).history
    return Trained(model, start, start_scores, history["loss"], batches)


@pytest.fixture(scope="module")
def trained(name: str, data: Interactions) -> Trained:
    """The model of the tests that follow, fitted."""
    return fit_to_few(registry.get(name)(data.spec), data)


@every_model
def test_scores_are_one_float_for_each_pair_and_each_item(name, trained, data):
    model = trained.model
    pairs = model(pair_tensors(model, 7))
    assert pairs.shape == (7,)
    assert pairs.dtype == tf.float32
    ranked = model.catalogue_scores(query_tensors(model, 7), model.catalogue_state())
    column = data.spec.item_column
    assert ranked.shape == (7, column.size - column.first)
    assert ranked.dtype == tf.float32
    assert np.isfinite(pairs).all()
    assert np.isfinite(ranked).all()


@every_model
def test_it_learns_sixteen_events(name, trained, data):
    """Losses are finite and fall; every variable moves; scores change in any case."""
    run = trained
    assert len(run.losses) == EPOCHS
    assert np.isfinite(run.losses).all()
    assert not np.allclose(run.start_scores, scores_of_all(run.model))
    if run.model.trainable_variables:
        start, later = run.losses[0], run.losses[1:]
        if isinstance(run.model, Layerwise):  # whose epochs have losses of their own
            fresh = registry.get(name)(data.spec)
            fresh.adapt(data)
            fresh.compile()
            features = next(iter(run.batches))
            start, *later = [
                float(m.batch_loss(features, None, training=True))
                for m in (fresh, run.model)
            ]
        assert min(later) < 0.9 * start
    for variable, before in zip(run.model.trainable_variables, run.start, strict=True):
        assert np.isfinite(variable.numpy()).all(), variable.name
        moved = np.abs(variable.numpy() - before).max()
        assert moved > 1e-5, f"{variable.name} never moved"  # more than rounding


@every_model
def test_a_seed_is_a_model(name, data):
    def weights(seed: int) -> list[tuple[str, np.ndarray]]:
        model = registry.get(name)(data.spec, seed=seed)
        model.ensure_built()
        return [(v.name, v.numpy()) for v in model.trainable_variables]

    for (label, once), (_, again), (_, other) in zip(
        weights(1), weights(1), weights(2), strict=True
    ):
        np.testing.assert_array_equal(once, again, err_msg=label)
        if once.std() > 0:
            assert np.any(once != other), f"{label} does not depend on the seed"


@every_model
def test_a_batch_is_its_rows(name, trained):
    model = trained.model
    pairs = pair_tensors(model, 6)
    rows = [model({k: v[r : r + 1] for k, v in pairs.items()})[0] for r in range(6)]
    np.testing.assert_allclose(model(pairs), rows, rtol=1e-4, atol=1e-5)
    queries, state = query_tensors(model, 6), model.catalogue_state()
    whole = model.catalogue_scores(queries, state)
    for r in range(6):
        one = {k: v[r : r + 1] for k, v in queries.items()}
        alone = model.catalogue_scores(one, state)[0]
        np.testing.assert_allclose(whole[r], alone, rtol=1e-4, atol=1e-5)


@every_model
def test_padding_changes_nothing(name, trained):
    model = trained.model
    spec, pairs = model.spec, pair_tensors(model, 6)
    padded = dict(pairs)
    for key in padded:
        if spec.length(key):
            pad = PADDING[spec.raw_dtype(key)]
            padded[key] = tf.pad(pairs[key], [[0, 0], [0, 3]], constant_values=pad)
    np.testing.assert_allclose(model(pairs), model(padded), rtol=1e-5, atol=1e-6)


@every_model
def test_ranking_scores_the_pairs(name, trained):
    """Score j of a query is the score of the pair (query, item j)."""
    model = trained.model
    queries, items = query_tensors(model, 3), model.catalogue.items()
    ranked = model.catalogue_scores(queries, model.catalogue_state())
    for row in range(3):
        count = ranked.shape[1]
        query = {k: tf.repeat(v[row : row + 1], count, 0) for k, v in queries.items()}
        pairs = model({**query, **items})
        np.testing.assert_allclose(ranked[row], pairs, rtol=1e-4, atol=1e-5)


@every_model
def test_raw_and_looked_up_features_score_alike(name, trained):
    model = trained.model
    raw = pair_tensors(model, 6)
    found = {
        index_key(model.spec[key].kind, key): tf.constant(
            model.spec.encode(key, values.numpy())
        )
        for key, values in raw.items()
    }
    assert found.keys().isdisjoint({n for n in raw if f"{n}/index" in found})
    np.testing.assert_allclose(model(raw), model(found), rtol=1e-5, atol=1e-6)


@every_model
def test_saved_and_loaded_it_is_the_same_model(name, trained, data, tmp_path):
    run = trained
    model = run.model
    model.save(tmp_path / "model.keras")
    loaded = models.load(tmp_path / "model.keras")
    assert type(loaded) is type(model)
    assert loaded.config == model.config
    assert loaded.spec == model.spec
    pairs = pair_tensors(model, 6)
    np.testing.assert_allclose(loaded(pairs), model(pairs), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        scores_of_all(loaded), scores_of_all(model), rtol=1e-5, atol=1e-6
    )
    query = raw_queries(model, data, 4)
    np.testing.assert_array_equal(
        loaded.recommend(query, k=5).item_id, model.recommend(query, k=5).item_id
    )
    slots = [v.numpy() for v in model.optimizer.variables]
    for slot, restored in zip(slots, loaded.optimizer.variables, strict=True):
        np.testing.assert_array_equal(slot, restored.numpy())
    loaded.run_eagerly = True
    further = loaded.fit(run.batches.take(2), verbose=0).history["loss"]
    assert np.isfinite(further).all()
    for variable in loaded.trainable_variables:
        assert np.isfinite(variable.numpy()).all(), variable.name
    if loaded.trainable_variables:
        assert int(loaded.optimizer.iterations) == int(model.optimizer.iterations) + 2


@every_model
def test_a_checkpoint_holds_what_is_trained(name, trained, tmp_path):
    """What an interrupted run resumes from."""
    model = trained.model
    path = tf.train.Checkpoint(model=model).write(str(tmp_path / "checkpoint"))
    twin = registry.get(name)(model.spec, model.config)
    twin.ensure_built()
    tf.train.Checkpoint(model=twin).restore(path)
    pairs = zip(model.trainable_variables, twin.trainable_variables, strict=True)
    for ours, theirs in pairs:
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy(), err_msg=ours.name)


@every_model
def test_nobody_is_recommended_what_is_taken(name, trained, data):
    model, n = trained.model, 6
    column = data.spec.item_column
    count = column.size - column.first
    result = model.recommend(raw_queries(model, data, n), k=count)
    assert result.item_id.shape == result.score.shape == (n, count)
    assert result.score.dtype == np.float32
    for row in range(n):
        user = data.spec.user_column.first + row
        taken = set(data.raw("movie_id")[data.user == user])
        left = result.item_id[row][: count - len(taken)]
        assert set(left) == set(column.vocabulary) - taken
        assert set(result.item_id[row][count - len(taken) :]) == {""}
        assert np.all(result.score[row][count - len(taken) :] == -np.inf)
        assert np.all(np.diff(result.score[row][: len(left)]) <= 0)


@every_model
def test_recommendations_are_the_best_scores(name, trained, data):
    model = trained.model
    query = raw_queries(model, data, 4)
    result = model.recommend(query, k=5, drop_seen=False)
    from tfrec.models.recommend import complete

    scores = model.catalogue_scores(complete(model, query), model.catalogue_state())
    best = np.argsort(-scores.numpy(), axis=1, kind="stable")[:, :5]
    expected = np.array(data.spec.item_column.vocabulary)[best]
    np.testing.assert_array_equal(result.item_id, expected)
    np.testing.assert_allclose(
        result.score, np.take_along_axis(scores.numpy(), best, 1), rtol=1e-5
    )
    assert not result.cold.any()


@every_model
def test_excluded_items_never_come_back(name, trained, data):
    model = trained.model
    query = raw_queries(model, data, 3)
    free = model.recommend(query, k=6)
    unwanted = [list(row[:2]) for row in free.item_id[:2]] + [["", "nonsense"]]
    result = model.recommend(query, k=4, exclude=unwanted)
    np.testing.assert_array_equal(result.item_id[:2], free.item_id[:2, 2:])
    np.testing.assert_array_equal(result.item_id[2], free.item_id[2, :4])
    everything = [list(data.spec.item_column.vocabulary)] * 3
    nothing = model.recommend(query, k=4, exclude=everything)
    assert set(nothing.item_id.ravel()) == {""}


@every_model
@pytest.mark.parametrize("k", [0, 31])
def test_k_stays_within_the_catalogue(name, trained, data, k):
    model = trained.model
    with pytest.raises(ValueError, match=f"k={k} is not between 1 and .* 30 items"):
        model.recommend(raw_queries(model, data, 1), k=k)


@every_model
def test_a_stranger_gets_an_answer(name, trained, data):
    model = trained.model
    query = {**raw_queries(model, data, 1), "user_id": ["nobody we know"]}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = model.recommend(query, k=30)
    assert sorted(result.item_id[0]) == sorted(data.spec.item_column.vocabulary)
    assert result.cold[0] == any("popularity" in str(w.message) for w in caught)
    if result.cold[0]:
        order = np.argsort(-data.item_counts[data.spec.item_column.first :])
        counts = dict(zip(data.spec.item_column.vocabulary, range(30), strict=True))
        found = data.item_counts[data.spec.item_column.first :][
            [counts[item] for item in result.item_id[0]]
        ]
        expected = data.item_counts[data.spec.item_column.first :][order]
        np.testing.assert_array_equal(found, expected)


@every_model
def test_similar_items_are_others_or_refused_in_words(name, trained):
    model = trained.model
    try:
        result = model.similar_items(["m0", "m7"], k=5)
    except ValueError as why:
        assert "no notion of similar items" in str(why)
        return
    assert result.item_id.shape == (2, 5)
    assert "m0" not in result.item_id[0]
    assert "m7" not in result.item_id[1]
    assert np.all(np.diff(result.score, axis=1) <= 0)


@every_model
def test_config_survives_json(name, data):
    cls = registry.get(name)
    model = cls(data.spec, seed=3)
    config = json.loads(json.dumps(model.get_config()))
    again = cls.from_config(config)
    assert again.config == model.config
    assert again.spec == data.spec
    assert json.loads(json.dumps(again.get_config())) == config


@every_model
def test_a_misspelt_hyper_parameter_names_the_near_one(name, data):
    cls = registry.get(name)
    for field in cls.Config.hints():
        wrong = f"{field}x"
        with pytest.raises(ValueError, match=f"'{wrong}'; did you mean '{field}'"):
            cls(data.spec, **{wrong: 1})


def drawn(tune: Tune, hint: Any, generator: np.random.Generator | None) -> Any:
    """A value in range; the lowest (or first) one without a generator."""
    if tune.choices:
        return tune.choices[generator.integers(len(tune.choices)) if generator else 0]
    low, high = float(tune.low), float(tune.high)
    if generator is None:
        value = low
    elif tune.log:
        value = float(np.exp(generator.uniform(np.log(low), np.log(high))))
    else:
        value = generator.uniform(low, high)
    if tune.step:
        value = low + tune.step * round((value - low) / tune.step)
    return int(value) if int in (hint, *get_args(hint)) else value


@every_model
@pytest.mark.parametrize("seed", [None, 1, 2])
def test_the_search_space_draws_valid_models(name, data, seed):
    cls = registry.get(name)
    generator = None if seed is None else np.random.default_rng(seed)
    hints = cls.Config.hints()
    values = {
        field: drawn(tune, hints[field], generator)
        for field, tune in cls.Config.space().items()
    }
    model = cls(data.spec, **values)
    assert {k: model.config.to_dict()[k] for k in values} == values
    model.adapt(data)
    model.compile(run_eagerly=True)
    batches = data.take(np.arange(16)).batches(model, 64).take(1)
    assert np.isfinite(model.fit(batches, verbose=0).history["loss"]).all()
    assert np.isfinite(scores_of_all(model)).all()


@every_model
def test_it_trains_in_mixed_precision(name, data):
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        model = registry.get(name)(data.spec)
        model.adapt(data)
        model.compile(run_eagerly=True)
        batches = data.take(np.arange(16)).batches(model, 64).take(1).repeat(3)
        losses = model.fit(batches, verbose=0).history["loss"]
        scores = scores_of_all(model)
    finally:
        keras.mixed_precision.set_global_policy("float32")
    assert np.isfinite(losses).all()
    assert scores.dtype == np.float32
    assert np.isfinite(scores).all()
    assert {v.dtype for v in model.trainable_variables} <= {tf.float32}


@every_model
def test_two_replicas_make_one_step(name, data, two_replicas):
    """A model that is solved for, not trained, may refuse: where, and what to do."""
    with two_replicas.scope():
        model = registry.get(name)(data.spec)
        model.adapt(data)
        model.compile(run_eagerly=True)
    start = model.get_weights()
    batches = data.batches(model, 64)
    try:
        found = model.fit(batches, epochs=1, steps_per_epoch=1, verbose=0)
    except ValueError as why:
        assert not model.trainable_variables
        assert "one device: build and fit it" in str(why)
        return
    assert np.isfinite(found.history["loss"]).all()
    for variable in model.trainable_variables:
        left, right = (replica.numpy() for replica in variable.values)
        np.testing.assert_array_equal(left, right, err_msg=variable.name)
    if model.trainable_variables:
        pairs = zip(start, model.get_weights(), strict=True)
        assert any(np.any(old != new) for old, new in pairs)


@every_model
def test_exported_it_answers_alone(trained, data, fresh_process, tmp_path):
    """The ids of this process from one without tfrec."""
    model = trained.model
    users = list(data.spec.user_column.vocabulary[:3])
    raw = data.raw("user_id")
    taken = [data.raw("movie_id")[raw == user].tolist() for user in users]
    rows = {k: v.tolist() for k, v in data.spec.synthetic(3, seed=5).items()}
    rows["user_id"] = users
    features = {column: rows[column] for column in model.query_columns}
    expected = model.recommend(features, 6, exclude=taken, drop_seen=False)
    model.export(tmp_path)
    asked = Request(tmp_path, {**features, "k": 6, "exclude": taken})
    (answer,) = fresh_process.answers([asked])
    assert isinstance(answer, dict), answer
    assert answer["item_id"] == expected.item_id.tolist()
    np.testing.assert_allclose(answer["score"], expected.score, rtol=1e-4, atol=1e-5)
    assert answer["cold"] == expected.cold.tolist()
