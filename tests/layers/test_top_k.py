"""The best k against a stable sort, and masks that hold."""

import numpy as np
import pytest
import tensorflow as tf

from tfrec.layers import top_k as module
from tfrec.layers.top_k import mask, mask_pairs, top_k, window_length

# (items, k): both paths, a prime number of items, divisors, k of all items
SIZES = [
    (1, 1),
    (7, 7),
    (100, 10),
    (128, 1),
    (1009, 1),
    (1009, 10),
    (1009, 1009),
    (1682, 20),
    (4096, 5),
    (4097, 100),
]


def expected(scores, k):
    scores = np.where(np.isnan(scores), -np.inf, scores)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    values = np.take_along_axis(scores, order, axis=1)
    return values, np.where(values == -np.inf, -1, order)


def check(scores, k, found):
    values, indices = expected(np.asarray(scores, np.float64), k)
    np.testing.assert_array_equal(found[1], indices)
    np.testing.assert_array_equal(np.asarray(found[0], np.float64), values)
    assert found[1].dtype == tf.int32


@pytest.mark.parametrize(("items", "k"), SIZES)
@pytest.mark.parametrize("ties", [False, True])
def test_equals_a_stable_sort(items, k, ties):
    rng = np.random.default_rng(items + k)
    scores = rng.integers(0, 4, (9, items)) if ties else rng.normal(size=(9, items))
    scores = scores.astype(np.float32)
    check(scores, k, top_k(scores, k))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_every_floating_dtype(dtype):
    scores = tf.cast(np.random.default_rng(0).normal(size=(4, 2000)), dtype)
    values, indices = top_k(scores, 7)
    assert values.dtype == scores.dtype
    check(tf.cast(scores, tf.float64).numpy(), 7, (values.numpy(), indices))


def test_equal_scores_come_in_column_order():
    scores = np.zeros((2, 5000), np.float32)
    scores[1, [4999, 3, 70]] = 1
    _, indices = top_k(scores, 5)
    np.testing.assert_array_equal(indices, [[0, 1, 2, 3, 4], [3, 70, 4999, 0, 1]])


@pytest.mark.parametrize(("items", "k"), SIZES)
def test_k_and_sizes_may_be_tensors(items, k):
    rng = np.random.default_rng(items)
    scores = rng.integers(0, 50, (5, items)).astype(np.float32)
    anything = tf.function(
        top_k,
        input_signature=[
            tf.TensorSpec([None, None], tf.float32),
            tf.TensorSpec([], tf.int32),
        ],
    )
    check(scores, k, anything(scores, k))


def test_one_graph_answers_every_k():
    scores = np.random.default_rng(1).normal(size=(3, 3000)).astype(np.float32)
    traces = []

    @tf.function(input_signature=[tf.TensorSpec([], tf.int32)])
    def best(k):
        traces.append(k)
        return top_k(scores, k)

    for k in (1, 20, 2999, 3000):
        check(scores, k, best(k))
    assert len(traces) == 1


def test_static_shape_is_known():
    @tf.function(input_signature=[tf.TensorSpec([None, 3000], tf.float32)])
    def best(scores):
        values, indices = top_k(scores, 10)
        assert values.shape.as_list() == indices.shape.as_list() == [None, 10]
        return values

    assert best(np.zeros((2, 3000), np.float32)).shape == (2, 10)


def test_an_empty_batch():
    values, indices = top_k(np.zeros((0, 3000), np.float32), 10)
    assert values.shape == indices.shape == (0, 10)


@pytest.mark.parametrize("items", [50, 3000])
def test_no_candidate_is_minus_one(items):
    scores = np.full((3, items), -np.inf, np.float32)
    scores[0, 7] = -3
    scores[1, [9, 11]] = np.finfo(np.float32).min  # the lowest that is still a score
    values, indices = top_k(scores, 3)
    np.testing.assert_array_equal(indices, [[7, -1, -1], [9, 11, -1], [-1, -1, -1]])
    assert np.all(values.numpy()[indices.numpy() == -1] == -np.inf)


