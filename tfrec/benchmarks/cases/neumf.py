"""NeuMF through the library against the same network in plain Keras."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from tfrec import keras
from tfrec.benchmarks.synthetic import events
from tfrec.benchmarks.timing import Row, busy_ratio, in_turns, row
from tfrec.data.interactions import Interactions
from tfrec.models.ranking.neumf import NeuMF

DIM, LAYERS, NEGATIVES = 8, (64, 32, 16, 8), 4
BUFFER = 65_536  # of the baseline's shuffle, as many as the library shuffles at a time


def plain_network(users: int, items: int) -> keras.Model:
    """NeuMF-8 with Keras's functional interface, compiled as a tutorial would."""
    layers = keras.layers
    user = layers.Input((), dtype=tf.int32)
    item = layers.Input((), dtype=tf.int32)

    def embedded(ids: tf.Tensor, size: int, width: int) -> tf.Tensor:
        normal = keras.initializers.RandomNormal(0.0, 0.01)
        return layers.Embedding(size, width, embeddings_initializer=normal)(ids)

    half = LAYERS[0] // 2
    gmf = layers.multiply([embedded(user, users, DIM), embedded(item, items, DIM)])
    hidden = layers.concatenate(
        [embedded(user, users, half), embedded(item, items, half)]
    )
    for width in LAYERS[1:]:
        hidden = layers.Dense(width, "relu")(hidden)
    logit = layers.Dense(1)(layers.concatenate([gmf, hidden]))
    model = keras.Model([user, item], layers.Flatten()(logit))
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-3), loss)
    return model


def drawn(data: Interactions, model: NeuMF, examples: int, seed: int) -> tuple:
    """``((users, items), targets)`` of the first examples of the model's own view."""
    batches = data.batches(model, min(examples, BUFFER), seed=seed)
    users, items, targets = [], [], []
    for features, target in batches.take(-(-examples // BUFFER)):
        users.append(features["user_id/index"])
        items.append(features["item_id/index"])
        targets.append(target)
    parts = (np.concatenate(part)[:examples] for part in (users, items, targets))
    user, item, target = parts
    return (user, item), target


def measure(
    batch_size: int,
    steps: int,
    rounds: int,
    seed: int,
    users: int = 6_040,
    items: int = 3_706,
    positives: int = 1_000_000,
    at_least: float | None = None,
) -> list[Row]:
    """Examples/s of ``fit``.

    The library draws its negatives while it trains; the baseline reads examples that
    were drawn before, in a pipeline of slices, shuffle and batch, with Keras's Adam and
    one step a call.

    Args:
        batch_size: Examples in a step.
        steps: Steps in a round.
        rounds: Timed rounds.
        seed: Seed of data and weights.
        users: Number of users.
        items: Number of items.
        positives: Number of events.
        at_least: Target of the ratio.
    """
    data = events(users, items, positives, seed)
    model = NeuMF(data.spec, dim=DIM, layers=LAYERS, negatives=NEGATIVES, seed=seed)
    model.compile()
    examples = batch_size * steps
    batches = data.batches(model, batch_size, seed=seed).take(steps)

    keras.utils.set_random_seed(seed)
    plain = plain_network(data.spec.user_column.size, data.spec.item_column.size)
    slices = tf.data.Dataset.from_tensor_slices(drawn(data, model, examples, seed))
    shuffled = slices.shuffle(BUFFER, seed=seed).batch(batch_size)

    ours, baseline = in_turns(
        lambda: model.fit(batches, verbose=0).history["loss"][0],
        lambda: plain.fit(shuffled, verbose=0).history["loss"][0],
        rounds,
    )
    return [
        row(
            f"neumf_{batch_size}",
            examples / ours.median,
            examples / baseline.median,
            "examples/s",
            f"NeuMF-8, batch {batch_size}, {users:,} users x {items:,} items; "
            "baseline: plain Keras, Adam, one step a call, slices-shuffle-batch",
            at_least=at_least,
            losses=[ours.results[-1], baseline.results[-1]],
            busy_ratio=busy_ratio(ours, baseline),
        )
    ]
