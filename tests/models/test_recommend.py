"""Raw ids in, raw ids out: what is filled in, left out, refused and admitted."""

import dataclasses
import warnings

import numpy as np
import pytest
import tensorflow as tf

from tfrec import serving
from tfrec.data.interactions import Interactions
from tfrec.features import Categorical, FeatureSpec, Sequence
from tfrec.models.ranking.gmf import GMF
from tfrec.models.ranking.neumf import NeuMF
from tfrec.models.retrieval.two_tower import TwoTower
from tfrec.models.retrieval.youtube_dnn import YouTubeDNN


def adapted(cls: type, data: Interactions, **config):
    model = cls(data.spec, dim=4, seed=1, **config)
    model.adapt(data)
    return model


@pytest.fixture(scope="module")
def gmf(data):
    return adapted(GMF, data)


@pytest.fixture(scope="module")
def towers(data):
    return adapted(TwoTower, data)


def test_a_query_is_scored_against_the_catalogue_and_no_more(data, monkeypatch):
    model, passes = adapted(NeuMF, data), []
    model.ensure_built()
    scores = model.pair_scores

    def counted(inputs, training=None):
        passes.append(len(inputs["user_id"]))
        return scores(inputs, training)

    monkeypatch.setattr(model, "pair_scores", counted)
    model.recommend({"user_id": ["u0", "u9", "u3"]}, k=4)
    assert sum(passes) == 3 * 30


def test_scores_are_those_of_the_pairs(gmf, data):
    result = gmf.recommend({"user_id": ["u0", "u9"]}, k=4)
    for user, items, scores in zip(
        ["u0", "u9"], result.item_id, result.score, strict=True
    ):
        pairs = {"user_id": tf.constant([user] * 4), "movie_id": tf.constant(items)}
        np.testing.assert_allclose(gmf(pairs), scores, rtol=1e-5)
        taken = data.raw("movie_id")[data.raw("user_id") == user]
        assert not set(items) & set(taken)


@pytest.mark.parametrize(
    "users",
    [["u0", "u9"], ("u0", "u9"), np.array(["u0", "u9"]), tf.constant(["u0", "u9"])],
    ids=["list", "tuple", "array", "tensor"],
)
def test_ids_may_be_lists_arrays_or_tensors(gmf, users):
    expected = gmf.recommend({"user_id": ["u0", "u9"]}, k=4)
    np.testing.assert_array_equal(
        gmf.recommend({"user_id": users}, k=4).item_id, expected.item_id
    )


def test_histories_and_user_columns_are_filled_in(towers, data):
    known = data.queries(np.array([2, 11]), ("age", "history"))
    history = data.spec.decode("history", known["history/index"])
    ages = data.spec.decode("age", known["age/index"])
    ages[known["age/index"] == 1] = 99  # an age that is not in the vocabulary
    query = {"user_id": ["u0", "u9"], "device": ["phone", "screen"]}
    expected = towers.recommend({**query, "history": history, "age": ages}, k=6)
    result = towers.recommend(query, k=6)
    np.testing.assert_array_equal(result.item_id, expected.item_id)
    np.testing.assert_allclose(result.score, expected.score)


def test_what_is_given_wins_over_what_is_known(towers):
    query = {"user_id": ["u0"], "device": ["phone"]}
    known = towers.recommend(query, k=30, drop_seen=False)
    other = towers.recommend({**query, "history": [["m3"]]}, k=30, drop_seen=False)
    assert np.any(known.score != other.score)


def test_a_history_is_enough_where_no_user_id_is_read(data):
    narrow = data.with_spec(data.spec.select("history"))
    model = adapted(YouTubeDNN, narrow, layers=())
    result = model.recommend({"history": [["m1", "m2"], ["m5", ""]]}, k=3)
    assert result.item_id.shape == (2, 3)
    assert not result.cold.any()
    with pytest.warns(UserWarning, match="nothing is known of 1 of 2 queries"):
        result = model.recommend({"history": [["m1"], ["unheard of"]]}, k=3)
    assert result.cold.tolist() == [False, True]


def test_a_context_that_is_not_given_is_asked_for(towers):
    with pytest.raises(ValueError, match=r"reads column 'device', .* features\['dev"):
        towers.recommend({"user_id": ["u0"]})