@pytest.mark.parametrize("items", [60, 3000])
def test_nan_is_no_candidate_and_hides_none(items):
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(6, items)).astype(np.float32)
    scores[:4, rng.choice(items, items // 2, replace=False)] = np.nan
    scores[4] = np.nan
    check(scores, 10, top_k(scores, 10))


@pytest.mark.parametrize("k", [0, -1, 11])
def test_k_out_of_range(k):
    with pytest.raises(ValueError, match=f"k={k} is not between 1 and .* 10 items"):
        top_k(np.zeros((2, 10), np.float32), k)


@pytest.mark.parametrize("k", [0, 11])
def test_k_out_of_range_in_a_graph(k):
    best = tf.function(
        top_k, input_signature=[tf.TensorSpec([2, 10]), tf.TensorSpec([], tf.int32)]
    )
    with pytest.raises(tf.errors.InvalidArgumentError, match="k is not between 1"):
        best(np.zeros((2, 10), np.float32), k)


@pytest.mark.parametrize(
    "scores", [np.zeros(4, np.float32), np.zeros((2, 4), np.int32)]
)
def test_scores_must_be_a_float_matrix(scores):
    with pytest.raises(ValueError, match="matrix of floats"):
        top_k(scores, 1)


def test_excluded_columns_never_return():
    rng = np.random.default_rng(3)
    scores = rng.normal(size=(40, 2003)).astype(np.float32)
    exclude = np.full((40, 600), -1, np.int32)
    for row in exclude:
        n = rng.integers(0, 600)
        row[rng.choice(600, n, replace=False)] = rng.integers(0, 2003, n)
    values, indices = top_k(mask(scores, exclude), 50)
    for row in range(40):
        assert not set(indices.numpy()[row]) & set(exclude[row][exclude[row] >= 0])
    masked = scores.copy()
    for row in range(40):
        masked[row, exclude[row][exclude[row] >= 0]] = -np.inf
    check(masked, 50, (values.numpy(), indices))


@pytest.mark.parametrize("score", [np.inf, -np.inf, np.nan, 0.0])
def test_exclusion_holds_for_every_score(score):
    scores = np.array([[score, 1.0, 2.0]], np.float32)
    _, indices = top_k(mask(scores, [[0, 0, -1]]), 3)
    np.testing.assert_array_equal(indices, [[2, 1, -1]])


def test_excluding_everything_leaves_nothing():
    values, indices = top_k(mask(np.ones((1, 4), np.float32), [[3, 1, 0, 2]]), 2)
    np.testing.assert_array_equal(indices, [[-1, -1]])
    np.testing.assert_array_equal(values, [[-np.inf, -np.inf]])


def test_excluding_nothing_changes_nothing():
    scores = np.ones((2, 4), np.float32)
    np.testing.assert_array_equal(mask(scores, np.full((2, 3), -1)), scores)
    np.testing.assert_array_equal(mask(scores, np.zeros((2, 0), np.int32)), scores)


def test_an_excluded_column_must_exist():
    with pytest.raises(tf.errors.InvalidArgumentError, match="index"):
        mask(np.ones((1, 4), np.float32), [[4]])


def test_masking_leaves_other_readers_and_variables_alone():
    scores = tf.Variable(tf.zeros((1, 4)))

    @tf.function
    def masked():
        product = tf.matmul(scores, tf.eye(4))
        return mask(scores.read_value(), [[1]]), mask(product, [[2]]), product + 0

    one, two, product = masked()
    np.testing.assert_array_equal(scores, np.zeros((1, 4)))
    np.testing.assert_array_equal(product, np.zeros((1, 4)))
    np.testing.assert_array_equal(one, [[0, -np.inf, 0, 0]])
    np.testing.assert_array_equal(two, [[0, 0, -np.inf, 0]])


def test_pairs_of_row_and_column():
    result = mask_pairs(tf.zeros((2, 2)), tf.constant([[1, 0], [1, 0]]))
    np.testing.assert_array_equal(result, [[0, 0], [-np.inf, 0]])


def test_window_length_prefers_a_divisor():
    assert 1682 % window_length(1682, 1) == 0
    assert window_length(1009, 1) == 32  # prime: near the square root
    assert window_length(10**6, 1) <= module.LONGEST
    assert window_length(10, 5) >= module.SHORTEST
