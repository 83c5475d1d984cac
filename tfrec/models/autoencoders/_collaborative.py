"""What models share that factorise a matrix and read a text of each item."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import tensorflow as tf

from tfrec import keras
from tfrec.columns import Text
from tfrec.errors import ConfigError
from tfrec.models.autoencoders._layerwise import check_noise
from tfrec.models.autoencoders._views import TextsAndTakers
from tfrec.models.base import Recommender
from tfrec.models.baselines._closed_form import ridge, solved_weight, whole
from tfrec.models.baselines._taken import first_known
from tfrec.models.config import Config as BaseConfig
from tfrec.models.config import Tune
from tfrec.models.families import BatchLoss, FactorScorer, Tensors

NUMBERS = 1 << 23  # of one intermediate result
AT_ONCE = 1024  # texts that are read together where no gradient is taken


def in_groups(
    function: Callable[[tf.Tensor], tf.Tensor],
    rows: tf.Tensor,
    group: Any,
    width: int,
) -> tf.Tensor:
    """``(rows, width)`` float32 results, a group of rows after the other.

    Args:
        function: Row numbers ``(group,)`` to their results ``(group, width)``.
        rows: How many there are.
        group: Rows at once.
        width: Of the results.
    """
    group = tf.maximum(1, tf.minimum(group, rows))
    groups = (rows + group - 1) // group

    def some(number: tf.Tensor) -> tf.Tensor:
        return function(tf.minimum(number * group + tf.range(group), rows - 1))

    def all_groups() -> tf.Tensor:
        kind = tf.TensorSpec([None, width], tf.float32)
        parts = tf.map_fn(
            some, tf.range(groups), parallel_iterations=1, fn_output_signature=kind
        )
        return tf.reshape(parts, [groups * group, width])[:rows]

    # Outside of a graph `map_fn` cannot tell the shape of nothing.
    return tf.cond(rows > 0, all_groups, lambda: tf.zeros([0, width]))


@dataclass(frozen=True)
class _CollaborativeConfig(BaseConfig):
    """Hyper-parameters of the models that join a text with a matrix.

    Attributes:
        dim: Factors, and width of the text's code.
        confidence: a, the weight of a pair that was taken.
        unobserved_confidence: b, the weight of a pair that was not.
        lambda_u: Weight of the squared user factors.
        lambda_v: Weight of the squared distance of item factors to the text's code.
        lambda_w: Weight of the squared weights of the network.
        noise: Chance that an entry of the text is struck out in training.
        learning_rate: Of Adam, for the network.
    """

    dim: Annotated[int, Tune(8, 128, log=True)] = 50
    confidence: float = 1.0
    unobserved_confidence: Annotated[float, Tune(0.001, 0.5, log=True)] = 0.01
    lambda_u: Annotated[float, Tune(0.01, 10.0, log=True)] = 1.0
    lambda_v: Annotated[float, Tune(0.1, 100.0, log=True)] = 10.0
    lambda_w: Annotated[float, Tune(1e-5, 1.0, log=True)] = 1e-4
    noise: Annotated[float, Tune(0.0, 0.7)] = 0.3
    learning_rate: Annotated[float, Tune(1e-4, 1e-2, log=True)] = 1e-3


class _Collaborative(BatchLoss, FactorScorer, Recommender):
    """Factors solved for, around a network that reads the items' text.

    Subclasses give :meth:`read`, the codes of texts, and :meth:`content`.
    """

    Config = _CollaborativeConfig

    def __init__(self, spec: Any, config: Any = None, **hyper_parameters: Any) -> None:
        super().__init__(spec, config, **hyper_parameters)
        config = self.config
        for name in ("unobserved_confidence", "lambda_u", "lambda_v"):
            if getattr(config, name) <= 0:
                raise ConfigError(
                    f"{name}={getattr(config, name)} must be more than 0: without it "
                    "the equations may have no solution."
                )
        check_noise(config.noise)
        if config.confidence <= config.unobserved_confidence:
            raise ConfigError(
                f"confidence={config.confidence} must be more than "
                f"unobserved_confidence={config.unobserved_confidence}: what was taken "
                "counts more than what was not."
            )
        users, item, dim = self.spec.user_column.size, self.spec.item_column, config.dim
        self.user_factors = solved_weight(self, "user_factors", (users, dim))
        self.item_factors = solved_weight(self, "item_factors", (item.size, dim))
        self.met = solved_weight(self, "met", (item.size,))
        known = (item.size - first_known(item), dim)
        drawn = keras.initializers.RandomNormal(0.0, 0.1, seed=next(self.seeds))(known)
        self.item_factors.assign(tf.pad(drawn, [[first_known(item), 0], [0, 0]]))

    @property
    def text(self) -> Text:
        """The first text of items.

        Raises:
            ConfigError: The spec declares none.
        """
        for column in self.spec.on("item"):
            if isinstance(column, Text):
                return column
        raise ConfigError(
            f"{type(self).__name__} reads a text of each item and the spec has none: "
            "declare Text('title', side='item') in it."
        )

    @property
    def item_columns(self) -> tuple[str, ...]:
        """The item and its text."""
        return (self.spec.item, self.text.name)

    def view(self) -> TextsAndTakers:
        """Texts with who took the item, users with what they took."""
        return TextsAndTakers(self.text.name, max(1, NUMBERS // self.numbers))

    # What a subclass does with texts

    @property
    def numbers(self) -> int:
        """Numbers that the network's output takes for an item."""
        raise NotImplementedError

    def read(self, tokens: tf.Tensor) -> tf.Tensor:
        """Padded tokens ``(n, length)`` to codes ``(n, dim)`` float32, no noise."""
        raise NotImplementedError

    def content(self, tokens: tf.Tensor, noise: float) -> tuple[tf.Tensor, tf.Tensor]:
        """Codes ``(n, dim)`` of noisy texts, and losses ``(n,)`` of writing them."""
        raise NotImplementedError

    # Scores

    def query(self, inputs: Tensors) -> tf.Tensor:
        """``u_i``: ``(batch, dim)``."""
        return tf.gather(self.user_factors, inputs[self.spec.user])

    def item(self, inputs: Tensors) -> tf.Tensor:
        """``v_j``, or the text's code where nobody took the item: ``(batch, dim)``."""
        item, tokens = inputs[self.spec.item], inputs[self.text.name]
        new = tf.where(tf.gather(self.met, item) == 0)[:, 0]
        codes = in_groups(
            lambda places: self.read(tf.gather(tokens, tf.gather(new, places))),
            tf.size(new),
            AT_ONCE,
            self.config.dim,
        )
        known = tf.gather(self.item_factors, item)
        return tf.tensor_scatter_nd_update(known, new[:, None], codes)

    # Training

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        """Solves for the users, then for the items; then one step of the network."""
        batch, _, _ = whole(keras.utils.unpack_x_y_sample_weight(data))
        self._solve_users(batch)
        self._solve_items(batch)
        return super().train_step(data)

    def _solve_users(self, batch: Tensors) -> None:
        """``u = (b V'V + (a - b) sum of v v' + lambda_u I)^-1 a sum of v``."""
        user, others = real_rows(batch[f"{self.spec.user}/index"], batch["items"])
        penalty = self.config.lambda_u
        solved = self._solved(others, self.item_factors, penalty, None)
        self.user_factors.scatter_update(tf.IndexedSlices(solved, user))

    def _solve_items(self, batch: Tensors) -> None:
        """The same with ``lambda_v (v - code)`` for a penalty."""
        keys = (f"{self.spec.item}/index", "users", f"{self.text.name}/index")
        item, others, tokens = real_rows(*(batch[key] for key in keys))
        code = tf.stop_gradient(self.read(tokens))
        penalty = self.config.lambda_v
        solved = self._solved(others, self.user_factors, penalty, code)
        self.item_factors.scatter_update(tf.IndexedSlices(solved, item))
        met = tf.cast(tf.reduce_any(others > 0, axis=1), tf.float32)
        self.met.scatter_update(tf.IndexedSlices(met, item))

    def _solved(
        self, others: tf.Tensor, table: tf.Tensor, penalty: float, prior: Any
    ) -> tf.Tensor:
        """Least squares over the other side, ``(rows, dim)``; rows group by group."""
        a, b = self.config.confidence, self.config.unobserved_confidence
        dim, rows = self.config.dim, tf.shape(others)[0]
        table = tf.convert_to_tensor(table)
        gram = b * tf.matmul(table, table, transpose_a=True)
        longest = tf.maximum(1, tf.shape(others)[1])

        def some(places: tf.Tensor) -> tf.Tensor:
            vectors = tf.gather(table, tf.gather(others, places))  # row 0 is zero
            right = a * tf.reduce_sum(vectors, axis=1)
            if prior is not None:
                right += penalty * tf.gather(prior, places)
            each = tf.fill(tf.shape(places), penalty)
            return ridge((a - b) ** 0.5 * vectors, gram, each, right)

        group = NUMBERS // (longest * dim + dim * dim)
        return in_groups(some, rows, group, dim)

    def batch_loss(
        self, features: Tensors, weight: tf.Tensor | None, training: bool
    ) -> tf.Tensor:
        """The negated log likelihood, by item, of the items and users of a batch."""
        config, text = self.config, f"{self.text.name}/index"
        keys = (f"{self.spec.item}/index", "users", text)
        item, others, tokens = real_rows(*(features[key] for key in keys))
        (user,) = real_rows(features[f"{self.spec.user}/index"])
        code, losses = self.content(tokens, config.noise if training else 0.0)
        vectors = tf.gather(self.item_factors, item)
        losses += config.lambda_v / 2 * tf.reduce_sum((vectors - code) ** 2, axis=1)
        losses += self._rating_loss(vectors, others)
        own = tf.gather(self.user_factors, user)
        total = tf.reduce_sum(losses) + config.lambda_u / 2 * tf.reduce_sum(own**2)
        count = tf.cast(tf.size(item), tf.float32)
        items = self.spec.item_column.size - first_known(self.spec.item_column)
        squares = tf.add_n([tf.nn.l2_loss(w) for w in self.trainable_variables])
        decay = config.lambda_w / items * squares
        return tf.math.divide_no_nan(total, count) + decay

    def _rating_loss(self, vectors: tf.Tensor, others: tf.Tensor) -> tf.Tensor:
        """``sum over users of C / 2 (R - u . v)^2`` of items, ``(rows,)``."""
        a, b = self.config.confidence, self.config.unobserved_confidence
        users = tf.convert_to_tensor(self.user_factors)
        there = tf.where(others > 0)
        score = tf.reduce_sum(
            tf.gather(vectors, there[:, 0])
            * tf.gather(users, tf.gather_nd(others, there)),
            axis=1,
        )
        taken = tf.math.unsorted_segment_sum(
            a / 2 * (1 - score) ** 2 - b / 2 * score**2,
            there[:, 0],
            tf.shape(others)[0],
        )
        gram = tf.matmul(users, users, transpose_a=True)
        return taken + b / 2 * tf.reduce_sum(vectors * tf.matmul(vectors, gram), axis=1)


def real_rows(rows: tf.Tensor, *others: tf.Tensor) -> list[tf.Tensor]:
    """Rows of a batch that are no padding, and what stands beside them."""
    return [tf.boolean_mask(part, rows > 0) for part in (rows, *others)]
