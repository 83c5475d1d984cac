"""Options of a model reach what they are named after."""

import numpy as np
import pytest
import tensorflow as tf

from tfrec import keras
from tfrec.data.views import Pairs
from tfrec.data.windows import Windows
from tfrec.features import (
    Audio,
    Categorical,
    FeatureSpec,
    Image,
    Numeric,
    Sequence,
    Text,
)
from tfrec.layers.dropout import Dropout
from tfrec.models import registry
from tfrec.models.baselines.implicit_als import ImplicitALS
from tfrec.models.content.autoencoder_cnn_recommender import AutoencoderCNNRecommender
from tfrec.models.content.content_tower import ContentTower
from tfrec.models.content.hybrid_recommender import HybridRecommender
from tfrec.models.embeddings.content2vec import Content2Vec
from tfrec.models.factorization.factorization_machine import FactorizationMachine
from tfrec.models.ranking.deepfm import DeepFM
from tfrec.models.ranking.pnn import PNN
from tfrec.models.ranking.wide_and_deep import WideAndDeep
from tfrec.models.sequential.gru4rec import GRU4Rec

with_a_network = pytest.mark.parametrize("cls", [DeepFM, PNN, WideAndDeep])


def those_with(option: str) -> list[str]:
    entries = registry.entries()
    return [n for n in entries if option in registry.get(n).Config.hints()]


def test_the_learning_rate_is_that_of_the_optimizer(data):
    names = those_with("learning_rate")
    assert len(names) > 30
    for name in names:
        model = registry.get(name)(data.spec, learning_rate=0.0123)
        rate = float(model.default_optimizer().learning_rate)
        assert rate == pytest.approx(0.0123), name


def test_views_that_draw_negatives_draw_as_many_as_are_asked_for(data):
    found = 0
    for name in those_with("negatives"):
        view = registry.get(name)(data.spec, negatives=3).view()
        if hasattr(view, "negatives"):
            assert view.negatives == 3, name
            found += 1
    assert found > 12


def events(data) -> dict[str, tf.Tensor]:
    features, _ = next(iter(data.batches(Pairs(), 64, shuffle=False)))
    return features


@with_a_network
def test_hidden_units_are_dropped_in_training_alone(cls, data):
    features = events(data)
    model = cls(data.spec, layers=(8, 6), dropout=0.5)
    scores = model(features).numpy()
    np.testing.assert_array_equal(model(features), scores)
    assert np.mean(model(features, training=True).numpy() != scores) > 0.9
    dropped = [x for x in model.mlp.layers if isinstance(x, Dropout)]
    assert [layer.rate for layer in dropped] == [0.5, 0.5]
    model = cls(data.spec, layers=(8, 6))
    np.testing.assert_array_equal(model(features, training=True), model(features))


@with_a_network
def test_hidden_layers_are_normalised_by_the_batch(cls, data):
    features = events(data)
    model = cls(data.spec, layers=(8, 6), batch_norm=True)
    scores = model(features).numpy()
    assert np.abs(model(features, training=True).numpy() - scores).max() > 0.1
    kind = keras.layers.BatchNormalization
    normalised = [x for x in model.mlp.layers if isinstance(x, kind)]
    assert len(normalised) == 2
    for layer in normalised:
        assert np.any(layer.moving_mean.numpy())
    plain = cls(data.spec, layers=(8, 6)).mlp.layers
    assert not any(isinstance(layer, kind) for layer in plain)


def test_ftrl_of_the_wide_part_has_options_of_its_own(data):
    model = WideAndDeep(data.spec, layers=(8,), wide_learning_rate=0.3, l1=0.01)
    model.compile()
    assert float(model.wide_optimizer.learning_rate) == pytest.approx(0.3)
    assert model.wide_optimizer.l1_regularization_strength == pytest.approx(0.01)


@pytest.mark.parametrize("cls", [FactorizationMachine, DeepFM])
def test_similar_items_are_those_of_similar_factors(cls, data):
    """Weights of first order, which stand beside the factors, say nothing of that."""
    model = cls(data.spec, dim=3)
    model.adapt(data)
    model.ensure_built()
    (table,) = model.fields.tables.values()
    table.assign(np.random.default_rng(0).normal(size=table.shape))
    first = model.fields.offsets["movie_id"] + 2
    factors = table.numpy()[first : first + 30, 1:]
    unit = factors / np.linalg.norm(factors, axis=1, keepdims=True)
    found = model.item_similarity(tf.constant([2, 9]))
    np.testing.assert_allclose(found, unit[[0, 7]] @ unit.T, rtol=1e-4, atol=1e-6)


def test_sizes_of_encoders_are_those_of_the_options():
    columns = (
        Categorical("user_id", "user", vocabulary=("a", "b")),
        Categorical("item_id", "item", vocabulary=("x", "y", "z")),
        Text("plot", vocabulary=("heat",), max_len=4),
        Image("poster", height=8, width=8),
        Audio("preview", sample_rate=800, seconds=0.5),
    )
    sizes = {"image_filters": (5,), "text_windows": (2,), "text_filters": 3}
    more = {"audio_units": 6, "audio_bands": 7, "dropout": 0.25}
    tower = ContentTower(FeatureSpec(columns), **sizes, **more)
    rating = Numeric("stars", "context")
    ratings = FeatureSpec((*columns[:4], rating), label="stars")
    rated = AutoencoderCNNRecommender(ratings, **sizes)
    history = Sequence("history", of="item_id", max_len=3)
    pairs = Content2Vec(FeatureSpec((*columns[:4], history)), **sizes)
    for layer in (tower.item_features, rated.content, pairs.content):
        text, image = layer.encoders["plot"], layer.encoders["poster"]
        assert text.windows == (2,)
        assert [each.filters for each in text.convolutions] == [3]
        assert image.network.layers[0].filters == 5
    sound = tower.item_features.encoders["preview"]
    assert (sound.recurrent.cell.units, sound.bands) == (6, 7)
    assert tower.item_features.encoders["plot"].dropout.rate == 0.25


def test_the_gate_of_content_starts_half_open_at_its_number_of_events(data):
    model = HybridRecommender(data.spec.select("title"), dim=4, half=7.0)
    model.adapt(data.with_spec(model.spec))
    model.ensure_built()
    np.testing.assert_allclose(model.gate.gate([7.0]), 0.5, rtol=1e-5)


def test_gru4rec_has_the_momentum_that_is_asked_for(data):
    model = GRU4Rec(data.spec.select("history"), momentum=0.3)
    assert model.default_optimizer().momentum == pytest.approx(0.3)


def test_windows_and_negatives_of_content2vec(data, monkeypatch):
    spec = data.spec.select("history", "title")
    model = Content2Vec(spec, dim=4, window=3, alpha=0.4, text_windows=(2,))
    assert model.view() == Windows(3)
    data = data.with_spec(spec)
    model.adapt(data)
    model.compile()
    draw, asked = model.draw, []

    def noted(number: int, alpha: float):
        asked.append(alpha)
        return draw(number, alpha)

    monkeypatch.setattr(model, "draw", noted)
    model.batch_loss(next(iter(data.batches(model, 8))), None, True)
    assert asked == [0.4]


def test_factors_of_implicit_als_start_within_their_deviation(data):
    spec = data.spec.select()
    model = ImplicitALS(spec, dim=64, stddev=0.8)
    known = model.item_factors.numpy()[spec.item_column.first :]
    assert known.std() == pytest.approx(0.8 / 8, rel=0.05)
