"""Deep Interest Network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import tensorflow as tf

from tfrec.layers.attention import ActivationUnit, weighted_sum
from tfrec.layers.mlp import mlp
from tfrec.models.families import Tensors
from tfrec.models.ranking._behaviour import BehaviourConfig, BehaviourModel, Embedded


class DIN(BehaviourModel):
    """An MLP on a history that is weighted by what the candidate has to do with it.

    Zhou et al. 2018, "Deep Interest Network for Click-Through Rate Prediction",
    equations 3, 6, 7 and 9::

        v_U(A) = sum_j a(e_j, v_A) e_j
        logit = MLP([v_U(A); v_A; all other columns])

    with the activation unit a of section 4.3 (no softmax), the activation Dice of
    section 5.3 and the mini-batch aware regularisation of section 5.2, in which a row
    of the embedding table is decayed once in a batch that has it, by
    ``l2 / how often the training data have it``. Every sequence of the item column
    has a unit of its own.

    Differs from the paper: the activation unit joins difference and product of the two
    vectors, as the authors' code does, where the paper draws an outer product.
    Occurrences count entries, and expected ones of drawn negatives; vectors of numbers
    are not regularised. An entry of a history has its item's ids and words, not its
    numbers. One logit and log loss stand for the softmax over two.

    Args:
        spec: The columns, among them a ``Sequence`` of the item column; all but images
            and recordings are read.
        **config: See ``Config``.

    Call: columns ``(batch, ...)`` to ``(batch,)`` float32 logits.

    Raises:
        ValueError: The spec declares no history.

    Example:
        >>> model = DIN(data.spec, dim=16)
        >>> model.compile()
        >>> model.fit(train.batches(model, 1024), epochs=3)
    """

    paper = "Zhou et al. 2018, Deep Interest Network for Click-Through Rate Prediction"
    objective = "log loss on clicks, or on events and drawn negatives"

    @dataclass(frozen=True)
    class Config(BehaviourConfig):
        """Hyper-parameters, beside those of every model of user behaviour.

        Attributes:
            attention_layers: Hidden widths of the activation unit.
            pooling: ``attention``; or ``sum``, the paper's BaseModel, in which every
                entry of a history has weight 1.
        """

        attention_layers: tuple[int, ...] = (36,)
        pooling: Literal["attention", "sum"] = "attention"

    def __init__(self, spec: Any, config: Any = None, **hyper_parameters: Any) -> None:
        super().__init__(spec, config, **hyper_parameters)
        config = self.config
        self.units = []
        if config.pooling == "attention":
            self.units = [
                ActivationUnit(config.attention_layers, self.seeds, config.activation)
                for _ in self.sequences
            ]
        self.mlp = mlp(
            (*config.layers, 1), self.seeds, activation=config.activation, last=None
        )

    def pair_scores(self, inputs: Tensors, training: bool | None = None) -> tf.Tensor:
        """The logit."""
        embedded = self.embed(inputs, training)
        weights = self._weights(embedded, training)
        interests = [
            weighted_sum(*pair)
            for pair in zip(weights, embedded.histories, strict=True)
        ]
        joined = tf.concat([embedded.fields, *interests], axis=1)
        return tf.cast(self.mlp(joined, training=training)[:, 0], tf.float32)

    def attention(self, features: Tensors, name: str | None = None) -> tf.Tensor:
        """How much each entry of a history matters to the candidate.

        Args:
            features: Raw or looked-up features of pairs.
            name: The sequence; the first of the item column when None.

        Returns:
            ``(batch, length)`` float32; exactly 0 for padding.

        Raises:
            ValueError: No such sequence.
        """
        place = self.sequence_place(name)
        weights = self._weights(self.embed(self.lookup(features)), False)
        return tf.cast(weights[place], tf.float32)

    def _weights(self, embedded: Embedded, training: bool | None) -> list[tf.Tensor]:
        """``(batch, length)`` weights of each history."""
        if not self.units:
            return [tf.cast(mask, embedded.candidate.dtype) for mask in embedded.masks]
        return [
            unit(history, embedded.candidate, mask, training=training)
            for unit, history, mask in zip(
                self.units, embedded.histories, embedded.masks, strict=True
            )
        ]
