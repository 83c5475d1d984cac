"""Items by what they hold: the tower, its loss, what is new and what is missing.

Sounds are synthetic tones and pictures synthetic stripes of known classes: no licensed
recording or poster comes with the project.
"""

import dataclasses
import warnings
from functools import cache

import numpy as np
import pytest
import tensorflow as tf
from encoders import text_weights, texts
from media import ITEMS, TONES, media_data, picture, png, tone, wav
from towers import dense_weights, in_batch_loss, mean, tower, unit

from tfrec import keras, models, serving
from tfrec.data.views import Positives
from tfrec.evaluation import Evaluator, FullRanking
from tfrec.models.content.content_tower import ContentTower
from tfrec.serving import Request

SMALL = {
    "dim": 6,
    "image_filters": (4, 8),
    "text_windows": (2, 3),
    "text_filters": 5,
    "audio_units": 5,
    "audio_bands": 16,
}
pytestmark = pytest.mark.filterwarnings("ignore:column 'p:UserWarning")


@pytest.fixture(scope="module")
def events():
    return media_data()


def built(data, randomise=None, **config) -> ContentTower:
    model = ContentTower(data.spec, **{**SMALL, **config})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.adapt(data)
    model.ensure_built()
    if randomise:
        randomise(model)
    return model


@pytest.fixture(scope="module")
def model(events) -> ContentTower:
    return fitted(events, 4, learning_rate=0.01)


def fitted(data, epochs=1, **config) -> ContentTower:
    model = built(data, **config)
    model.compile(steps_per_execution=1)
    model.fit(data.batches(model, 60), epochs=epochs, verbose=0)
    return model


def title_encoder(model: ContentTower):
    """The encoder of the words of a title."""
    return model.item_features.encoders["title"]


def raw_item(data, index: int) -> dict[str, tf.Tensor]:
    """One item's raw columns, under an id that nobody knows."""
    spec, table = data.spec, data.items
    words = [spec["plot"].vocabulary[i - 2] for i in table["plot"][index] if i]
    return {
        "item_id": tf.constant(["new"]),
        "genres": tf.constant(spec.decode("genres", table["genres"][[index]]).tolist()),
        "plot": tf.constant([" ".join(words)]),
        "poster": tf.constant([table["poster"][index]]),
        "preview": tf.constant([table["preview"][index]]),
    }


def test_the_vector_is_a_layer_over_all_columns(events, randomise):
    model = built(events, randomise)
    items = tf.range(2, 2 + ITEMS)
    inputs = model.item_inputs(items)
    encoders = model.item_features.encoders
    bags = model.item_features.embeddings.tables["genres"].embeddings.numpy()
    genres = events.items["genres"][2:]
    held = (genres > 0)[..., None]
    parts = [
        (bags[genres] * held).sum(1) / held.sum(1),
        *(encoders[n](inputs[n]).numpy() for n in ("plot", "poster", "preview")),
    ]
    kernel = model.item_tower.layers[0].kernel.numpy()
    expected = np.concatenate(parts, axis=1) @ kernel
    found = model.catalogue_state()["item"]
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
    user = {
        "user_id/index": tf.constant([2]),
        "history/index": tf.zeros([1, 3], tf.int32),
    }
    scores = model.catalogue_scores(user, {"item": found})
    np.testing.assert_allclose(
        scores, model.query_embedding(user) @ expected.T, rtol=1e-3, atol=1e-3
    )


