"""Tree-based deep match: Zhu et al. 2018."""

import dataclasses
import itertools

import numpy as np
import pytest
import tensorflow as tf

from tfrec.data.views import Positives
from tfrec.features import Categorical
from tfrec.models.retrieval import tree_deep_match
from tfrec.models.retrieval.tree_deep_match import TreeDeepMatch

ROWS, SEED, DIM, UNITS = 6, 4, 3, 2
WINDOWS = (1, 2, 2)
Weights = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def batch(data):
    """Events with full histories, one with a history of one, and one with none."""
    features = next(iter(data.batches(Positives(), 600, shuffle=False)))
    length = np.count_nonzero(features["history/index"], axis=1)
    rows = [*range(500, 500 + ROWS - 2), np.flatnonzero(length == 1)[0], 0]
    assert length[rows[0]] == 6 > sum(WINDOWS) and length[0] == 0
    return {name: tf.gather(values, rows) for name, values in features.items()}


def built(data, randomise, **config) -> TreeDeepMatch:
    given = {
        "dim": DIM, "layers": (4,), "attention_units": UNITS, "windows": WINDOWS,
        "negatives": 12, "seed": SEED, **config,
    }  # fmt: skip
    model = TreeDeepMatch(data.spec, **given)
    model.adapt(data)
    model.ensure_built()
    randomise(model)
    return model


def weights(model: TreeDeepMatch) -> dict[str, tf.Variable]:
    network, unit = model.network, model.network.windows
    first, norm, turn, last = network.mlp.layers
    return {
        "leaves": model.leaves.embeddings,
        "inner": model.inner.embeddings,
        "age": network.columns.tables["age"].embeddings,
        "device": network.columns.tables["device"].embeddings,
        "aW": unit.kernel,
        "ab": unit.bias,
        "a alpha": unit.alpha,
        "aw": unit.last_kernel,
        "ab2": unit.last_bias,
        "W": first.kernel,
        "gamma": norm.gamma,
        "beta": norm.beta,
        "alpha": turn.alpha,
        "w": last.kernel,
        "b": last.bias,
    }


def prelu(x: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0) + alpha * np.minimum(x, 0)


def attention(w: Weights, history: np.ndarray, nodes: np.ndarray) -> np.ndarray:
    """``(nodes, entries)``: ``w . PReLU(W [h; c; h * c])`` of one history."""
    entry, node = np.broadcast_arrays(history[None], nodes[:, None])
    joined = np.concatenate([entry, node, entry * node], axis=2)
    hidden = prelu(joined @ w["aW"] + w["ab"], w["a alpha"])
    return hidden @ w["aw"][:, 0] + w["ab2"]


def first_layer(w: Weights, batch: dict, row: int, nodes: np.ndarray) -> np.ndarray:
    """What the MLP reads of one user and some nodes, times its first kernel."""
    ids = batch["history/index"][row].numpy()
    history = w["leaves"][ids[ids > 0]]
    latest = (attention(w, history, nodes)[..., None] * history)[:, ::-1]
    ends = [0, *np.cumsum(WINDOWS[:-1]), len(history)]
    windows = [latest[:, a:b] for a, b in itertools.pairwise(ends)]
    means = [part.sum(axis=1) / max(part.shape[1], 1) for part in windows]
    columns = [w[n][batch[f"{n}/index"][row].numpy()] for n in ("age", "device")]
    columns = [np.broadcast_to(c, (len(nodes), len(c))) for c in columns]
    return np.concatenate([*means, nodes, *columns], axis=1) @ w["W"]


def logits(w: Weights, hidden: np.ndarray, mean: np.ndarray, var: np.ndarray):
    normal = (hidden - mean) / np.sqrt(var + 1e-5) * w["gamma"] + w["beta"]
    return (prelu(normal, w["alpha"]) @ w["w"] + w["b"])[..., 0]


def values(model: TreeDeepMatch) -> Weights:
    return {name: variable.numpy() for name, variable in weights(model).items()}