def test_a_sequence_of_something_else_is_asked_for_too(data):
    """It is not filled with items, which are other ids."""
    columns = (
        Categorical("search", "context", vocabulary=("a", "b")),
        Sequence("searches", of="search", max_len=3),
    )
    spec = data.spec.replace(columns[0]).replace(columns[1])
    values = {
        "search": np.full(len(data), 2, np.int32),
        "searches": np.full((len(data), 3), 2, np.int32),
    }
    more = dataclasses.replace(data, spec=spec, columns={**data.columns, **values})
    model = adapted(TwoTower, more)
    query = {"user_id": ["u0"], "device": ["phone"], "search": ["a"]}
    with pytest.raises(ValueError, match="reads column 'searches'"):
        model.recommend(query, k=3)
    assert model.recommend({**query, "searches": [["b"]]}, k=3).item_id.shape == (1, 3)


def test_strangers_are_answered_by_popularity_and_marked(gmf, data):
    with pytest.warns(UserWarning, match="nothing is known of 2 of 3 queries"):
        result = gmf.recommend({"user_id": ["nobody", "u4", "no one"]}, k=30)
    assert result.cold.tolist() == [True, False, True]
    counts = data.item_counts[data.spec.item_column.first :]
    order = np.argsort(-counts, kind="stable")
    names = np.array(data.spec.item_column.vocabulary)
    assert result.item_id[0].tolist() == names[order].tolist()
    np.testing.assert_allclose(result.score[0], counts[order] / len(data), rtol=1e-6)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gmf.recommend({"user_id": ["u4"]})


def test_what_other_strangers_took_is_not_held_against_one(data):
    """Unknown users share an index, and with it their events."""
    some = data.take(np.arange(100))
    some.columns["user_id"][:20] = 1
    model = adapted(GMF, some)
    with pytest.warns(UserWarning, match="popularity"):
        result = model.recommend({"user_id": ["nobody"]}, k=30)
    assert sorted(result.item_id[0]) == sorted(data.spec.item_column.vocabulary)


def test_unknown_and_hashed_users_have_no_history_of_others(data):
    """Whoever shares an index is asked for by what she brings along."""
    some = data.with_spec(data.spec.select("history"))
    some.columns["user_id"] = np.where(some.user < 20, 1, some.user)
    rare = dataclasses.replace(some)
    hashed = Categorical("user_id", "user", hash_bins=60)
    buckets = dataclasses.replace(some, spec=some.spec.replace(hashed))
    for events, user, more in ((rare, "nobody", "u30"), (buckets, "u30", None)):
        model = adapted(YouTubeDNN, events, layers=())
        with pytest.warns(UserWarning, match="nothing is known of 1 of 1 queries"):
            result = model.recommend({"user_id": [user]}, k=30)
        assert result.cold.tolist() == [True]
        assert len(set(result.item_id[0])) == 30  # nothing is left out
        given = model.recommend({"user_id": [user], "history": [["m1"]]}, k=5)
        assert given.cold.tolist() == [False]
        if more is not None:
            assert not model.recommend({"user_id": [more]}, k=5).cold.any()


def test_a_known_user_without_an_event_is_a_stranger_too(data, tmp_path):
    """A split may leave nothing of somebody who stands in the vocabulary."""
    model = adapted(GMF, data.take(data.raw("user_id") != "u3"))
    with pytest.warns(UserWarning, match="nothing is known of 1 of 2 queries"):
        result = model.recommend({"user_id": ["u3", "u4"]}, k=5)
    assert result.cold.tolist() == [True, False]
    served = serving.load(model.export(tmp_path / "model"))
    answer = served.recommend({"user_id": ["u3", "u4"]}, k=5)
    assert answer.cold.tolist() == [True, False]
    np.testing.assert_array_equal(answer.item_id[0], result.item_id[0])


