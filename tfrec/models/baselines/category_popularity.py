"""What a user takes of each category."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import tensorflow as tf

from tfrec.data.views import Positives
from tfrec.errors import ConfigError
from tfrec.features import Categorical, FeatureSpec
from tfrec.models.baselines._closed_form import ClosedForm, solved_weight, whole
from tfrec.models.baselines._taken import first_known
from tfrec.models.config import Config as BaseConfig
from tfrec.models.config import Tune
from tfrec.models.families import FactorScorer, Tensors


class CategoryPopularity(ClosedForm, FactorScorer):
    """Items by how popular their categories are with the user.

    ::

        rate(u, g) = (n(u, g) + smoothing * n(g) / n) / items(g)
        score(u, i) = mean over the categories g of i of rate(u, g)

    n(u, g) are the events of u with items of g, n(g) those of all users, n their sum,
    and items(g) the items of g that have events: the events that u is expected to have
    with one more item of g. It knows no item, so that one which nobody has touched is
    ranked like any other; the baseline of models that tell items by their content. A
    user without events, or outside the vocabulary, is ranked for by n(g) / items(g)
    alone.

    Differs from the paper: there is none. The loss is the mean score of an event with
    its sign turned.

    Args:
        spec: The columns; user, item and one item-side categorical column are read.
        **config: See ``Config``.

    Call: ids ``(batch,)`` and categories to ``(batch,)`` float32 scores.

    Raises:
        ConfigError: There is no such column, or ``smoothing`` is not positive.

    Example:
        >>> model = CategoryPopularity(data.spec, category="genres")
        >>> model.compile()
        >>> model.fit(train.batches(model, 4096))
    """

    paper = "Counting by category"
    objective = "events of a user per item of each category"
    one_pass = True

    @dataclass(frozen=True)
    class Config(BaseConfig):
        """Hyper-parameters.

        Attributes:
            category: Item-side categorical column with a vocabulary; the first one
                when None.
            smoothing: Events of an average user that are added to each.
        """

        category: str | None = None
        smoothing: Annotated[float, Tune(0.1, 100.0, log=True)] = 1.0

    def __init__(self, spec: Any, config: Any = None, **hyper_parameters: Any) -> None:
        super().__init__(spec, config, **hyper_parameters)
        if self.config.smoothing <= 0:
            raise ConfigError(
                f"smoothing={self.config.smoothing} must be more than 0, or a user "
                "without events has no ranking."
            )
        users, categories = self.spec.user_column.size, self.categories.size
        self.rates = solved_weight(self, "rates", (users, categories))

    @property
    def categories(self) -> Categorical:
        """The column of categories."""
        return _column(self.spec, self.config.category)

    @property
    def item_columns(self) -> tuple[str, ...]:
        """The item id, which names the events, and the categories."""
        return (self.spec.item, self.categories.name)

    def view(self) -> Positives:
        """Events."""
        return Positives()

    def cold(self, features: Tensors, strangers: tf.Tensor) -> tf.Tensor:
        """``(batch,)`` bool: never."""
        return tf.zeros_like(self.lookup(features)[self.spec.user], tf.bool)

    def query(self, inputs: Tensors) -> tf.Tensor:
        """``rate(u, .)``: ``(batch, categories)``."""
        return tf.gather(self.rates, inputs[self.spec.user])

    def item(self, inputs: Tensors) -> tf.Tensor:
        """The shares of the categories of an item: ``(batch, categories)``."""
        held = self._held(inputs)
        total = tf.reduce_sum(held, axis=1, keepdims=True)
        return tf.math.divide_no_nan(held, total)

    def _held(self, inputs: Tensors) -> tf.Tensor:
        """``(batch, categories)`` 1 where an item is of a category, no padding."""
        found = inputs[self.categories.name]
        if found.shape.rank == 1:
            found = found[:, None]
        held = tf.reduce_max(tf.one_hot(found, self.categories.size), axis=1)
        return held * tf.cast(tf.range(self.categories.size) > 0, held.dtype)

    def sum_specs(self) -> dict[str, tf.TensorSpec]:
        """Events of each user with each category."""
        return {"events": tf.TensorSpec(self.rates.shape, tf.float64)}

    def collect(
        self, features: Tensors, target: tf.Tensor | None, weight: tf.Tensor | None
    ) -> None:
        """Counts."""
        inputs = self.lookup(features)
        held = self._held(inputs)
        if weight is not None:
            held *= tf.cast(weight, held.dtype)[:, None]
        self.sums.add("events", held, inputs[self.spec.user])

    def solve(self) -> float:
        """Takes over the rates; the mean score of an event, its sign turned."""
        events = tf.cast(self.sums["events"], tf.float32)
        total = tf.reduce_sum(events, axis=0)
        items = self._held(self.lookup(self.catalogue.items()))
        met = self.catalogue.counts()[self.spec.item_column.first :] > 0
        known = tf.cast(met, tf.float32)
        count = tf.maximum(tf.linalg.matvec(items, known, transpose_a=True), 1.0)
        prior = tf.math.divide_no_nan(total, tf.reduce_sum(total))
        one = tf.range(tf.shape(events)[0]) >= first_known(self.spec.user_column)
        own = tf.where(one[:, None], events, 0.0)  # who is unknown took nothing
        self.rates.assign((own + self.config.smoothing * prior) / count)
        score = tf.reduce_sum(events * self.rates)
        return -float(tf.math.divide_no_nan(score, tf.reduce_sum(events)))

    def test_step(self, data: Any) -> Tensors:
        """Mean score of other events, its sign turned."""
        return self.report(-self(whole(data)))


def _column(spec: FeatureSpec, name: str | None) -> Categorical:
    """The column of categories.

    Raises:
        ConfigError: It is no item-side categorical column with a vocabulary.
    """
    fit = [
        column
        for column in spec.on("item")
        if isinstance(column, Categorical)
        and column.name != spec.item
        and len(column.vocabulary)
    ]
    for column in fit:
        if name in (None, column.name):
            return column
    names = ", ".join(column.name for column in fit)
    raise ConfigError(
        f"category={name!r} is no item-side categorical column with a vocabulary: "
        f"choose one of {names or 'none, for the spec has no such column'}."
    )
