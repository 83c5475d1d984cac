"""What the signatures of an exported model answer."""

import numpy as np
import pytest
import tensorflow as tf

from tfrec.features import PADDING


def raw_ids(answer):
    ids = answer["item_id"].numpy()
    if ids.dtype != object:
        return ids.tolist()
    return [[text.decode() for text in row] for row in ids]


def test_answers_equal_those_in_process(export):
    features = export.queries(6)
    unwanted = [row[:3] for row in export.taken(6)]
    expected = export.model.recommend(features, 5, exclude=unwanted, drop_seen=False)
    served = export.served.recommend(features, 5, exclude=unwanted)
    np.testing.assert_array_equal(served.item_id, expected.item_id)
    np.testing.assert_allclose(served.score, expected.score, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(served.cold, expected.cold)
    assert served.item_id.dtype == expected.item_id.dtype


def test_scores_fall_and_ids_are_of_the_catalogue(export):
    answer = export.ask(30, **export.queries(4))
    assert np.all(np.diff(answer["score"], axis=1) <= 0)
    for row in raw_ids(answer):
        assert sorted(row) == sorted(export.items)


def test_what_is_excluded_never_comes_back(export):
    """28 of 30 are excluded and 5 are wanted: two ids, then padding."""
    features = export.queries(2)
    excluded = [export.items[:28], export.items[2:]]
    answer = export.ask(5, excluded, **features)
    for row, scores, left in zip(
        raw_ids(answer),
        answer["score"].numpy(),
        (export.items[28:], export.items[:2]),
        strict=True,
    ):
        assert sorted(row[:2]) == sorted(left)
        assert row[2:] == [export.padding] * 3
        assert np.isfinite(scores[:2]).all()
        assert np.all(scores[2:] == -np.inf)


def test_excluding_padding_and_the_unknown_changes_nothing(export):
    features = export.queries(2)
    unknown = {"string": "no such item", "int64": 123}[
        export.data.spec.item_column.dtype
    ]
    one = export.ask(4, **features)
    other = export.ask(4, [[unknown, export.padding]] * 2, **features)
    assert raw_ids(one) == raw_ids(other)


def test_k_is_an_input(export):
    features = export.queries(3)
    long = raw_ids(export.ask(30, **features))
    for k in (1, 2, 17):
        assert raw_ids(export.ask(k, **features)) == [row[:k] for row in long]


@pytest.mark.parametrize("k", [-1, 0, 31])
@pytest.mark.parametrize("signature", ["serving_default", "examples"])
def test_k_stays_within_the_catalogue(export, k, signature):
    message = "k is not between 1 and the 30 items of the catalogue: choose another"
    values = {"examples": [b""]} if signature == "examples" else export.queries(1)
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        export.ask(k, signature=signature, **values)


def test_exclude_needs_a_row_for_each_query(export):
    one = [[export.items[0]]]
    with pytest.raises(
        tf.errors.InvalidArgumentError, match="exclude needs one row for"
    ):
        export.ask(3, one, **export.queries(2))


def test_columns_of_unequal_length_are_refused(two_tower):
    features = two_tower.queries(2)
    features["device"] = features["device"][:1]
    with pytest.raises(
        tf.errors.InvalidArgumentError, match="device has not the batch"
    ):
        two_tower.ask(3, [[""], [""]], **features)


def test_the_unknown_get_what_is_popular(neumf):
    answer = neumf.ask(30, user_id=[1000, neumf.stranger, -1])
    np.testing.assert_array_equal(answer["cold"], [False, True, True])
    counts = neumf.data.item_counts[neumf.data.spec.item_column.first :]
    order = np.argsort(-counts, kind="stable")
    for row in (1, 2):
        assert raw_ids(answer)[row] == [neumf.items[column] for column in order]
        shares = counts[order] / counts.sum()
        np.testing.assert_allclose(answer["score"][row], shares, rtol=1e-6)


def test_a_batch_is_its_queries(export):
    features = export.queries(7)
    whole = raw_ids(export.ask(5, **features))
    for row in range(7):
        one = {name: values[row : row + 1] for name, values in features.items()}
        assert raw_ids(export.ask(5, **one)) == whole[row : row + 1]


def test_histories_of_any_length(two_tower):
    """Padding adds nothing; of a long history the latest six are read."""
    features = two_tower.queries(1)
    items = two_tower.items

    def scores(history):
        answer = two_tower.ask(30, **{**features, "history": [history]})
        return dict(zip(raw_ids(answer)[0], answer["score"].numpy()[0], strict=True))

    short = scores(items[:2])
    assert short == pytest.approx(scores([*items[:2], "", "", "", "", "", ""]))
    assert short != pytest.approx(scores(items[1:3]))
    assert scores(items[:20]) == pytest.approx(scores(items[14:20]))
    assert scores([""]) == pytest.approx(scores([]))
    ragged = {
        **{name: values * 2 for name, values in features.items()},
        "history": [items[:2], items[14:20]],
    }
    served = two_tower.served.recommend(ragged, 1)
    best = [max(s, key=s.get) for s in (short, scores(items[14:20]))]
    assert served.item_id[:, 0].tolist() == best


def example(**features):
    def feature(values):
        if isinstance(values[0], int):
            return tf.train.Feature(int64_list={"value": values})
        texts = [value.encode() for value in values]
        return tf.train.Feature(bytes_list={"value": texts})

    named = {name: feature(values) for name, values in features.items() if values}
    message = tf.train.Example(features=tf.train.Features(feature=named))
    return message.SerializeToString()


def test_examples_answer_as_raw_columns_do(export):
    features = export.queries(5)
    messages = []
    for row in range(5):
        values = {k: v[row] for k, v in features.items()}
        listed = {k: v if isinstance(v, list) else [v] for k, v in values.items()}
        messages.append(example(**listed))
    excluded = [[item] for item in export.items[:5]]
    one = export.ask(6, excluded, **features)
    other = export.ask(6, excluded, signature="examples", examples=messages)
    for name in one:
        np.testing.assert_array_equal(one[name], other[name])


def test_what_an_example_does_not_hold_is_padding(two_tower, neumf):
    user = "u3"
    dtype = {n: two_tower.data.spec.raw_dtype(n) for n in two_tower.model.query_columns}
    missing = {name: [PADDING[kind]] for name, kind in dtype.items()}
    missing.update(user_id=[user], history=[[""]])
    one = two_tower.ask(6, **missing)
    bare = [example(user_id=[user])]
    other = two_tower.ask(6, signature="examples", examples=bare)
    for name in one:
        np.testing.assert_array_equal(one[name], other[name])
    empty = neumf.ask(3, signature="examples", examples=[b"", example(user_id=[1000])])
    np.testing.assert_array_equal(empty["cold"], [True, False])


def test_pairs_score_as_in_process(export):
    rows = export.data.spec.synthetic(9, seed=4)
    pairs = {name: tf.constant(rows[name]) for name in export.model.columns}
    served = export.served.signatures["score"](**pairs)["score"]
    np.testing.assert_allclose(served, export.model(pairs), rtol=1e-5, atol=1e-6)


def test_embeddings_multiply_to_scores(two_tower):
    rows = two_tower.data.spec.synthetic(9, seed=4)
    model, signatures = two_tower.model, two_tower.served.signatures
    query = {name: tf.constant(rows[name]) for name in model.query_columns}
    items = {name: tf.constant(rows[name]) for name in model.item_columns}
    left = signatures["query_embedding"](**query)["embedding"]
    right = signatures["item_embedding"](**items)["embedding"]
    scores = model({**query, **items})
    np.testing.assert_allclose(
        tf.reduce_sum(left * right, 1), scores, rtol=1e-5, atol=1e-6
    )
