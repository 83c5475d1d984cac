"""Answers that stay within a set of items or a category."""

import numpy as np
import pytest
import tensorflow as tf

from tfrec import serving
from tfrec.layers.categories import NOTHING
from tfrec.models.rank import Wanted, best
from tfrec.models.retrieval.two_tower import TwoTower


def of_genre(data, genre):
    """Raw ids of the items of a genre."""
    column, table = data.spec["genres"], data.items["genres"]
    index = column.first + column.vocabulary.index(genre)
    rows = np.flatnonzero(np.any(table == index, axis=1))
    return set(data.spec.decode("movie_id", rows.astype(np.int32)).tolist())


def test_only_candidates_come_back_best_first(export):
    features, some = export.queries(2), export.items[4:9]
    everything = export.ask(30, **features)["item_id"].numpy()
    answer = export.served.recommend(features, 4, candidates=[some, []])
    order = [i.decode() if isinstance(i, bytes) else i for i in everything[0].tolist()]
    assert answer.item_id[0].tolist() == [i for i in order if i in some][:4]
    whole = export.served.recommend(features, 4)
    np.testing.assert_array_equal(answer.item_id[1], whole.item_id[1])


def test_fewer_candidates_than_wanted_leave_padding(export):
    some = export.items[:3]
    answer = export.served.recommend(
        export.queries(1), 5, exclude=[some[:1]], candidates=[[*some, some[2]]]
    )
    assert set(answer.item_id[0, :2]) == set(some[1:])
    assert answer.item_id[0, 2:].tolist() == [export.padding] * 3
    assert np.all(answer.score[0, 2:] == -np.inf)


def test_unknown_candidates_leave_nothing(neumf):
    answer = neumf.served.recommend(neumf.queries(1), 2, candidates=[[77]])
    assert answer.item_id[0].tolist() == [neumf.padding] * 2


def test_strangers_get_what_is_popular_among_the_candidates(neumf):
    some = neumf.items[3:12]
    answer = neumf.served.recommend({"user_id": [neumf.stranger]}, 3, candidates=[some])
    counts = neumf.data.item_counts[neumf.data.spec.item_column.first :]
    popular = [neumf.items[i] for i in np.argsort(-counts, kind="stable")]
    assert answer.cold[0]
    assert answer.item_id[0].tolist() == [i for i in popular if i in some][:3]


def test_a_category_is_stayed_within(two_tower):
    data, features = two_tower.data, two_tower.queries(3)
    one, other = data.spec["genres"].vocabulary[:2]
    answer = two_tower.served.recommend(
        features,
        30,
        within=[[f"genres={one}"], [f"genres={one}", f"genres={other}"], []],
    )
    expected = [
        of_genre(data, one),
        of_genre(data, one) | of_genre(data, other),
        set(two_tower.items),
    ]
    assert [set(row) - {""} for row in answer.item_id.tolist()] == expected
    model = two_tower.model.recommend(
        features, 30, within=[[f"genres={one}"]] * 3, drop_seen=False
    )
    np.testing.assert_array_equal(model.item_id[0], answer.item_id[0])


def test_candidates_within_a_category(two_tower):
    data, genre = two_tower.data, two_tower.data.spec["genres"].vocabulary[0]
    some = two_tower.items[:9]
    asked = {"candidates": [some], "within": [[f"genres={genre}"]]}
    expected = of_genre(data, genre) & set(some)
    assert expected
    assert expected < set(some)
    for model in (two_tower.served, two_tower.model):
        answer = model.recommend(two_tower.queries(1), 9, **asked)
        found = set(answer.item_id[0].tolist()) - {""}
        seen = set(two_tower.taken(1)[0]) if model is two_tower.model else set()
        assert found == expected - seen


def test_categories_that_are_not_there(two_tower, neumf):
    with pytest.raises(ValueError, match=r"no item is within 'genres=.*did you mean"):
        genre = two_tower.data.spec["genres"].vocabulary[0]
        two_tower.model.recommend(two_tower.queries(1), within=[[f"genres={genre}x"]])
    with pytest.raises(ValueError, match="reads no item-side categorical column"):
        neumf.model.recommend(neumf.queries(1), within=[["genres=a"]])
    with pytest.raises(ValueError, match="exported without categories"):
        neumf.served.recommend(neumf.queries(1), within=[["genres=a"]])


class Searching(TwoTower):
    """Answers through ``search``, as models with an index of their own do."""

    searches = True

    def search(self, features, k, exclude, candidates, state):
        scores = self.catalogue_scores(features, state)
        first = self.spec.item_column.first
        return best(scores, Wanted(k, exclude, candidates), first)


def test_a_model_that_searches_answers_as_one_that_scores(two_tower, tmp_path):
    model = Searching(two_tower.data.spec, dim=8)
    model.adapt(two_tower.data)
    model.ensure_built()
    pairs = zip(model.variables, two_tower.model.variables, strict=False)
    for variable, trained in pairs:  # those of the metrics come last
        variable.assign(trained)
    model.export(tmp_path)
    features = two_tower.queries(3)
    asked = {"k": 6, "exclude": two_tower.taken(3), "within": [[], ["genres=x"], []]}
    expected = two_tower.served.recommend(features, **asked)
    found = serving.load(tmp_path).recommend(features, **asked)
    np.testing.assert_array_equal(found.item_id, expected.item_id)
    np.testing.assert_allclose(found.score, expected.score, rtol=1e-5)


def test_the_cold_are_answered_by_popularity_where_a_model_searches(data, monkeypatch):
    model = Searching(data.spec.select("user_id", "movie_id"), dim=4)
    model.adapt(data.with_spec(model.spec))
    with pytest.warns(UserWarning, match="1 of 2 queries"):
        answer = model.recommend({"user_id": ["u3", "nobody"]}, 3)
    popular = np.argsort(
        -data.item_counts[data.spec.item_column.first :], kind="stable"
    )
    assert answer.item_id[1].tolist() == [f"m{i}" for i in popular[:3]]
    monkeypatch.setattr(Searching, "searches", False)
    with pytest.warns(UserWarning):
        plain = model.recommend({"user_id": ["u3", "nobody"]}, 3)
    np.testing.assert_array_equal(answer.item_id, plain.item_id)


def test_a_restriction_to_nothing_is_not_none():
    scores = tf.constant([[1.0, 2.0]] * 2)
    wanted = Wanted(
        tf.constant(1), tf.zeros((2, 0), tf.int32), tf.constant([[NOTHING], [0]])
    )
    items, values = best(scores, wanted, first=2)
    assert items.numpy().tolist() == [[0], [3]]
    assert values.numpy().tolist() == [[-np.inf], [2.0]]