@pytest.mark.parametrize("similarity", ["dot", "cosine"])
def test_the_loss_is_that_of_two_towers(events, randomise, similarity):
    """A row's own item once only, minus log of the item's share of the events."""
    model = built(events, randomise, similarity=similarity, temperature=0.5)
    model.compile(run_eagerly=True)
    batch = next(iter(events.batches(model, 20, shuffle=False)))
    assert not {"poster", "preview"} & set(batch)
    item = batch["item_id/index"].numpy()
    assert len(set(item)) < 20
    u = model.query_embedding(batch).numpy()
    v = model.catalogue_state()["item"].numpy()[item - 2]
    logits = u @ v.T / 0.5 - np.log(events.item_counts[item] / len(events))
    expected = 0.0
    for row, own in enumerate(logits.diagonal()):
        others = logits[row][item != item[row]]
        expected -= own - np.log(np.exp(own) + np.exp(others).sum())
    loss = model.batch_loss(batch, None, True)
    assert float(loss) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(
    "config",
    [
        {"layers": (3,), "activation": "tanh"},
        {"similarity": "cosine", "temperature": 0.5},
    ],
    ids=["dot", "cosine"],
)
def test_loss_and_step(data, randomise, check_step, config):
    """Items by their genres and by the words of their title."""
    data = data.with_spec(data.spec.select("history", "genres", "title"))
    small = {"dim": 2, "text_filters": 2, "text_windows": (1, 2), **config}
    model = ContentTower(data.spec, **small)
    model.adapt(data)
    model.ensure_built()
    randomise(model)
    chosen = data.take(np.argsort(data.item[:60], kind="stable")[:10])
    batch = next(iter(chosen.batches(Positives(), 10, shuffle=False)))
    b = {name: values.numpy() for name, values in batch.items()}
    item = b["movie_id/index"]
    assert len(set(item)) < 10
    tables = {**model.query_features.tables, **model.item_features.embeddings.tables}
    weights = {
        **{name: table.embeddings for name, table in tables.items()},
        **dense_weights("u", model.query_tower),
        **dense_weights("v", model.item_tower),
        **text_weights(title_encoder(model)),
    }

    def loss(w: dict[str, np.ndarray]) -> float:
        user = w["user_id"][b["user_id/index"]], mean(w["movie_id"], b["history/index"])
        genres = mean(w["genres"], data.items["genres"][item])
        content = genres, texts(w, data.items["title"][item])
        u = tower(w, "u", np.concatenate(user, axis=1), np.tanh)
        v = tower(w, "v", np.concatenate(content, axis=1), np.tanh)
        if config.get("similarity") == "cosine":
            u, v = unit(u), unit(v)
        similarity = u @ v.T / config.get("temperature", 1.0)
        return in_batch_loss(similarity, item, data.item_counts / len(data), None)

    check_step(model, (batch,), weights, loss)


def test_a_step_drops_what_the_filters_over_words_give(data, randomise):
    """One filter: what it gives is either dropped or doubled, in training alone."""
    spec = data.spec.select("title")
    small = {"dim": 3, "text_filters": 1, "text_windows": (1,), "dropout": 0.5}
    model = ContentTower(spec, **small)
    model.adapt(data.with_spec(spec))
    model.compile(run_eagerly=True)
    randomise(model)
    title_encoder(model).convolutions[0].bias.assign([3.0])  # of no text it gives 0
    w = {n: v.numpy() for n, v in text_weights(title_encoder(model)).items()}
    (kernel,) = (layer.kernel.numpy() for layer in model.item_tower.layers)
    items = np.arange(2, 32, dtype=np.int32)
    whole = texts(w, data.items["title"][items]) @ kernel
    dropped = w["missing"] @ kernel
    assert np.abs(whole - dropped).max(axis=1).min() > 1e-3
    inputs = {"movie_id": tf.constant(items)}
    found = model.candidates(inputs, training=False)
    np.testing.assert_allclose(found, whole, rtol=1e-4, atol=1e-5)
    found = model.candidates(inputs, training=True).numpy()
    gone = np.isclose(found, dropped, atol=1e-5).all(axis=1)
    assert 5 < gone.sum() < 25
    doubled = (2 * whole - dropped)[~gone]
    np.testing.assert_allclose(found[~gone], doubled, rtol=1e-4, atol=1e-5)
    batch = next(iter(data.batches(Positives(), 20, shuffle=False)))
    modes = (False, False, True)
    still, again, trained = (float(model.batch_loss(batch, None, m)) for m in modes)
    assert still == again
    assert abs(trained - still) > 1e-3


