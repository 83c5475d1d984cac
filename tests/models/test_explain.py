"""Reasons: what is named, taken away, and the score falls by what was said."""

import numpy as np
import pytest
import tensorflow as tf

from tfrec.models import registry
from tfrec.models.explain import _encoded
from tfrec.models.recommend import complete

QUERY = {"user_id": ["u3"], "device": ["phone"]}


@pytest.fixture(scope="module")
def drawn(data):
    """Models with random weights: what is said of a score holds for any."""
    done = {}

    def get(name: str):
        if name not in done:
            model = registry.get(name)(data.spec)
            model.adapt(data)
            model.ensure_built()
            random = np.random.default_rng(0)
            for variable in model.trainable_variables:
                variable.assign(random.normal(0, 0.5, variable.shape))
            if name == "lightgcn":
                model.refresh()
            done[name] = model
        return done[name]

    return get


def query(model) -> dict:
    return {k: v for k, v in QUERY.items() if k in ("user_id", *model.query_columns)}


def pair_of(model, item: str, **changes) -> dict:
    """Looked-up columns of the query and the item."""
    pair = _encoded(model, complete(model, {**query(model), **changes}))
    place = model.spec.item_column.vocabulary.index(item)
    for key, values in model.catalogue.items().items():
        pair[key] = values[place : place + 1]
    return pair


def score(model, item: str, **changes) -> float:
    """Of the pair, some of its columns given anew as raw values."""
    pair = pair_of(model, item)
    for name, value in changes.items():
        pair.pop(f"{name}/index", None)
        pair[name] = value
    return float(model(pair)[0])


@pytest.mark.parametrize("name", ["din", "youtube_dnn"])
def test_without_the_named_item_of_history_the_score_falls(drawn, data, name):
    model = drawn(name)
    line = data.timeline.latest(np.array([5]), 6)[0]
    history = data.spec.decode("movie_id", line[line > 0]).tolist()
    found = model.explain(query(model), "m2", k=20)
    named = [r for r in found.reasons if r.text.startswith("history ")]
    assert named, found
    for reason in named:
        left = [item for item in history if item != reason.text.split()[1]]
        assert len(left) < len(history)
        fallen = score(model, "m2", history=tf.constant([left]))
        assert score(model, "m2") - fallen == pytest.approx(
            reason.effect, rel=1e-4, abs=1e-5
        )
        assert fallen < score(model, "m2")


def own_attention(name: str, model, pair: dict) -> np.ndarray:
    """Of the first history, straight from the layer that attends to it."""
    inputs = model.lookup(pair)
    if name == "tree_deep_match":
        history, leaf = inputs["history"], inputs["movie_id"]
        vectors = model.leaves(history), history > 0, model.leaves(leaf)[:, None]
        return model.network.windows.weights_of(*vectors)[0, :, 0].numpy()
    embedded = model.embed(inputs)
    history, mask = embedded.histories[0], embedded.masks[0]
    if name == "din":
        return model.units[0](history, embedded.candidate, mask)[0].numpy()
    states = model.extractors[0](history, mask)
    return model.attentions[0](states, embedded.candidate, mask)[0].numpy()


@pytest.mark.parametrize("name", ["din", "dien", "tree_deep_match"])
def test_a_reason_of_history_has_the_weight_of_the_attention(drawn, name):
    model = drawn(name)
    history = ["m9", "m4", "m9", "m11"]
    asked = {**query(model), "history": [history]}
    found = model.explain(asked, "m2", k=99)
    pair = pair_of(model, "m2", history=[history])
    weights = own_attention(name, model, pair)
    assert np.ptp(weights[:4]) > 1e-3 and not weights[4:].any()
    told = {r.text: r.weight for r in model.reasons(pair)}
    assert told["history m9"] == pytest.approx(weights[0] + weights[2], rel=1e-4)
    assert told["history m4"] == pytest.approx(weights[1], rel=1e-4)
    assert told["history m11"] == pytest.approx(weights[3], rel=1e-4)
    assert all(w == 0 for text, w in told.items() if not text.startswith("history"))
    first = next(r for r in found.reasons if r.text.startswith("history"))
    left = [item for item in history if item != first.text.split()[1]]
    fallen = model.explain({**asked, "history": [left]}, "m2").score
    assert fallen < found.score
    assert found.score - fallen == pytest.approx(first.effect, rel=1e-3, abs=1e-5)