def test_an_exclusion_holds_for_strangers_too(gmf):
    with pytest.warns(UserWarning, match="popularity"):
        first = gmf.recommend({"user_id": ["nobody"]}, k=3).item_id[0]
    with pytest.warns(UserWarning, match="popularity"):
        second = gmf.recommend({"user_id": ["nobody"]}, k=2, exclude=[first[:1]])
    assert second.item_id[0].tolist() == first[1:].tolist()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"k": 0}, "k=0 is not between 1 and the catalogue's 30 items"),
        ({"k": 31}, "k=31 is not between"),
        ({"exclude": ["m1", "m2"]}, "exclude"),
        ({"exclude": [["m1"]]}, "exclude' has 1 rows for 2 queries"),
        ({"exclude": [[1], [2]]}, "exclude' cannot be read as string"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(gmf, arguments, words):
    with pytest.raises(ValueError, match=words):
        gmf.recommend({"user_id": ["u0", "u9"]}, **arguments)


def test_features_that_do_not_fit_are_refused(gmf, towers):
    with pytest.raises(KeyError, match="'user' in the spec; did you mean 'user_id'"):
        gmf.recommend({"user": ["u0"]})
    with pytest.raises(ValueError, match="'user_id' cannot be read as string"):
        gmf.recommend({"user_id": [42]})
    with pytest.raises(ValueError, match="'user_id'"):
        gmf.recommend({"user_id": "u0"})
    with pytest.raises(ValueError, match="'device' has 1 rows for 2 queries"):
        towers.recommend({"user_id": ["u0", "u1"], "device": ["phone"]})
    with pytest.raises(ValueError, match="reads column 'user_id'"):
        gmf.recommend({})


def test_no_queries_have_no_answers(gmf):
    result = gmf.recommend({"user_id": []}, k=3)
    assert result.item_id.shape == result.score.shape == (0, 3)


def test_integer_ids_come_back_as_integers():
    spec = FeatureSpec(
        (
            Categorical("user_id", "user", "int64", vocabulary=(42, 7)),
            Categorical("item_id", "item", "int64", vocabulary=(100, 200, 300)),
        )
    )
    events = Interactions(
        spec,
        {
            "user_id": spec.encode("user_id", [42, 42, 7]),
            "item_id": spec.encode("item_id", [100, 300, 100]),
        },
    )
    model = adapted(NeuMF, events)
    result = model.recommend({"user_id": [42]}, k=3)
    assert result.item_id.dtype == np.int64
    assert result.item_id.tolist() == [[200, -1, -1]]
    assert result.score[0, 1:].tolist() == [-np.inf, -np.inf]
    neighbours = model.similar_items([200], k=2)
    assert sorted(neighbours.item_id[0].tolist()) == [100, 300]


# Similar items


def test_similar_items_are_nearest_by_cosine(gmf):
    vectors = gmf.item_table.embeddings.numpy()[2:]
    result = gmf.similar_items(["m4"], k=29)
    # GMF's item vector ends in a constant 1 for the bias.
    vectors = np.concatenate([vectors, np.ones((30, 1))], axis=1)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosine = unit @ unit[4]
    order = [j for j in np.argsort(-cosine, kind="stable") if j != 4]
    np.testing.assert_allclose(result.score[0], cosine[order], atol=1e-6)
    assert set(result.item_id[0]) == {f"m{j}" for j in range(30) if j != 4}


def test_of_all_items_the_one_asked_for_is_missing(gmf):
    result = gmf.similar_items(["m4"], k=30)
    assert result.item_id[0, -1] == ""
    assert result.score[0, -1] == -np.inf


def test_an_unknown_item_is_named(gmf):
    with pytest.raises(ValueError, match="item 'm99' is not among the 30 items"):
        gmf.similar_items(["m1", "m99"])
    with pytest.raises(ValueError, match="k=0 is not between"):
        gmf.similar_items(["m1"], k=0)


# Before any data


def test_a_model_that_has_met_no_data_says_what_to_do(data):
    model = TwoTower(data.spec, dim=4)
    query = {"user_id": ["u0"], "device": ["phone"], "age": [18], "history": [["m1"]]}
    with pytest.raises(ValueError, match=r"has met no data: call train\.batches"):
        model.recommend(query)


def test_data_of_another_spec_is_refused(data, gmf):
    spec = data.spec.replace(Categorical("movie_id", "item", vocabulary=("m1",)))
    with pytest.raises(ValueError, match="column 'movie_id' of the model is not that"):
        GMF(spec).adapt(data)
    lacking = dataclasses.replace(data, items={})
    with pytest.raises(ValueError, match="no item table with column 'genres'"):
        TwoTower(data.spec, dim=4).adapt(lacking)


def test_a_config_can_be_changed_on_the_way_in(data):
    config = GMF.Config(dim=4, seed=3)
    assert GMF(data.spec, config).config is config
    assert GMF(data.spec, config, negatives=2).config == GMF.Config(
        dim=4, seed=3, negatives=2
    )
    with pytest.raises(ValueError, match="'dmi'; did you mean 'dim'"):
        GMF(data.spec, config, dmi=2)