def test_each_item_of_a_batch_is_encoded_once(model, monkeypatch):
    items = tf.constant([5, 7, 5, 5, 7, 9])
    rows = []
    encode = model.item_inputs
    monkeypatch.setattr(
        model, "item_inputs", lambda some: rows.append(len(some)) or encode(some)
    )
    found = model.candidates({"item_id": items}, training=True)
    assert rows == [3]
    every = model.catalogue_state()["item"].numpy()
    np.testing.assert_allclose(found, every[items.numpy() - 2], rtol=1e-4, atol=1e-6)


@pytest.mark.usefixtures("graphs")
def test_every_weight_learns(events):
    model = built(events, learning_rate=0.01)
    start = [v.numpy() for v in model.trainable_variables]
    model.compile(steps_per_execution=1)
    losses = model.fit(events.batches(model, 60), epochs=12, verbose=0).history["loss"]
    assert losses[-1] < 0.95 * losses[0]
    for variable, before in zip(model.trainable_variables, start, strict=True):
        assert np.abs(variable.numpy() - before).max() > 1e-5, variable.name


def test_an_id_says_nothing(events, randomise):
    model = built(events, randomise)
    every = model.catalogue_state()["item"].numpy()
    for index in (2, 3, 9):
        alone = model.item_embedding(raw_item(events, index))
        np.testing.assert_allclose(alone[0], every[index - 2], rtol=1e-3, atol=1e-4)


def test_missing_and_unreadable_are_counted_in_a_sentence(events):
    model = ContentTower(events.spec, **SMALL)
    with pytest.warns(UserWarning) as caught:
        model.adapt(events)
    said = sorted(str(w.message) for w in caught if "column" in str(w.message))
    assert said == [
        "column 'poster': of 20 items 1 have none and 1 cannot be read (i1); they take "
        "the learned vector of no image.",
        "column 'preview': of 20 items 1 have none and 1 cannot be read (i1); they "
        "take the learned vector of no audio.",
    ]
    pixels = model.catalogue.at(tf.constant([2, 3, 4]))["poster"].numpy()
    assert not pixels[:2].any() and pixels[2].any()


@cache
def by_kind(column: str) -> ContentTower:
    """What tells the kinds apart by pictures or by sounds alone."""
    data = media_data("user_id", "item_id", column)
    return fitted(
        data, epochs=80, learning_rate=0.02, similarity="cosine", temperature=0.2
    )


@pytest.mark.usefixtures("graphs")
def test_untouched_items_of_the_right_kind_come_first():
    """Users of either kind, by picture alone and by sound alone."""
    for column in ("poster", "preview"):
        model = by_kind(column)
        cold = [f"i{n}" for n in range(ITEMS - 6, ITEMS)]
        found = model.recommend(
            {"user_id": ["u0", "u1", "u4", "u7"]}, k=3, candidates=[cold] * 4
        )
        kinds = np.array([[int(i[1:]) % 2 for i in row] for row in found.item_id])
        assert (kinds == np.array([0, 1, 0, 1])[:, None]).mean() > 0.9, column


@pytest.mark.usefixtures("graphs")
def test_tones_are_told_apart():
    """Of new tones of both pitches, the vectors are nearer to their own."""
    model, rng = by_kind("preview"), np.random.default_rng(9)
    pitch = np.arange(20) % 2
    sounds = [wav(tone(TONES[kind] * rng.uniform(0.97, 1.03), rng)) for kind in pitch]
    features = {"item_id": tf.fill([20], "new"), "preview": tf.constant(sounds)}
    vectors = model.item_embedding(features).numpy()
    own = model.spec.encode("item_id", [f"i{n}" for n in range(2, 14)]) - 2
    known = model.catalogue_state()["item"].numpy()[own]
    means = np.stack([known[own % 2 == kind].mean(0) for kind in (0, 1)])
    assert (np.argmax(vectors @ means.T, axis=1) == pitch).mean() >= 0.95


