"""Deep Interest Evolution Network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import tensorflow as tf

from tfrec.layers.attention import BilinearAttention
from tfrec.layers.mlp import mlp
from tfrec.layers.recurrent import AUGRU, InterestExtractor, auxiliary_loss
from tfrec.models.config import Tune
from tfrec.models.families import Tensors
from tfrec.models.ranking._behaviour import BehaviourConfig, BehaviourModel, Embedded


class DIEN(BehaviourModel):
    """How an interest evolved towards the candidate, by two GRUs over the history.

    Zhou et al. 2019, "Deep Interest Evolution Network for Click-Through Rate
    Prediction", equations 2-5, 10 and 13-16::

        h_1 ... h_T = GRU(e_1 ... e_T)
        a_t = softmax_t(h_t W e_a)
        h'_T = AUGRU(h_1 ... h_T; a_1 ... a_T)
        logit = MLP([h'_T; e_a; all other columns])
        L = L_target + aux_weight L_aux

    The auxiliary loss makes h_t tell the next entry of the history from one drawn
    uniformly among the other items; a step counts where it and the next entry are no
    padding. The draw depends on the seed and the number of the step. Every sequence of
    the item column has layers of its own.

    Differs from the paper: L_aux is the mean over steps and not their sum, and h_t is
    as wide as an entry, so that the inner product needs no further layer. The GRU has
    a second bias, as that of Keras. One logit and log loss stand for the softmax over
    two; the regularisation is that of DIN. An entry of a history has its item's ids
    and words, not its numbers.

    Args:
        spec: The columns, among them a ``Sequence`` of the item column; all but images
            and recordings are read.
        **config: See ``Config``.

    Call: columns ``(batch, ...)`` to ``(batch,)`` float32 logits.

    Raises:
        ValueError: The spec declares no history.

    Example:
        >>> model = DIEN(data.spec, dim=16)
        >>> model.compile()
        >>> model.fit(train.batches(model, 1024), epochs=3)
    """

    paper = "Zhou et al. 2019, Deep Interest Evolution Network"
    objective = "log loss on clicks, with the next item of the history beside it"

    @dataclass(frozen=True)
    class Config(BehaviourConfig):
        """Hyper-parameters, beside those of every model of user behaviour.

        Attributes:
            units: Width of the evolved interest; that of an entry when None.
            aux_weight: Weight of the auxiliary loss, the paper's alpha; 0 for none.
        """

        units: int | None = None
        aux_weight: Annotated[float, Tune(0.0, 2.0)] = 1.0

    def __init__(self, spec: Any, config: Any = None, **hyper_parameters: Any) -> None:
        super().__init__(spec, config, **hyper_parameters)
        config, width = self.config, self.width
        self.extractors, self.attentions, self.evolutions = [], [], []
        for _ in self.sequences:
            self.extractors.append(InterestExtractor(width, next(self.seeds)))
            self.attentions.append(BilinearAttention(width, next(self.seeds)))
            self.evolutions.append(AUGRU(config.units or width, next(self.seeds)))
        self.mlp = mlp(
            (*config.layers, 1), self.seeds, activation=config.activation, last=None
        )

    def pair_scores(self, inputs: Tensors, training: bool | None = None) -> tf.Tensor:
        """The logit; in training the auxiliary loss is added to the model's losses."""
        auxiliary = bool(training and self.config.aux_weight)
        drawn = self._negatives(inputs) if auxiliary else ()
        embedded = self.embed(inputs, training, drawn)
        states = self._states(embedded)
        if auxiliary:
            self.add_loss(self.config.aux_weight * self._auxiliary(embedded, states))
        interests = [
            evolution(sequence, weights)
            for evolution, sequence, weights in zip(
                self.evolutions, states, self._weights(embedded, states), strict=True
            )
        ]
        joined = tf.concat([embedded.fields, *interests], axis=1)
        return tf.cast(self.mlp(joined, training=training)[:, 0], tf.float32)

    def attention(self, features: Tensors, name: str | None = None) -> tf.Tensor:
        """Which steps of a history the evolution towards the candidate follows.

        Args:
            features: Raw or looked-up features of pairs.
            name: The sequence; the first of the item column when None.

        Returns:
            ``(batch, length)`` float32, of sum 1; exactly 0 for padding.

        Raises:
            ValueError: No such sequence.
        """
        place = self.sequence_place(name)
        embedded = self.embed(self.lookup(features))
        weights = self._weights(embedded, self._states(embedded))
        return tf.cast(weights[place], tf.float32)

    def _states(self, embedded: Embedded) -> list[tf.Tensor]:
        """``(batch, length, width)`` interests of each history."""
        return [
            extractor(history, mask)
            for extractor, history, mask in zip(
                self.extractors, embedded.histories, embedded.masks, strict=True
            )
        ]

    def _weights(self, embedded: Embedded, states: list[tf.Tensor]) -> list[tf.Tensor]:
        """``(batch, length)`` attention of each history."""
        return [
            attention(sequence, embedded.candidate, mask)
            for attention, sequence, mask in zip(
                self.attentions, states, embedded.masks, strict=True
            )
        ]

    def _negatives(self, inputs: Tensors) -> tuple[tf.Tensor, ...]:
        """For every next entry of each history an item that is another."""
        column = self.spec.item_column
        first = column.first if column.hash_bins is None else 1
        count = max(column.size - first, 1)
        optimizer = getattr(self, "optimizer", None)
        step = optimizer.iterations if optimizer is not None else 0
        drawn = []
        for number, name in enumerate(self.sequences):
            following = inputs[name][:, 1:]
            seed = [self.config.seed + number, tf.cast(step, tf.int32)]
            ahead = tf.random.stateless_uniform(
                tf.shape(following), seed, 1, max(count, 2), tf.int32
            )
            drawn.append(first + tf.math.floormod(following - first + ahead, count))
        return tuple(drawn)

    def _auxiliary(self, embedded: Embedded, states: list[tf.Tensor]) -> tf.Tensor:
        """Equation 10, added up over the histories."""
        losses = [
            auxiliary_loss(
                sequence[:, :-1], history[:, 1:], drawn, mask[:, :-1] & mask[:, 1:]
            )
            for sequence, history, drawn, mask in zip(
                states,
                embedded.histories,
                embedded.others,
                embedded.masks,
                strict=True,
            )
        ]
        return tf.add_n(losses)