def test_the_logit_of_a_leaf(data, batch, randomise):
    model = built(data, randomise)
    norm = model.network.mlp.layers[1]
    norm.moving_mean.assign(np.linspace(-1, 1, 4))
    norm.moving_variance.assign([0.5, 1, 2, 3])
    w = values(model)
    leaves = w["leaves"][batch["movie_id/index"].numpy()]
    hidden = [first_layer(w, batch, row, leaves[[row]])[0] for row in range(ROWS)]
    moments = norm.moving_mean.numpy(), norm.moving_variance.numpy()
    expected = logits(w, np.array(hidden), *moments)
    np.testing.assert_allclose(model(batch), expected, rtol=1e-4, atol=1e-5)


def test_attention_is_the_unit_of_the_item_s_leaf(data, batch, randomise):
    model = built(data, randomise)
    w, found = values(model), model.attention(batch).numpy()
    for row in range(ROWS):
        ids = batch["history/index"][row].numpy()
        node = w["leaves"][batch["movie_id/index"][row].numpy()]
        expected = attention(w, w["leaves"][ids[ids > 0]], node[None])[0]
        np.testing.assert_allclose(found[row][ids > 0], expected, rtol=1e-4, atol=1e-5)
        assert not found[row][ids == 0].any()


def test_the_loss_of_all_levels_and_its_step(data, batch, randomise, check_step):
    """Equation 4: ancestors are 1, drawn nodes of their levels 0, all added up."""
    model = built(data, randomise)
    tree, items = model.tree, batch["movie_id/index"].numpy()
    leaf_of, item_of = tree.leaf_of.numpy(), tree.item_of.numpy()
    counts = tree.counts(12)
    # The draw of the first step: seed of the model, number of the step.
    drawn = tree.negatives(tf.constant(items), counts, tf.constant([SEED, 0]))
    inner, leaves = (part.numpy() for part in drawn)
    assert len(inner[0]) + len(leaves[0]) == sum(counts)

    def nodes(w: Weights, row: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
        path = []
        code = leaf_of[items[row]]
        assert item_of[code] == items[row]
        for level in range(tree.depth - 1, 0, -1):
            code //= 2
            path.append(w["inner"][2**level + code])
        path.append(w["leaves"][items[row]])
        return path, [*w["inner"][inner[row]], *w["leaves"][leaves[row]]]

    def loss(w: Weights) -> float:
        hidden, target = [], []
        for row in range(ROWS):
            path, others = nodes(w, row)
            hidden.append(first_layer(w, batch, row, np.array([*path, *others])))
            target += [1] * len(path) + [0] * len(others)
        hidden, target = np.concatenate(hidden), np.array(target)
        found = logits(w, hidden, hidden.mean(0), hidden.var(0))
        return np.sum(np.log1p(np.exp(found)) - target * found) / ROWS

    check_step(model, (batch,), weights(model), loss)


def test_weights_of_examples_weigh_their_losses(data, batch, randomise):
    model = built(data, randomise)
    model.compile(run_eagerly=True)
    once = float(model.batch_loss(batch, None, training=False))
    twice = float(model.batch_loss(batch, tf.fill([ROWS], 2.0), training=False))
    assert twice == pytest.approx(2 * once)


def test_an_unknown_item_is_no_positive(data, batch, randomise):
    """Its row of the leaves is that of all unknown items, and it has no ancestors."""
    model = built(data, randomise)
    model.compile(run_eagerly=True)
    unknown = {**batch, "movie_id/index": tf.ones([ROWS], tf.int32)}
    assert float(model.batch_loss(unknown, None, training=False)) == 0


def test_every_step_draws_anew(data, batch, randomise):
    model = built(data, randomise)
    model.compile(run_eagerly=True)
    losses = []
    for step in (0, 1, 2, 0):
        model.optimizer.iterations.assign(step)
        losses.append(float(model.batch_loss(batch, None, training=False)))
    assert len(set(losses[:3])) == 3
    assert losses[3] == losses[0]


# The search


def found_by(model, batch, k, exclude=None, candidates=None):
    n = batch["history/index"].shape[0]
    none = np.zeros((n, 0), np.int32)
    items, scores = model.search(
        {name: v for name, v in batch.items() if not name.startswith("movie_id")},
        tf.constant(k),
        tf.constant(none if exclude is None else np.asarray(exclude, np.int32)),
        tf.constant(none if candidates is None else np.asarray(candidates, np.int32)),
        model.catalogue_state(),
    )
    assert items.dtype == tf.int32 and scores.dtype == tf.float32
    return items.numpy(), scores.numpy()


def brute_force(model, batch, k, exclude=None, candidates=None):
    """The k best by sorting the scores of all items."""
    scores = model.catalogue_scores(batch, model.catalogue_state()).numpy()
    first = model.tree.first
    for row, own in enumerate(scores):
        allowed = np.ones(len(own), bool)
        if candidates is not None and np.any(candidates[row]):
            allowed[:] = False
            named = np.asarray(candidates[row])
            allowed[named[named >= first] - first] = True
        if exclude is not None:
            gone = np.asarray(exclude[row])
            allowed[gone[gone >= first] - first] = False
        own[~allowed] = -np.inf
    order = np.argsort(-scores, axis=1)[:, :k]
    best = np.take_along_axis(scores, order, axis=1)
    return np.where(np.isinf(best), 0, order + first), best


def equal(found, expected):
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("beam", "k"), [(16, 1), (16, 5), (64, 5), (1, 30)])
def test_a_beam_as_wide_as_a_level_finds_what_all_scores_find(
    data, batch, randomise, beam, k
):
    """There are 16 nodes above the leaves; k widens a narrow beam."""
    model = built(data, randomise, beam=beam)
    equal(found_by(model, batch, k), brute_force(model, batch, k))


