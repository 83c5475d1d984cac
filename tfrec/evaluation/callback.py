"""Ranking metrics of held-out events, after every epoch of ``fit``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tfrec import keras
from tfrec.errors import ConfigError, did_you_mean
from tfrec.evaluation.evaluator import Evaluator
from tfrec.evaluation.protocols import (
    FullRanking,
    Protocol,
    Ranking,
    RatingPrediction,
)
from tfrec.evaluation.result import Result

if TYPE_CHECKING:
    from tfrec.data.interactions import Interactions


def _shown(protocol: Protocol) -> tuple[str, ...]:
    """What is logged when the caller names nothing; empty for all there is."""
    if isinstance(protocol, FullRanking):
        return ("recall", "ndcg")
    return ("hit_rate", "ndcg") if isinstance(protocol, Ranking) else ()


def monitored(protocol: Protocol) -> tuple[str, str]:
    """The number by which epochs are compared, and whether it is ``max`` or ``min``."""
    if isinstance(protocol, RatingPrediction):
        return "val_rmse", "min"
    if isinstance(protocol, Ranking):
        return f"val_ndcg@{max(protocol.cutoffs)}", "max"
    return "val_auc", "max"


class RankingCallback(keras.callbacks.Callback):
    """Puts ``val_recall@10``, ``val_ndcg@10`` and so on into the logs of ``fit``.

    Callbacks that come *after* it in the list (``EarlyStopping``, ``ModelCheckpoint``,
    ``ReduceLROnPlateau``) can watch them, keras-tuner can optimise them, and the
    progress bar, ``History`` and loggers show them.

    Args:
        data: The events to predict: the validation part of a split.
        protocol: What to measure; full ranking with seen items left out, at 10, by
            default.
        every: Epochs between measurements. In the others the metrics are missing from
            the logs; ``EarlyStopping`` then warns, and waits without counting them.
        metrics: Which to log, without the cutoff, such as ``("recall", "mrr")``;
            recall (or hit rate) and NDCG, or all there are in protocols without ranks,
            by default.

    Attributes:
        results: ``(epoch, Result)`` of each measurement, epochs counted from 1.

    Raises:
        ValueError: ``every`` below 1; in ``fit``, an unknown metric, or whatever
            :meth:`Evaluator.evaluate` refuses.

    Example:
        >>> model.fit(
        ...     train.batches(model, 4096),
        ...     epochs=100,
        ...     callbacks=[
        ...         RankingCallback(valid),
        ...         keras.callbacks.EarlyStopping("val_ndcg@10", mode="max"),
        ...     ],
        ... )
    """

    def __init__(
        self,
        data: Interactions,
        protocol: Protocol | None = None,
        every: int = 1,
        metrics: tuple[str, ...] = (),
    ) -> None:
        super().__init__()
        if every < 1:
            raise ConfigError(f"every={every} epochs is not possible: use 1 or more.")
        self.evaluator = Evaluator(data, protocol)
        self.every = every
        self.metrics = metrics or _shown(self.evaluator.protocol)
        self.results: list[tuple[int, Result]] = []

    def __deepcopy__(self, memo: dict[int, Any]) -> RankingCallback:
        # keras-tuner copies callbacks for every trial; the data need not be.
        old = self.evaluator
        return type(self)(old.data, old.protocol, self.every, self.metrics)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Forgets the measurements of an earlier ``fit``."""
        self.results = []

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Measures, and adds to the logs that later callbacks are handed."""
        if (epoch + 1) % self.every:
            return
        result = self.evaluator.evaluate(self.model)
        self.results.append((epoch + 1, result))
        known = {name.partition("@")[0] for name in result.metrics}
        for name in self.metrics:
            if name not in known:
                raise ConfigError(
                    f"there is no metric '{name}'; {did_you_mean(name, known)}"
                )
        if logs is not None:
            for name, value in result.metrics.items():
                if not self.metrics or name.partition("@")[0] in self.metrics:
                    logs[f"val_{name}"] = value
