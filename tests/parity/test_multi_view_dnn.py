"""A tower for each domain: Elkahky et al. 2015, equation 3 and algorithm 1."""

import dataclasses
from collections import Counter

import numpy as np
import pytest
import tensorflow as tf

from tfrec.data.one_category import OneCategory
from tfrec.data.views import Positives
from tfrec.features import Categorical
from tfrec.models.retrieval.multi_view_dnn import MultiViewDNN

Weights = dict[str, np.ndarray]
STUDIOS = ("east", "west")
NAMES = ("user_id", "movie_id", "history", "studio")


@pytest.fixture(scope="module")
def domains(data):
    """The events, each film of one of two studios; the first film of none."""
    column = Categorical("studio", "item", vocabulary=STUDIOS)
    spec = data.spec.replace(column).select(*NAMES)
    studio = 2 + np.arange(spec.item_column.size, dtype=np.int32) % 2
    studio[: spec.item_column.first + 1] = [0, 0, 1]
    narrow = data.with_spec(spec)
    return dataclasses.replace(narrow, items={"studio": studio})


@pytest.fixture(scope="module")
def batch(domains):
    """Events on films of one studio, some of them on the same film."""
    order = np.argsort(domains.item[:90], kind="stable")
    west = order[domains.items["studio"][domains.item[order]] == 3][:12]
    return next(iter(domains.take(west).batches(Positives(), 12, shuffle=False)))


def built(domains, randomise, **config) -> MultiViewDNN:
    model = MultiViewDNN(
        domains.spec, domain="studio", dim=3, layers=(4,), temperature=0.5, **config
    )
    model.adapt(domains)
    model.ensure_built()
    randomise(model)
    return model


def weights(model: MultiViewDNN) -> dict[str, tf.Variable]:
    tables = {**model.query_features.tables, **model.item_features.tables}
    found = {name: table.embeddings for name, table in tables.items()}
    towers = [model.query_tower, *model.item_tower.towers]
    for name, tower in zip(("u", "v0", "v1", "v2"), towers, strict=True):
        for number, layer in enumerate(tower.layers):
            found[f"{name} W{number}"] = layer.kernel
            found[f"{name} b{number}"] = layer.bias
    return found


def values(model: MultiViewDNN) -> Weights:
    return {name: variable.numpy() for name, variable in weights(model).items()}


def through(w: Weights, name: str, x: np.ndarray) -> np.ndarray:
    hidden = np.tanh(x @ w[f"{name} W0"] + w[f"{name} b0"])
    y = hidden @ w[f"{name} W1"] + w[f"{name} b1"]
    return y / np.linalg.norm(y)


def vectors(w: Weights, batch: dict, view: list[str]) -> tuple[np.ndarray, ...]:
    """Unit vectors of users and items, one row at a time."""
    users, items = [], []
    batch = {name: np.asarray(tensor) for name, tensor in batch.items()}
    for row, name in enumerate(view):
        past = [i for i in batch["history/index"][row] if i > 0]
        mean = w["movie_id"][past].mean(0) if past else np.zeros(3)
        user = w["user_id"][batch["user_id/index"][row]]
        users.append(through(w, "u", np.concatenate([user, mean])))
        item = w["movie_id"][batch["movie_id/index"][row]]
        studio = w["studio"][batch["studio/index"][row]]
        items.append(through(w, name, np.concatenate([item, studio])))
    return np.array(users), np.array(items)


def test_each_item_goes_through_the_tower_of_its_domain(domains, randomise):
    model = built(domains, randomise)
    batch = next(iter(domains.batches(Positives(), 40, shuffle=False)))
    studio = batch["studio/index"].numpy()
    assert set(studio) == {1, 2, 3}
    view = [{1: "v0", 2: "v1", 3: "v2"}[number] for number in studio]
    u, v = vectors(values(model), batch, view)
    np.testing.assert_allclose(model(batch), np.sum(u * v, 1), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model.item_embedding(batch), v, rtol=1e-4, atol=1e-5)


