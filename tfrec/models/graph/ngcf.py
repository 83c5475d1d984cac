"""Collaborative filtering with messages that depend on both ends of an edge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import tensorflow as tf

from tfrec.errors import ConfigError
from tfrec.layers.propagation import NeighbourInteraction
from tfrec.models.config import Config as BaseConfig
from tfrec.models.config import Tune
from tfrec.models.graph._propagated import _Propagated


class NGCF(_Propagated):
    """Messages of neighbours, transformed and multiplied with who receives them.

    Wang et al. 2019, "Neural Graph Collaborative Filtering", equations 7 to 12. With A
    the symmetrically normalised adjacency of users and items::

        E(l) = LeakyReLU((A + I) E(l-1) W1(l) + (A E(l-1) * E(l-1)) W2(l))
        e = [e(0), e(1), ..., e(L)]        score(u, i) = e_u . e_i
        loss = mean of -log sigmoid(score(u, i) - score(u, j)) + l2 / 2 |...|^2

    with * element by element and message dropout on every E(l) in training.

    Differs from the paper: as in the authors' code, what is joined of each layer is
    scaled to length 1 (``normalise``), and L2 is halved. It is on the rows of E(0) that
    a batch touches, W1 and W2 left out. No node dropout. An epoch visits every event
    once.

    Args:
        spec: The columns; user and item id are read.
        **config: See ``Config``.

    Call: ids ``(batch,)`` each to ``(batch,)`` float32 scores, from the propagation
    after the last epoch.

    Raises:
        ConfigError: A layer without units, or dropout outside 0 .. 1.

    Example:
        >>> model = NGCF(data.spec, dim=64, layers=(64, 64, 64))
        >>> model.compile()
        >>> model.fit(train.batches(model, 2048), epochs=100)
    """

    paper = "Wang et al. 2019, Neural Graph Collaborative Filtering"
    objective = "BPR on messages over a graph, layers joined"

    @dataclass(frozen=True)
    class Config(BaseConfig):
        """Hyper-parameters.

        Attributes:
            dim: Width of embeddings.
            layers: Units of each layer.
            message_dropout: Share of the entries of each layer that is dropped.
            normalise: Whether each layer's vectors have length 1 where they are joined.
            negatives: Negatives for each event.
            share_negatives: Whether they are drawn once for the events of a batch.
            l2: Weight of half the squared norm of touched rows.
            learning_rate: Of Adam.
        """

        dim: Annotated[int, Tune(16, 128, log=True)] = 64
        layers: tuple[int, ...] = (64, 64, 64)
        message_dropout: Annotated[float, Tune(0.0, 0.5)] = 0.1
        normalise: bool = True
        negatives: Annotated[int, Tune(1, 16, log=True)] = 1
        share_negatives: bool = False
        l2: Annotated[float, Tune(1e-6, 1e-2, log=True)] = 1e-5
        learning_rate: Annotated[float, Tune(1e-4, 1e-2, log=True)] = 1e-3

    def __init__(self, spec: Any, config: Any = None, **hyper_parameters: Any) -> None:
        super().__init__(spec, config, **hyper_parameters)
        config = self.config
        if min(config.layers, default=1) < 1:
            raise ConfigError(f"layers={config.layers} must be positive numbers.")
        if not 0 <= config.message_dropout < 1:
            raise ConfigError(
                f"message_dropout={config.message_dropout} must be 0 or more, and "
                "below 1."
            )
        self.interactions = [
            NeighbourInteraction(units, next(self.seeds), config.message_dropout)
            for units in config.layers
        ]
        width = config.dim
        for layer, units in zip(self.interactions, config.layers, strict=True):
            for dense in (layer.alone, layer.together):
                dense.build((None, width))
            width = units

    @property
    def width(self) -> int:
        """Those of all layers together."""
        return self.config.dim + sum(self.config.layers)

    def propagate(self, training: bool) -> tf.Tensor:
        """Equations 7 and 9."""
        values = tf.convert_to_tensor(self.nodes.embeddings)
        joined = [values]
        for layer in self.interactions:
            values = layer(self.adjacency, values, training=training)
            unit = tf.math.l2_normalize(values, axis=1)
            joined.append(unit if self.config.normalise else values)
        return tf.concat(joined, axis=1)
