"""A recurrent autoencoder of items' texts, joined with matrix factorisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import tensorflow as tf

from tfrec.errors import ConfigError
from tfrec.layers.recurrent_autoencoder import RecurrentAutoencoder
from tfrec.models.autoencoders._collaborative import (
    _Collaborative,
    _CollaborativeConfig,
)
from tfrec.models.config import Tune


class CollaborativeRecurrentAutoencoder(_Collaborative):
    """The code of an item's words in their order is the prior of the item's factors.

    Wang, Shi and Yeung 2016, "Collaborative Recurrent Autoencoder: Recommend while
    Learning to Fill in the Blanks", section 3. One LSTM reads the words, some of which
    a wildcard has replaced; another writes the true ones. The code gamma is pooled from
    all states of both, weighted by a beta distribution; see
    :class:`~tfrec.layers.recurrent_autoencoder.RecurrentAutoencoder`. C is a for what a
    user took and b for the rest::

        score(i, j) = u_i . v_j
        min  sum over pairs of C_ij / 2 (R_ij - u_i . v_j)^2 + lambda_u / 2 sum |u_i|^2
             + lambda_v / 2 sum |v_j - gamma_j|^2
             - sum over items and words of log p(w_t) + lambda_w / 2 |weights|^2
        u_i = (V C_i V' + lambda_u I)^-1 V C_i R_i
        v_j = (U C_j U' + lambda_v I)^-1 (U C_j R_j + lambda_v gamma_j)

    A batch holds some users and some items: the users are solved for, then the items,
    then the network takes one step. In an epoch everybody has a turn. An item that
    nobody took, also one that is new and has a text alone, has the vector gamma_j of
    its text without noise. The loss is the objective divided by the items.

    Differs from the paper: the noise of the layers is taken to its limit, lambda_s
    infinite, as the paper does to learn: states are what the equations give. Users and
    items take turns in slices; the closed form takes the code without noise. Adam on
    the network.

    Args:
        spec: The columns; the ids and the first ``Text`` of items are read.
        **config: See ``Config``.

    Call: ids ``(batch,)`` and texts ``(batch,)`` to ``(batch,)`` float32 scores.

    Raises:
        ConfigError: The spec has no text of items; a weight, a parameter of the pooling
            or ``words`` is not positive; or the noise is outside [0, 1).

    Example:
        >>> model = CollaborativeRecurrentAutoencoder(data.spec, units=50)
        >>> model.compile()
        >>> model.fit(train.batches(model, 64), epochs=20)
    """

    paper = "Wang et al. 2016, Collaborative Recurrent Autoencoder"
    objective = "weighted squared error, solved, with likelihood of items' words"

    @dataclass(frozen=True)
    class Config(_CollaborativeConfig):
        """Hyper-parameters, beside those of every model of text and matrix.

        Attributes:
            lambda_v: Weight of the squared distance of item factors to the text's code;
                less than where a code is of sigmoids, as one of tanh lies wider.
            units: Width of word vectors and of the LSTMs.
            words: Words that are read and written, from the start of a text; those that
                the column keeps when None. Every word is a step of time.
            pooling_a: First parameter of the beta distribution; larger ones weigh the
                end of the 2 T steps more.
            pooling_b: Second parameter; larger ones weigh the beginning more.
        """

        lambda_v: Annotated[float, Tune(0.01, 100.0, log=True)] = 1.0
        units: Annotated[int, Tune(16, 256, log=True)] = 50
        words: int | None = None
        pooling_a: Annotated[float, Tune(0.5, 20.0, log=True)] = 2.0
        pooling_b: Annotated[float, Tune(0.5, 20.0, log=True)] = 2.0

    def __init__(self, spec: Any, config: Any = None, **hyper_parameters: Any) -> None:
        super().__init__(spec, config, **hyper_parameters)
        config = self.config
        if config.words is not None and config.words < 1:
            raise ConfigError(f"words={config.words} must be 1 or more, or None.")
        for name in ("pooling_a", "pooling_b"):
            if getattr(config, name) <= 0:
                raise ConfigError(
                    f"{name}={getattr(config, name)} must be more than 0: the beta "
                    "distribution has no other."
                )
        self.network = RecurrentAutoencoder(
            self.text.size,
            config.dim,
            config.units,
            (config.pooling_a, config.pooling_b),
            self.seeds,
        )

    @property
    def numbers(self) -> int:
        """The output has a number for each word of the vocabulary at each place."""
        return self.text.size * ((self.config.words or self.text.max_len) + 1)

    def read(self, tokens: tf.Tensor) -> tf.Tensor:
        """The codes gamma: ``(n, dim)`` float32."""
        return self.network(tokens[:, : self.config.words])[0]

    def content(self, tokens: tf.Tensor, noise: float) -> tuple[tf.Tensor, tf.Tensor]:
        """Codes of noisy texts, and the negated log likelihood of the true words."""
        seed = self.step_seed() if noise else tf.zeros(2, tf.int32)
        read = tokens[:, : self.config.words]
        code, *written = self.network(read, noise, seed)
        return code, self.network.loss(*written)