def test_a_narrow_beam_walks_down_the_best_nodes(data, batch, randomise):
    """Algorithm 1 by hand, level by level."""
    model = built(data, randomise, beam=3)
    w, norm, tree = values(model), model.network.mlp.layers[1], model.tree
    moments = norm.moving_mean.numpy(), norm.moving_variance.numpy()
    item_of = tree.item_of.numpy()
    missed = 0
    for row in range(ROWS):
        beam = [0]
        for level in range(1, tree.depth + 1):
            codes = [child for code in beam for child in (2 * code, 2 * code + 1)]
            if level == tree.depth:
                codes = [code for code in codes if item_of[code]]
                nodes = w["leaves"][item_of[codes]]
            else:
                nodes = w["inner"][2**level + np.array(codes)]
            hidden = first_layer(w, batch, row, nodes)
            order = np.argsort(-logits(w, hidden, *moments))[:3]
            beam = [codes[place] for place in order]
        one = {name: tensor[row : row + 1] for name, tensor in batch.items()}
        items, _ = found_by(model, one, 2)
        np.testing.assert_array_equal(items[0], item_of[beam[:2]])
        missed += np.any(items != brute_force(model, one, 2)[0])
    assert missed  # the beam decides, and not only the leaves


def test_excluded_items_never_come_back_and_never_starve_the_answer(
    data, batch, randomise
):
    rng = np.random.default_rng(0)
    wide, narrow = (built(data, randomise, beam=beam) for beam in (16, 1))
    everything = np.arange(2, 32)
    exclude = np.stack([rng.permutation(everything)[:28] for _ in range(ROWS)])
    exclude[0, 5] = 1  # unknown: excludes nothing
    exclude[1, :] = 0
    exclude[2, :10] = exclude[2, 10]  # several times
    equal(found_by(wide, batch, 4, exclude), brute_force(wide, batch, 4, exclude))
    for row in range(ROWS):
        left = np.setdiff1d(everything, exclude[row])
        one = {name: tensor[row : row + 1] for name, tensor in batch.items()}
        for k in (1, 2, 30):
            items, scores = found_by(narrow, one, k, exclude[row : row + 1])
            found = items[0][items[0] > 0]
            assert len(found) == min(k, len(left)) and set(found) <= set(left)
            np.testing.assert_array_equal(np.isinf(scores), items == 0)
    gone = found_by(narrow, batch, 3, np.tile(everything, (ROWS, 1)))
    assert not gone[0].any() and np.isneginf(gone[1]).all()


