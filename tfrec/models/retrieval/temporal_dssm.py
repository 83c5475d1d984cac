"""Two towers, and LSTMs over what a user did last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import tensorflow as tf

from tfrec import keras
from tfrec.errors import ConfigError
from tfrec.layers.rates import RateLSTM
from tfrec.models.config import Tune
from tfrec.models.families import Tensors
from tfrec.models.retrieval.two_tower import TwoTower


class TemporalDSSM(TwoTower):
    """Static towers of users and items, and LSTMs at one rate or several (TDSSM).

    Song, Elkahky and He 2016, "Multi-Rate Deep Learning for Temporal Recommendation",
    sections 3.2 and 3.3::

        u = W [f_user(x); LSTM_1(history); ...; LSTM_R(history)] + b
        s(x, y) = cos(u, f_item(y))

    learned by the in-batch softmax of :class:`TwoTower`. With one rate it is TDSSM,
    with several MR-TDSSM: a step of the LSTM of rate r is the mean of r events, so that
    the fast one follows the moment and the slow one reaches far back. The rates share
    the width ``dim`` between them.

    Differs from the paper: a rate is counted in events and not in days, as the history
    of a request has no times. Negatives are the other items of the batch, with the
    correction of Yi et al. 2019. An event of the history is the embedding of its item,
    shared with the tower of items, where the paper has features of its own.

    Args:
        spec: The columns, among them a ``Sequence`` of the item column.
        **config: See ``Config``.

    Call: history ``(batch, length)``, other columns, item ids ``(batch,)`` to
    ``(batch,)`` float32 scores.

    Raises:
        ConfigError: The spec declares no history, or ``rates`` are not positive or more
            than ``dim``.

    Example:
        >>> model = TemporalDSSM(data.spec, rates=(1, 7))
        >>> model.compile()
        >>> model.fit(train.batches(model, 1024), epochs=10)
    """

    paper = "Song et al. 2016, Multi-Rate Deep Learning for Temporal Recommendation"
    objective = "in-batch softmax, users by a static tower and LSTMs"

    @dataclass(frozen=True)
    class Config(TwoTower.Config):
        """Hyper-parameters, beside those of :class:`TwoTower`.

        Attributes:
            rates: Events in a step of each LSTM.
        """

        dim: Annotated[int, Tune(8, 128, log=True)] = 32
        similarity: Literal["dot", "cosine"] = "cosine"
        temperature: Annotated[float, Tune(0.05, 1.0, log=True)] = 0.1
        rates: tuple[int, ...] = (1, 2)

    def __init__(self, spec: Any, config: Any = None, **hyper_parameters: Any) -> None:
        super().__init__(spec, config, **hyper_parameters)
        config = self.config
        if not config.rates or min(config.rates) < 1 or len(config.rates) > config.dim:
            raise ConfigError(
                f"rates={config.rates} must be one or more positive numbers of events, "
                f"at most dim={config.dim} of them."
            )
        if self.spec.history is None:
            raise ConfigError(
                "TemporalDSSM needs the user's history: declare Sequence('history', "
                f"of='{self.spec.item}') in the spec."
            )
        units = config.dim // len(config.rates)
        self.scans = [RateLSTM(units, rate, self.seeds) for rate in config.rates]
        initial = keras.initializers.GlorotUniform(seed=next(self.seeds))
        self.join = keras.layers.Dense(config.dim, kernel_initializer=initial)

    @property
    def static_columns(self) -> tuple[str, ...]:
        """Query columns but the histories of items."""
        of = {name: getattr(self.spec[name], "of", None) for name in self.query_columns}
        return tuple(name for name in of if of[name] != self.spec.item)

    def query(self, inputs: Tensors) -> tf.Tensor:
        """``u``: ``(batch, dim)``."""
        history = inputs[self.spec.history.name]  # type: ignore[union-attr]
        vectors = self.item_features.tables[self.spec.item](history)
        static = self.query_features(inputs)
        joined = tf.concat([static[n] for n in self.static_columns], axis=1)
        states = [scan(vectors, history) for scan in self.scans]
        output = self.join(tf.concat([self.query_tower(joined), *states], axis=1))
        if self.config.similarity == "cosine":
            output = tf.math.l2_normalize(output, axis=1)
        return output