def test_a_file_holds_vectors_and_no_picture(model, events, tmp_path):
    query = {"user_id": ["u3", "u8"]}
    expected = model.recommend(query, k=5)
    model.save(tmp_path / "model.keras")
    exported = model.export(tmp_path / "export")
    pixels = model.catalogue.media["poster"].numpy()
    files = [tmp_path / "model.keras", *filter(bytes_of, exported.rglob("*"))]
    assert len(files) > 5
    for file in files:
        text = file.read_bytes()
        for index in (4, 8):
            poster = events.items["poster"][index]
            assert poster[40:80] not in text, file
            assert pixels[index].tobytes()[:60] not in text, file
    loaded = models.load(tmp_path / "model.keras")
    again = loaded.recommend(query, k=5)
    np.testing.assert_array_equal(again.item_id, expected.item_id)
    np.testing.assert_allclose(again.score, expected.score, rtol=1e-5)
    near = loaded.similar_items(["i4"], k=3).item_id
    np.testing.assert_array_equal(near, model.similar_items(["i4"], k=3).item_id)


def bytes_of(path) -> int:
    return path.stat().st_size if path.is_file() else 0


def test_a_loaded_model_asks_for_its_pictures_and_trains_on(model, events, tmp_path):
    model.save(tmp_path / "model.keras")
    loaded = models.load(tmp_path / "model.keras")
    batch = next(iter(events.batches(model, 20)))
    loaded.run_eagerly = True
    with pytest.raises(ValueError, match="'poster' of items, which no model file"):
        loaded.batch_loss(batch, None, True)
    batches = events.batches(loaded, 60)  # meets the data again
    assert np.isfinite(loaded.fit(batches, verbose=0).history["loss"]).all()
    kept = loaded.recommend({"user_id": ["u3"]}, k=5)
    loaded.save(tmp_path / "again.keras")
    again = models.load(tmp_path / "again.keras").recommend({"user_id": ["u3"]}, k=5)
    np.testing.assert_array_equal(again.item_id, kept.item_id)


def test_an_export_takes_bytes_of_new_items_whatever_they_are(model, tmp_path):
    model.export(tmp_path / "export")
    rng = np.random.default_rng(1)
    good, sound = png(picture(0, rng)), wav(tone(300.0, rng))
    posters = [good, b"", b"no image", good[:50], sound]
    previews = [sound, b"", b"RIFF", sound[:99], good]
    rows = {
        "item_id": ["new"] * 5,
        "genres": [["x"]] * 5,
        "plot": ["a b"] * 5,
        "poster": posters,
        "preview": previews,
    }
    loaded = tf.saved_model.load(str(tmp_path / "export" / "1"))
    signature = loaded.signatures["item_embedding"]
    found = signature(**{n: tf.constant(v) for n, v in rows.items()})["embedding"]
    here = model.item_embedding({n: tf.constant(v) for n, v in rows.items()})
    np.testing.assert_allclose(found, here, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found[2:], [found[1]] * 3, rtol=1e-5)
    assert np.abs(found[0] - found[1]).max() > 1e-4
    queries = {"user_id": ["u3"], "history": [["i1"]], "k": 4}
    expected = model.recommend({"user_id": ["u3"], "history": [["i1"]]}, k=4)
    (answer,) = serving.answers([Request(tmp_path / "export", queries)])
    assert set(answer["item_id"][0]) & set(expected.item_id[0])


def test_unseen_users_have_vectors_from_their_history(model):
    found = model.recommend({"user_id": ["nobody"], "history": [["i4", "i6"]]}, k=5)
    assert not found.cold.any()
    other = model.recommend({"user_id": ["nobody"], "history": [["i5"]]}, k=5)
    assert np.abs(found.score - other.score).max() > 0


