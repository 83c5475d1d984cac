"""Multi-layer perceptron with seeded weights."""

from __future__ import annotations

from collections.abc import Iterator

from tfrec import keras
from tfrec.layers.attention import activation_layer
from tfrec.layers.dropout import Dropout

LEARNED = ("dice", "prelu")


def mlp(
    units: tuple[int, ...],
    seeds: Iterator[int],
    activation: str | None = "relu",
    last: str | None = "relu",
    dropout: float = 0.0,
    name: str = "mlp",
    last_bias: bool = True,
    batch_norm: bool = False,
) -> keras.Sequential:
    """Dense layers in a row.

    Args:
        units: Width of each layer.
        seeds: Where the layers draw their seeds from.
        activation: Of all layers but the last; ``dice`` and ``prelu`` are learned.
        last: Activation of the last layer.
        dropout: Share of each hidden layer's units dropped in training.
        name: Layer name.
        last_bias: Whether the last layer has a bias.
        batch_norm: Whether hidden layers are normalised before their activation.

    Returns:
        A layer ``(batch, any) -> (batch, units[-1])``.
    """
    layers = []
    for place, width in enumerate(units):
        is_last = place == len(units) - 1
        initial = keras.initializers.GlorotUniform(seed=next(seeds))
        normalised = batch_norm and not is_last
        function = last if is_last else activation
        apart = function if normalised or function in LEARNED else None
        layers.append(
            keras.layers.Dense(
                width,
                None if apart else function,
                use_bias=(last_bias or not is_last) and not normalised,
                kernel_initializer=initial,
            )
        )
        if normalised:
            # An epoch of large batches is too short for Keras's momentum of 0.99.
            layers.append(keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5))
        if apart:
            layers.append(activation_layer(apart))
        if dropout and not is_last:
            layers.append(Dropout(dropout, next(seeds)))
    return keras.Sequential(layers, name=name)
