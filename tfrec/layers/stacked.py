"""Recurrent cells on top of each other, for single steps and for whole sequences."""

from __future__ import annotations

import math
from typing import Any, Literal

import tensorflow as tf

from tfrec import keras
from tfrec.layers.dropout import Dropout

CELLS: dict[str, Any] = {
    "gru": lambda units, **options: keras.layers.GRUCell(
        units, reset_after=False, **options
    ),
    "lstm": lambda units, **options: keras.layers.LSTMCell(
        units, unit_forget_bias=False, **options
    ),
}


class StackedCells(keras.layers.Layer):
    """GRU or LSTM cells, each reading what the one below has made of the input.

    A step of a GRU (Cho et al. 2014)::

        r = sigmoid(W_r x + U_r h + b_r),  z = sigmoid(W_z x + U_z h + b_z)
        h' = z h + (1 - z) tanh(W x + U (r h) + b)

    Dropout falls on what a layer gives to the next and keeps for the next step alike,
    as in the code of the authors of GRU4Rec.

    Args:
        inputs: Width of the input.
        units: Width of each layer, the lowest first.
        cell: ``gru`` or ``lstm``.
        dropout: Share of the values of every layer's output that training drops.
        seed: Seed of the weights and of the dropout.

    Call: input ``(batch, inputs)`` and states, a list of ``(batch, width)`` by
    ``state_size``, to the output of the last layer ``(batch, units)`` and the states
    after the step. ``keras.layers.RNN`` runs it over sequences.
    """

    def __init__(
        self,
        inputs: int,
        units: tuple[int, ...],
        cell: Literal["gru", "lstm"] = "gru",
        dropout: float = 0.0,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.cells = []
        for number, (below, width) in enumerate(
            zip((inputs, *units), units, strict=False)
        ):
            options = {
                "kernel_initializer": _uniform(below, width, seed + 2 * number),
                "recurrent_initializer": _uniform(width, width, seed + 2 * number + 1),
            }
            self.cells.append(CELLS[cell](width, **options))
        self.each = 2 if cell == "lstm" else 1
        self.state_size = [width for width in units for _ in range(self.each)]
        self.output_size = units[-1]
        self.dropout = Dropout(dropout, seed)

    def call(
        self, inputs: tf.Tensor, states: list[tf.Tensor], training: bool | None = None
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """One step."""
        after: list[tf.Tensor] = []
        for number, cell in enumerate(self.cells):
            own = states[number * self.each : (number + 1) * self.each]
            output, new = cell(inputs, list(own))
            inputs = self.dropout(output, training=training)
            after += [inputs, *tf.nest.flatten(new)[1:]]
        return inputs, after

    def output_of(self, states: list[tf.Tensor]) -> tf.Tensor:
        """The output of the step that left these states."""
        return states[-self.each]


def _uniform(inputs: int, units: int, seed: int) -> keras.initializers.Initializer:
    """Glorot's bound of each gate by itself."""
    bound = math.sqrt(6 / (inputs + units))
    return keras.initializers.RandomUniform(-bound, bound, seed=seed)


class LaneStates:
    """States that are carried from one batch to the next.

    A plain object on purpose: Keras would take the variables of a model for weights,
    save them, and refuse batches of another size. A distribution strategy keeps the
    states of every replica's own lanes.

    Args:
        sizes: Widths of the states.
    """

    def __init__(self, sizes: list[int]) -> None:
        self.sizes = sizes
        self.variables = [
            tf.Variable(
                tf.zeros([0, size]),
                trainable=False,
                # With only the lanes left open, the graph optimizer takes those of the
                # last step for those of every step.
                shape=tf.TensorShape(None),
                synchronization=tf.VariableSynchronization.ON_READ,
                aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
            )
            for size in sizes
        ]

    def take(self, fresh: tf.Tensor) -> list[tf.Tensor]:
        """States ``(lanes, width)``, 0 in lanes that start anew.

        Args:
            fresh: ``(lanes,)`` bool. With another number of lanes than last time there
                is nothing to carry over, and all states are 0.
        """
        lanes, states = tf.shape(fresh)[0], []
        for variable, size in zip(self.variables, self.sizes, strict=True):
            value = tf.reshape(variable.read_value(), [-1, size])
            rows = tf.shape(value)[0]
            value = tf.pad(value, [[0, tf.maximum(lanes - rows, 0)], [0, 0]])[:lanes]
            blank = fresh | (rows != lanes)
            states.append(tf.where(blank[:, None], 0.0, value))
        return states

    def put(self, states: list[tf.Tensor]) -> None:
        """Keeps the states ``(lanes, width)`` for the next batch."""
        for variable, state in zip(self.variables, states, strict=True):
            variable.assign(tf.cast(state, tf.float32))
