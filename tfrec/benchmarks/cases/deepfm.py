"""A factorisation machine with an MLP over large tables: the optimizer's worst case."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from tfrec import keras, optimizers
from tfrec.benchmarks.synthetic import clicks
from tfrec.benchmarks.timing import Row, busy_ratio, in_turns, row
from tfrec.data.interactions import Interactions
from tfrec.data.views import Pairs

WIDTH, LAYERS = 16, (400, 400, 400)
BUFFER = 16_384


class Network(keras.Model):
    """Guo et al. 2017, "DeepFM", equation 1: linear, pairwise and deep part.

    Args:
        names: Id columns.
        rows: Rows of the table of each.
        seed: Seed of the weights.
    """

    def __init__(self, names: tuple[str, ...], rows: int, seed: int) -> None:
        super().__init__()
        self.names = names

        def table(width: int, place: int) -> keras.layers.Embedding:
            initial = keras.initializers.RandomUniform(-0.05, 0.05, seed=seed + place)
            return keras.layers.Embedding(rows, width, embeddings_initializer=initial)

        self.tables = [table(WIDTH, place) for place in range(len(names))]
        self.weights_of_ids = [table(1, 100 + place) for place in range(len(names))]
        self.deep = [
            keras.layers.Dense(
                width, act, kernel_initializer=keras.initializers.GlorotUniform(seed)
            )
            for width, act in (*((width, "relu") for width in LAYERS), (1, None))
        ]

    def call(self, features: dict[str, tf.Tensor] | tf.Tensor) -> tf.Tensor:
        """``{name/index: (batch,)}`` or ``(batch, fields)`` ids to ``(batch,)``."""
        if isinstance(features, dict):
            ids = [features[f"{name}/index"] for name in self.names]
        else:
            ids = tf.unstack(features, len(self.names), axis=1)
        linear = tf.concat(
            [t(i) for t, i in zip(self.weights_of_ids, ids, strict=True)], 1
        )
        vectors = tf.stack([t(i) for t, i in zip(self.tables, ids, strict=True)], 1)
        total = tf.reduce_sum(vectors, axis=1)
        pairwise = tf.square(total) - tf.reduce_sum(tf.square(vectors), axis=1)
        deep = tf.reshape(vectors, [-1, len(self.names) * WIDTH])
        for layer in self.deep:
            deep = layer(deep)
        shallow = tf.reduce_sum(linear, 1) + 0.5 * tf.reduce_sum(pairwise, 1)
        return shallow + deep[:, 0]


def network(data: Interactions, seed: int, optimizer: Any, **kwargs: Any) -> Network:
    """The network over the columns of some clicks, compiled."""
    names = tuple(column.name for column in data.spec.columns)
    model = Network(names, data.spec.user_column.size, seed)
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    model.compile(optimizer, loss, **kwargs)
    return model


def measure(
    batch_size: int,
    steps: int,
    rounds: int,
    seed: int,
    ids: int = 1_700_000,
    fields: int = 10,
    at_least: float | None = None,
) -> list[Row]:
    """Examples/s of ``fit``: against plain Keras, and with only the optimizer changed.

    Args:
        batch_size: Examples in a step.
        steps: Steps in a round.
        rounds: Timed rounds.
        seed: Seed of data and weights.
        ids: Ids of all fields together.
        fields: Id columns.
        at_least: Target of the first ratio.
    """
    examples = batch_size * steps
    data = clicks(fields, ids, examples, seed)
    batches = data.batches(Pairs(), batch_size, seed=seed)
    again = data.batches(Pairs(), batch_size, seed=seed)
    matrix = np.stack([data.columns[c.name] for c in data.spec.columns], axis=1)
    slices = tf.data.Dataset.from_tensor_slices((matrix, data.label))
    shuffled = slices.shuffle(BUFFER, seed=seed).batch(batch_size)
    shape = (
        f"DeepFM-shaped, {ids:,} ids in {fields} fields, width {WIDTH}, MLP "
        f"{'-'.join(map(str, LAYERS))}, batch {batch_size}"
    )

    def train(model: Network, dataset: tf.data.Dataset) -> Any:
        return lambda: model.fit(dataset, verbose=0).history["loss"][0]

    lazy = network(data, seed, optimizers.Adam(), steps_per_execution=min(steps, 32))
    plain = network(data, seed, keras.optimizers.Adam())
    ours, baseline = in_turns(train(lazy, batches), train(plain, shuffled), rounds)
    against_plain = row(
        f"deepfm_{ids / 1e6:g}m",
        examples / ours.median,
        examples / baseline.median,
        "examples/s",
        f"{shape}; baseline: plain Keras, Adam, one step a call, slices-shuffle-batch",
        at_least=at_least,
        losses=[ours.results[-1], baseline.results[-1]],
        busy_ratio=busy_ratio(ours, baseline),
    )
    del lazy, plain

    lazy = network(data, seed, optimizers.Adam())
    plain = network(data, seed, keras.optimizers.Adam())
    ours, baseline = in_turns(train(lazy, batches), train(plain, again), rounds)
    optimizer_alone = row(
        f"deepfm_{ids / 1e6:g}m_optimizer",
        examples / ours.median,
        examples / baseline.median,
        "examples/s",
        f"{shape}; same pipeline, one step a call, only the Adam differs",
        losses=[ours.results[-1], baseline.results[-1]],
        busy_ratio=busy_ratio(ours, baseline),
    )
    return [against_plain, optimizer_alone]