def test_of_a_factorisation_machine_the_effect_is_the_sum_of_its_terms(drawn):
    model = drawn("factorization_machine")
    pair = pair_of(model, "m2")
    # A row of padding is what a device that nobody knows has; an empty bag has nothing.
    fields, none = (
        model.fields(model.lookup(given)).numpy()[0]
        for given in (pair, {n: tf.zeros_like(v) for n, v in pair.items()})
    )
    effects = {r.text.split()[0]: r.effect for r in model.reasons(pair)}
    assert {"age", "device", "genres", "title"} <= set(effects)
    for name in ("age", "device", "genres", "title"):
        place = model.fields.fields.index(name)
        lost = fields[place] - none[place]
        others = fields.sum(axis=0) - fields[place]
        expected = lost[0] + lost[1:] @ others[1:]
        assert effects[name] == pytest.approx(expected, rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("name", ["wide_and_deep", "factorization_machine"])
def test_without_the_named_column_the_score_falls(drawn, name):
    model = drawn(name)
    found = model.explain(query(model), "m2", k=20)
    assert any(r.text.split()[0] in ("genres", "age", "device") for r in found.reasons)
    for reason in found.reasons:
        column = reason.text.split()[0]
        if column in ("genres", "device"):
            empty = {"genres": [["", "", ""]], "device": [""]}[column]
            fallen = score(model, "m2", **{column: tf.constant(empty)})
            assert found.score - fallen == pytest.approx(
                reason.effect, rel=1e-4, abs=1e-5
            )
            assert fallen < found.score


def test_without_the_named_triple_kgcn_scores_less(drawn):
    model = drawn("kgcn")
    found = model.explain(query(model), "m2", k=3)
    first = found.reasons[0]
    item, relation, entity = first.text.split(" - ")
    assert item == "movie_id m2"
    row = 2 + model.spec.item_column.first
    kinds, tails = model.kinds.numpy()[row], model.tails.numpy()
    named = (kinds == model.relations.index(relation)) & (
        tails[row] == model.spec.item_column.size + model.entities.index(entity)
    )
    assert named.any()
    kept = tails.copy()
    tails[row, named] = 0
    model.tails.assign(tails)
    fallen = score(model, "m2")
    model.tails.assign(kept)
    assert found.score - fallen == pytest.approx(first.effect, abs=1e-5)
    assert fallen < found.score == pytest.approx(score(model, "m2"), abs=1e-5)
    whole = sum(r.weight for r in model.explain(query(model), "m2", k=99).reasons)
    assert 0 < whole <= 1 + 1e-5


def test_without_the_named_path_ripplenet_scores_less(drawn, data):
    model = drawn("ripplenet")
    found = model.explain(query(model), "m2", k=3)
    first = found.reasons[0]
    item, relation, entity = first.text.split(" - ")
    taken = set(data.raw("movie_id")[data.user == 5])
    assert item.removeprefix("movie_id ") in taken
    heads, kinds, tails = (part.numpy() for part in model._drawn)
    kept, size = heads.copy(), model.spec.item_column.size
    named = (kinds[5, 0] == model.relations.index(relation)) & (
        tails[5, 0] == size + model.entities.index(entity)
    )
    named &= heads[5, 0] == 2 + int(item.split("m")[-1])
    assert named.any()
    effects = []
    for hop in range(model.config.hops):  # the graph of genres ends after one
        heads = kept.copy()
        heads[5, hop, named] = 0
        model.heads.assign(heads)
        effects.append(found.score - score(model, "m2"))
    model.heads.assign(kept)
    assert first.effect > 0
    assert min(abs(effect - first.effect) for effect in effects) < 1e-5


@pytest.mark.parametrize("name", ["matrix_factorization", "lightgcn"])
def test_models_of_ids_alone_name_what_is_nearest(drawn, data, name):
    model = drawn(name)
    found = model.explain(query(model), "m2", k=2)
    taken = sorted(set(data.item[data.user == 5]) - {4})
    near = model.item_similarity(tf.constant([4])).numpy()[0][np.array(taken) - 2]
    best = np.array(taken)[np.argsort(-near)[:2]]
    names = [f"movie_id {one}" for one in data.spec.decode("movie_id", best)]
    assert {r.text for r in found.reasons} == set(names)
    assert all(r.effect is None for r in found.reasons)
    assert "nearest to it are movie_id m" in found.sentence


def test_the_sentence_names_the_first_reasons_and_their_effect(drawn):
    found = drawn("kgcn").explain(query(drawn("kgcn")), "m2", k=1)
    (reason,) = found.reasons
    expected = f"m2 scores {found.score:.3g}: because of {reason.text} ("
    assert found.sentence == f"{expected}{reason.effect:+.3g})."


@pytest.mark.parametrize(
    "features, item, k, why",
    [
        ({"user_id": ["u3"]}, "m99", 3, "item 'm99' is not among the 30 items"),
        ({"user_id": ["u3", "u4"]}, "m2", 3, "2 queries at once are not explained"),
        ({"user_id": ["u3"]}, "m2", 0, "k=0 reasons are none"),
    ],
)
def test_what_has_no_explanation_is_refused(drawn, features, item, k, why):
    with pytest.raises(ValueError, match=why):
        drawn("lightgcn").explain(features, item, k)
