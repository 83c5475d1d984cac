"""A vector for every user, learned beside those of the items."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import tensorflow as tf

from tfrec.layers.embedding import table
from tfrec.losses import weighted_mean
from tfrec.models.baselines._taken import first_known
from tfrec.models.config import Tune
from tfrec.models.embeddings._inference import infer, neighbours
from tfrec.models.embeddings._word2vec import _Word2Vec, _Word2VecConfig
from tfrec.models.families import Tensors

if TYPE_CHECKING:
    from tfrec.data.interactions import Interactions


class ParagraphVector(_Word2Vec):
    """The user's vector, alone or with the items around, predicts each item.

    Le & Mikolov 2014, "Distributed Representations of Sentences and Documents",
    sections 2.2 and 2.3, a user's events being the paragraph; user2vec of Grbovic et
    al. 2015, "E-commerce in Your Inbox", section 4.3. For an event with item i of user
    u, and its n neighbours j::

        h    = (u + sum over j of v_j) / (1 + n)    distributed memory, "dm"
        h    = u                                    distributed bag of words, "dbow"
        loss = - log sigmoid(o_i . h) - sum over k negatives n: log sigmoid(-o_n . h)

    A user without events in training, or outside the vocabulary, gets a vector by
    gradient descent on the same loss over the history, v and o frozen (section 2.2);
    negatives are a fixed draw there, so the same history has the same vector, in an
    exported model too. Recommendations have the largest ``o . h + log q``, the window
    of "dm" being the end of the history and q the distribution of negatives, which
    their sampling divides the probability by.

    Differs from the paper: "dm" averages, where the paper prefers to join the vectors
    in order; so ``window`` counts items on either side. Negative sampling stands for
    the hierarchical softmax. Adam on batches. With ``score="lift"`` q is left out;
    ``cosine`` compares h with output vectors.

    Args:
        spec: The columns, among them a ``Sequence`` of the item column.
        **config: See ``Config``.

    Call: user ids ``(batch,)``, histories ``(batch, length)`` and item ids ``(batch,)``
    to ``(batch,)`` float32 scores.

    Raises:
        ValueError: The spec declares no history, or the window is below 1.

    Example:
        >>> model = ParagraphVector(data.spec.select("user_id", "history"), mode="dm")
        >>> model.compile()
        >>> model.fit(train.batches(model, 1024), epochs=20)
    """

    paper = "Le & Mikolov 2014, Distributed Representations of Sentences and Documents"
    objective = "negative sampling of items by the user's vector"

    @dataclass(frozen=True)
    class Config(_Word2VecConfig):
        """Hyper-parameters, beside those of every item embedding.

        Attributes:
            mode: ``dm`` or ``dbow``.
            inference_steps: Steps of gradient descent for a new user.
            inference_rate: Their size.
            inference_negatives: Size of the fixed draw of negatives.
        """

        mode: Annotated[Literal["dm", "dbow"], Tune(choices=("dm", "dbow"))] = "dm"
        inference_steps: int = 20
        inference_rate: float = 1.0
        inference_negatives: int = 500

    def __init__(self, spec: Any, config: Any = None, **hyper_parameters: Any) -> None:
        super().__init__(spec, config, **hyper_parameters)
        config, users = self.config, self.spec.user_column.size
        self.users_table = table(users, config.dim, next(self.seeds), 0.01, "user")
        if config.mode == "dbow":
            self.inputs_table = None  # items predict nothing
        self.met = self.add_weight(
            "met", (users,), trainable=False, initializer="zeros"
        )
        self.rivals = self.add_weight(
            "rivals",
            (config.inference_negatives,),
            tf.int32,
            trainable=False,
            initializer="zeros",
        )

    @property
    def query_columns(self) -> tuple[str, ...]:
        """The user and the history."""
        return (self.spec.user, *super().query_columns)

    def adapt(self, data: Interactions) -> None:
        """Takes over the catalogue, who is known, and the negatives of inference."""
        super().adapt(data)
        users = np.bincount(data.positives.user, minlength=self.spec.user_column.size)
        users[: first_known(self.spec.user_column)] = 0
        self.met.assign(np.minimum(users, 1).astype(np.float32))
        noise = np.exp(self.log_noise.numpy().astype(np.float64))
        noise[: self.spec.item_column.first] = 0
        random = np.random.default_rng(self.config.seed)
        count = self.config.inference_negatives
        self.rivals.assign(random.choice(len(noise), count, p=noise / noise.sum()))

    def user_vectors(self, inputs: Tensors) -> tf.Tensor:
        """``(batch, dim)``: learned ones, and inferred ones of users that are new."""
        user, history = inputs[self.spec.user], inputs[self.query_columns[1]]
        base, share = self._context(history)
        inferred = infer(
            self.outputs_table(history),
            history > 0,
            self.outputs_table(self.rivals),
            base,
            share,
            self.config.negatives,
            self.config.inference_steps,
            self.config.inference_rate,
        )
        met = tf.gather(self.met, user)[:, None] > 0
        return tf.where(met, self.users_table(user), inferred)

    def query(self, inputs: Tensors) -> tf.Tensor:
        """``[h, 1]`` at the end of the history, ``(batch, dim + 1)``."""
        hidden = self.user_vectors(inputs)
        if self.inputs_table is not None:
            history = inputs[self.query_columns[1]]
            hidden = self._joined(hidden, last(history, self.config.window))
        if self.config.score == "cosine":
            return tf.math.l2_normalize(hidden, axis=-1)
        if self.config.score == "lift":
            return hidden
        return tf.concat([hidden, tf.ones_like(hidden[:, :1])], axis=1)

    def item(self, inputs: Tensors) -> tf.Tensor:
        """``[output vector, log q]``, ``(batch, dim + 1)``."""
        item = inputs[self.spec.item]
        vectors = self.outputs_table(item)
        if self.config.score == "cosine":
            return tf.math.l2_normalize(vectors, axis=-1)
        return self.with_noise(item, vectors)

    def input_vectors(self, items: tf.Tensor) -> tf.Tensor:
        """Vectors that items are compared by: of "dbow" they have but one."""
        own = self.outputs_table if self.inputs_table is None else self.inputs_table
        return own(items)

    def batch_loss(
        self, features: Tensors, weight: tf.Tensor | None, training: bool
    ) -> tf.Tensor:
        """Mean over the centres."""
        hidden = self.users_table(features[f"{self.spec.user}/index"])
        if self.inputs_table is not None:
            hidden = self._joined(hidden, features["context/index"])
        target = features[f"{self.spec.item}/index"]
        losses = self.contrast(hidden, target[:, None])
        return weighted_mean(losses, weight)

    def _joined(self, users: tf.Tensor, context: tf.Tensor) -> tf.Tensor:
        """Mean of user and context items, ``(batch, dim)``."""
        around = tf.cast(context > 0, users.dtype)
        total = users + tf.einsum("bld,bl->bd", self.inputs_table(context), around)
        return total / (1 + tf.reduce_sum(around, axis=1, keepdims=True))

    def _context(self, history: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """What the items around add to each event's h, and the user's share in h.

        ``(batch, length, dim)`` and ``(batch, length)``.
        """
        if self.inputs_table is None:
            dtype = self.outputs_table.compute_dtype
            shape = tf.concat([tf.shape(history), [self.config.dim]], axis=0)
            return tf.zeros(shape, dtype), tf.ones_like(history, dtype)
        around = neighbours(history, self.config.window)
        real = tf.cast(around > 0, self.inputs_table.compute_dtype)
        share = 1 / (1 + tf.reduce_sum(real, axis=2))
        total = tf.einsum("blwd,blw->bld", self.inputs_table(around), real)
        return total * share[..., None], share


def last(history: tf.Tensor, count: int) -> tf.Tensor:
    """The newest entries, ``(batch, count)``, of histories padded at the end."""
    length = tf.reduce_sum(tf.cast(history > 0, tf.int32), axis=1)
    padded = tf.pad(history, [[0, 0], [count, 0]])
    return tf.gather(padded, length[:, None] + tf.range(count), batch_dims=1)