def test_candidates_are_ranked_exactly_however_narrow_the_beam(data, batch, randomise):
    rng = np.random.default_rng(1)
    narrow = built(data, randomise, beam=1)
    candidates = rng.integers(2, 32, (ROWS, 5))
    candidates[0] = 0  # restricts nothing
    candidates[1] = [0, 1, 1, 0, 0]  # nothing known: nothing is left
    candidates[2] = [9, 9, 0, 9, 0]
    exclude = np.concatenate([candidates[:, :2], np.zeros((ROWS, 2), int)], axis=1)
    exclude[3:, 2] = 1
    for taken in (None, exclude):
        for k in (1, 3, 30):
            found = found_by(narrow, batch, k, taken, candidates)
            expected = brute_force(narrow, batch, k, taken, candidates)
            equal([part[1:] for part in found], [part[1:] for part in expected])
            # Beside rows that name candidates, another row walks down the tree.
            alone = {name: tensor[:1] for name, tensor in batch.items()}
            some = None if taken is None else taken[:1]
            equal([part[:1] for part in found], found_by(narrow, alone, k, some))


@pytest.mark.parametrize("at_once", [1, 7, 30, 70, 10_000])
def test_all_leaves_are_scored_part_by_part(
    data, batch, randomise, monkeypatch, at_once
):
    """Of 6 queries and 30 items: parts of one pair, of a query, of some, of all."""
    model = built(data, randomise)
    monkeypatch.setattr(tree_deep_match, "AT_ONCE", at_once)
    scores = model.catalogue_scores(batch, model.catalogue_state())
    assert scores.shape == (ROWS, 30)
    for item in range(30):
        pairs = {**batch, "movie_id/index": tf.fill([ROWS], 2 + item)}
        np.testing.assert_allclose(scores[:, item], model(pairs), rtol=1e-4, atol=1e-5)


def test_a_longer_padding_changes_nothing(data, batch, randomise):
    model = built(data, randomise)
    padded = dict(batch)
    padded["history/index"] = tf.pad(batch["history/index"], [[0, 0], [0, 4]])
    np.testing.assert_allclose(model(padded), model(batch), rtol=1e-5)
    equal(found_by(model, padded, 5), found_by(model, batch, 5))


# The tree


def test_the_first_tree_is_laid_by_category_and_only_once(data):
    model = TreeDeepMatch(data.spec, category="genres")
    other = TreeDeepMatch(data.spec)
    before = other.tree.item_of.numpy()
    model.adapt(data)
    other.adapt(data)
    np.testing.assert_array_equal(other.tree.item_of, before)
    order = model.tree.item_of.numpy()
    order = order[order > 0]
    genres = data.items["genres"]
    # A walk from left to right in which each item shares a genre with its block: four
    # genres have three borders, a random order has many more.
    shared = [
        set(genres[a]) & set(genres[b]) - {0} for a, b in itertools.pairwise(order)
    ]
    assert sum(not common for common in shared) <= 3
    model.tree.plant(np.arange(30))
    model.adapt(data)
    np.testing.assert_array_equal(model.tree.leaf_of[2:4], [0, 1])