def test_softmax_within_a_domain_and_its_step(domains, batch, randomise, check_step):
    model = built(domains, randomise)
    item = batch["movie_id/index"].numpy()
    assert len(set(item)) < len(item)
    share = domains.item_counts / len(domains)

    def loss(w: Weights) -> float:
        u, v = vectors(w, batch, ["v2"] * len(item))
        logits = u @ v.T / 0.5 - np.log(share[item])
        total = 0.0
        for row, own in enumerate(logits.diagonal()):
            others = logits[row][item != item[row]]
            total -= own - np.log(np.exp(own) + np.exp(others).sum())
        return total

    model.compile("sgd", run_eagerly=True)
    found = float(model.batch_loss(batch, None, training=True))
    assert found == pytest.approx(loss(values(model)), rel=1e-4)
    before = values(model)
    model.train_on_batch(batch)
    after = values(model)
    still = {name for name in before if np.array_equal(before[name], after[name])}
    assert still == {n for n in before if n.startswith(("v0", "v1"))}
    assert loss(after) < loss(before)
    check_step(model, (batch,), weights(model), loss, still=tuple(still))


def test_a_batch_is_of_one_domain_and_an_epoch_has_every_event_once(domains):
    view = MultiViewDNN(domains.spec, domain="studio").view()
    assert view == OneCategory("studio")
    batches = domains.batches(view, 64, seed=1)
    epochs = []
    for _ in range(2):
        events, order = Counter(), []
        for batch in batches:
            assert len(set(batch["studio/index"].numpy())) == 1
            order.append(int(batch["studio/index"][0]))
            pairs = zip(
                batch["user_id/index"].numpy(),
                batch["movie_id/index"].numpy(),
                strict=True,
            )
            events.update(pairs)
        assert events == Counter(zip(domains.user, domains.item, strict=True))
        assert len(order) == len(batches)
        epochs.append(order)
    assert epochs[0] != epochs[1] and sorted(epochs[0]) == sorted(epochs[1])
    plain = [batch["user_id/index"].numpy() for batch in batches]
    assert any(
        not np.array_equal(one, other["user_id/index"])
        for one, other in zip(plain, batches, strict=True)
    )


@pytest.mark.usefixtures("graphs")
def test_a_user_new_to_a_domain_is_known_by_the_other(domains):
    """East and west have two kinds of film each, and a user's kind is one in both."""
    spec = domains.spec.select("user_id", "movie_id", "studio")
    first = spec.item_column.first
    users = np.repeat(np.arange(40), 14)
    films = np.tile(np.arange(1, 29, 2), 40) + (users % 2)  # kinds: odd and even films
    studio = np.where(np.arange(spec.item_column.size) - first < 15, 2, 3)
    events = dataclasses.replace(
        domains.with_spec(spec),
        columns={
            "user_id": (users + spec.user_column.first).astype(np.int32),
            "movie_id": (films + first).astype(np.int32),
            "timestamp": np.arange(len(users)),
        },
        items={"studio": studio.astype(np.int32)},
    )
    west = studio[events.item] == 3
    train = events.take(~(west & (users >= 30)))
    model = MultiViewDNN(spec, domain="studio", dim=8, layers=(8,), seed=1)
    model.compile()
    model.fit(train.batches(model, 32), epochs=20, verbose=0)
    asked = {"user_id": [f"u{number}" for number in range(30, 40)]}
    found = model.recommend(asked, 3, within=[["studio=west"]] * 10)
    numbers = spec.encode("movie_id", found.item_id.ravel()).reshape(10, 3) - first
    assert (numbers >= 15).all()
    kind = (numbers + 1) % 2 == np.arange(30, 40)[:, None] % 2
    assert kind.mean() > 0.9


@pytest.mark.parametrize("name", ["genre", "movie_id", "user_id"])
def test_a_domain_that_is_none_is_refused(domains, name):
    with pytest.raises(
        ValueError, match=f"domain='{name}' is no .*: choose one of stu"
    ):
        MultiViewDNN(domains.spec, domain=name)