def test_pairs_that_name_an_item_know_its_picture(model, events):
    pairs = {
        "user_id/index": tf.constant([3, 4]),
        "history/index": tf.zeros([2, 3], tf.int32),
        "item_id/index": tf.constant([6, 21]),
        "genres/index": events.items["genres"][[6, 21]],
        "plot/index": events.items["plot"][[6, 21]],
    }
    ranked = model.catalogue_scores(
        {n: pairs[n] for n in ("user_id/index", "history/index")},
        model.catalogue_state(),
    )
    expected = [ranked[0, 4], ranked[1, 19]]
    np.testing.assert_allclose(model(pairs), expected, rtol=1e-4, atol=1e-5)


def test_it_ranks_among_items_that_training_never_held(model, events):
    cold = np.arange(16, 22)
    train = events
    rows = np.arange(4)
    item = (16 + np.arange(4)).astype(np.int32)
    test = events.take(rows, past=train, train=train)
    test = dataclasses.replace(test, columns={**test.columns, "item_id": item})
    result = Evaluator(test, FullRanking(k=6, among=tuple(cold))).evaluate(model)
    assert result["recall@6"] == 1
    assert result["coverage@6"] == 1  # of the six that are ranked


def test_a_text_of_any_length(model, events):
    """No word, one, none that is known, a million."""
    texts = ["", "a", "zebra quagga", "a b c " * 333_334, "  ...  "]
    rows = raw_item(events, 4)
    many = {n: tf.repeat(v, len(texts), axis=0) for n, v in rows.items()}
    found = model.item_embedding({**many, "plot": tf.constant(texts)}).numpy()
    short = model.item_embedding({**many, "plot": tf.constant(["a b c a b"] * 5)})
    np.testing.assert_allclose(found[3], short[0], rtol=1e-5)
    np.testing.assert_allclose(found[0], found[4], rtol=1e-6)
    assert len({tuple(row) for row in found[:4].round(6)}) == 4


def test_over_a_catalogue_with_items_that_came_since(model, events):
    """Three new items first and the old ones backwards: nobody's score changes."""
    old = events.spec.item_column
    ids = ("n0", "n1", "n2", *old.vocabulary[::-1])
    column = dataclasses.replace(old, vocabulary=ids)
    rows = np.array([0, 1, 6, 7, 8, *range(old.size - 1, old.first - 1, -1)])
    place = np.zeros(old.size, np.int32)
    place[rows[5:]] = np.arange(5, len(rows))
    grown = dataclasses.replace(
        events,
        spec=events.spec.replace(column),
        columns={**events.columns, "item_id": place[events.item]},
        items={name: table[rows] for name, table in events.items.items()},
    )
    later = model.over(grown)
    everybody = {"user_id": list(events.spec.user_column.vocabulary)}
    scores = {}
    for name, one in (("before", model), ("after", later)):
        found = one.recommend(everybody, k=20, drop_seen=False)
        scores[name] = [
            dict(zip(items, values, strict=True))
            for items, values in zip(found.item_id, found.score, strict=True)
        ]
    for before, after in zip(scores["before"], scores["after"], strict=True):
        for item in before.keys() & after.keys():
            assert after[item] == pytest.approx(before[item], rel=1e-3, abs=1e-4)
    vectors = later.catalogue_state()["item"].numpy()
    expected = model.catalogue_state()["item"].numpy()[4:7]
    np.testing.assert_allclose(vectors[:3], expected, rtol=1e-3, atol=1e-4)
    assert {"n0", "n1", "n2"} & {i for row in scores["after"] for i in row}
    with pytest.raises(ValueError, match="differs from the model's in more than"):
        model.over(grown.with_spec(grown.spec.select("history", "poster")))


def test_half_precision(events):
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        mixed = fitted(events)
        vectors = mixed.catalogue_state()["item"]
    finally:
        keras.mixed_precision.set_global_policy("float32")
    assert np.isfinite(vectors).all()
    assert {v.dtype for v in mixed.trainable_variables} == {tf.float32}


def test_without_content_it_refuses(data):
    with pytest.raises(ValueError, match="the spec has no item column beside the id"):
        ContentTower(data.spec.select("history"))