def test_learning_the_tree_keeps_the_leaves_and_each_item_once(data, batch, randomise):
    model = built(data, randomise)
    before, leaves = model.tree.item_of.numpy(), model.leaves.embeddings.numpy()
    scores = model(batch).numpy()
    model.learn_tree(seed=3)
    after = model.tree.item_of.numpy()
    assert np.any(before != after)
    assert sorted(after[after > 0]) == list(range(2, 32))
    np.testing.assert_array_equal(model.tree.leaf_of.numpy()[after[after > 0]],
                                  np.flatnonzero(after))  # fmt: skip
    np.testing.assert_array_equal(model.leaves.embeddings, leaves)
    np.testing.assert_array_equal(model(batch), scores)
    inner, depth = model.inner.embeddings.numpy(), model.tree.depth
    for level in range(depth):
        for code in range(2**level):
            below = after[code << (depth - level) : (code + 1) << (depth - level)]
            mean = leaves[below[below > 0]].mean(0)
            np.testing.assert_allclose(inner[2**level + code], mean, atol=1e-5)


def test_fit_takes_turns_with_the_tree(data):
    model = TreeDeepMatch(data.spec, learn_tree=2, negatives=20)
    trees = []

    class Watch(tf.keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            trees.append(model.tree.item_of.numpy())

    model.compile()
    batches = data.batches(model, 200)
    model.fit(batches, epochs=4, callbacks=[Watch()], verbose=0)
    trees.append(model.tree.item_of.numpy())
    changed = [np.any(a != b) for a, b in itertools.pairwise(trees)]
    assert changed == [False, True, False, False]  # not after the last epoch


def test_the_tree_is_saved_with_the_model(data, batch, randomise, tmp_path):
    from tfrec import models

    model = built(data, randomise, beam=2)
    model.learn_tree()
    model.compile()
    model.save(tmp_path / "tree.keras")
    loaded = models.load(tmp_path / "tree.keras")
    path = tf.train.Checkpoint(model=model).write(str(tmp_path / "checkpoint"))
    twin = built(data, randomise, beam=2)
    assert np.any(twin.tree.item_of.numpy() != model.tree.item_of.numpy())
    tf.train.Checkpoint(model=twin).restore(path)
    for other in (loaded, twin):
        np.testing.assert_array_equal(other.tree.item_of, model.tree.item_of)
        np.testing.assert_array_equal(other.tree.leaf_of, model.tree.leaf_of)
        equal(found_by(other, batch, 3), found_by(model, batch, 3))


# What is refused


def test_without_a_history_it_is_refused(data):
    with pytest.raises(ValueError, match=r"declare Sequence\('history', of='movie_id'"):
        TreeDeepMatch(data.spec.select("age"))


def test_hashed_items_have_no_leaves(data):
    spec = data.spec.replace(Categorical("movie_id", "item", hash_bins=50))
    with pytest.raises(ValueError, match="'movie_id' has no vocabulary, so a tree"):
        TreeDeepMatch(spec)


@pytest.mark.parametrize("name", ["age", "year", "movie_id", "none such"])
def test_a_category_is_a_categorical_column_of_items(data, name):
    with pytest.raises(ValueError, match=f"category='{name}' .* choose one of genres"):
        TreeDeepMatch(data.spec, category=name)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"beam": 0}, "beam=0 finds nothing: use 1 or more"),
        ({"negatives": 0}, "negatives=0 finds nothing: use 1 or more"),
        ({"windows": ()}, r"windows=\(\) must be one or more positive numbers"),
        ({"windows": (2, 0)}, r"windows=\(2, 0\) must be one or more positive"),
    ],
    ids=str,
)
def test_sizes_are_positive(data, config, message):
    with pytest.raises(ValueError, match=message):
        TreeDeepMatch(data.spec, **config)


def test_two_items_have_a_tree(data, batch):
    column = dataclasses.replace(data.spec.item_column, vocabulary=("m0", "m1"))
    spec = data.spec.select("history").replace(column)
    model = TreeDeepMatch(spec, dim=2)
    model.ensure_built()
    features = {"history/index": tf.constant([[2, 3, 0, 0, 0, 0]])}
    items, scores = found_by(model, features, 2)
    assert sorted(items[0]) == [2, 3] and np.isfinite(scores).all()
