"""Collaborative filtering by spreading embeddings, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import tensorflow as tf

from tfrec.errors import ConfigError
from tfrec.layers.propagation import layer_mean
from tfrec.models.config import Config as BaseConfig
from tfrec.models.config import Tune
from tfrec.models.graph._propagated import _Propagated


class LightGCN(_Propagated):
    """Users and items averaged with their neighbours, trained by BPR.

    He et al. 2020, "LightGCN: Simplifying and Powering Graph Convolution Network for
    Recommendation", equations 4, 8, 10 and 15. With A the symmetrically normalised
    adjacency of users and items and K layers::

        E(k + 1) = A E(k)        E = (E(0) + E(1) + ... + E(K)) / (K + 1)
        score(u, i) = e_u . e_i
        loss = mean of -log sigmoid(score(u, i) - score(u, j))
               + l2 / 2 (|e0_u|^2 + |e0_i|^2 + |e0_j|^2)

    E(0) is all there is to learn. L2 is on the rows of E(0) that a batch touches, half
    of it as in the authors' code. A user and an item that nobody joins keep their
    embedding, divided by K + 1; users without an event are answered by popularity.

    Differs from the paper: an epoch visits every event once, where the authors draw as
    many pairs of a uniformly drawn user and one of the user's items. With more than
    one of ``negatives`` the loss is their mean; with ``share_negatives`` the events of
    a batch share them, some of which a user may have taken.

    Args:
        spec: The columns; user and item id are read.
        **config: See ``Config``.

    Call: ids ``(batch,)`` each to ``(batch,)`` float32 scores, from the propagation
    after the last epoch.

    Raises:
        ConfigError: Fewer than 0 layers.

    Example:
        >>> model = LightGCN(data.spec, dim=64, layers=3)
        >>> model.compile()
        >>> model.fit(train.batches(model, 2048), epochs=100)
    """

    paper = "He et al. 2020, LightGCN"
    objective = "BPR on embeddings averaged over a graph"

    @dataclass(frozen=True)
    class Config(BaseConfig):
        """Hyper-parameters.

        Attributes:
            dim: Width of embeddings.
            layers: Products with the adjacency, K.
            negatives: Negatives for each event.
            share_negatives: Whether they are drawn once for the events of a batch.
            l2: Weight of half the squared norm of touched rows.
            learning_rate: Of Adam.
        """

        dim: Annotated[int, Tune(16, 128, log=True)] = 64
        layers: Annotated[int, Tune(1, 4)] = 3
        negatives: Annotated[int, Tune(1, 16, log=True)] = 1
        share_negatives: bool = False
        l2: Annotated[float, Tune(1e-6, 1e-2, log=True)] = 1e-4
        learning_rate: Annotated[float, Tune(1e-4, 1e-2, log=True)] = 1e-3

    def __init__(self, spec: Any, config: Any = None, **hyper_parameters: Any) -> None:
        super().__init__(spec, config, **hyper_parameters)
        if self.config.layers < 0:
            raise ConfigError(f"layers={self.config.layers} must be 0 or more.")

    @property
    def width(self) -> int:
        """That of the embeddings."""
        return self.config.dim

    def propagate(self, training: bool) -> tf.Tensor:
        """Equation 8."""
        start = tf.convert_to_tensor(self.nodes.embeddings)
        return layer_mean(self.adjacency, start, self.config.layers)
