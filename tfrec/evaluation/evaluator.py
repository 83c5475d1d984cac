"""One call that measures a model."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar, cast

from tfrec.errors import ConfigError, DataError
from tfrec.evaluation import events, full, in_turn, predictions, sampled
from tfrec.evaluation.pairs import Scorer
from tfrec.evaluation.protocols import (
    BinaryClassification,
    EventRanking,
    FullRanking,
    InTurn,
    Protocol,
    RatingPrediction,
    SampledNegatives,
)
from tfrec.evaluation.ranking import SCORE_MEMORY
from tfrec.evaluation.result import Result
from tfrec.models.registry import name_of

if TYPE_CHECKING:
    from tfrec.data.interactions import Interactions
    from tfrec.models.base import Recommender

Tool = TypeVar("Tool")


class Evaluator:
    """Measures models on one data set under one protocol.

    What does not depend on the model is computed once, and so is the graph of the
    model evaluated last: keep the object to evaluate after every epoch.

    Args:
        data: The events to predict: the validation or test part of a split.
        protocol: What to measure; full ranking with seen items left out, at 10, by
            default.
        memory: Bound, in bytes, of the scores that a full ranking holds at a time.

    Example:
        >>> result = Evaluator(test, FullRanking(k=(10, 50))).evaluate(model)
        >>> result["ndcg@10"], result.standard_error["ndcg@10"], result.cold_users
    """

    def __init__(
        self,
        data: Interactions,
        protocol: Protocol | None = None,
        memory: int = SCORE_MEMORY,
    ) -> None:
        self.data = data
        self.protocol = protocol or FullRanking()
        self.memory = memory
        self._latest: tuple[Recommender, Any] | None = None

    def evaluate(self, model: Recommender, name: str | None = None) -> Result:
        """Measures a model.

        Args:
            model: A model of the data's spec.
            name: What the result calls it; the registry name by default.

        Returns:
            The metrics, their standard errors, and on whom they were taken.

        Raises:
            ValueError: The model was built for other ids, a cutoff is larger than the
                catalogue, no event can be measured, or scores are not finite.
        """
        begin = time.perf_counter()
        name = name or name_of(type(model))
        self._check_ids(model)
        result = self._evaluate(model, name)
        return dataclasses.replace(result, seconds=time.perf_counter() - begin)

    def _evaluate(self, model: Recommender, name: str) -> Result:
        data, protocol, memory = self.data, self.protocol, self.memory
        if isinstance(protocol, FullRanking):
            ranker = self._kept(
                model, lambda: full.make_ranker(model, protocol, memory)
            )
            return full.evaluate(model, name, data, protocol, self._truth, ranker)
        if isinstance(protocol, EventRanking):
            places = self._kept(model, lambda: events.Places(model, memory))
            return events.evaluate(name, data, protocol, places)
        if isinstance(protocol, InTurn):
            places = self._kept(model, lambda: events.Places(model, memory))
            return in_turn.evaluate(name, model, data, protocol, places)
        scorer = self._kept(model, lambda: Scorer(model))
        if isinstance(protocol, SampledNegatives):
            return sampled.evaluate(name, data, protocol, self._asked, scorer)
        if isinstance(protocol, RatingPrediction):
            return predictions.ratings(name, data, protocol, scorer)
        if isinstance(protocol, BinaryClassification):
            return predictions.binary(name, data, protocol, scorer)
        raise ConfigError(
            f"{protocol!r} is no protocol: use FullRanking, EventRanking, InTurn, "
            "SampledNegatives, RatingPrediction or BinaryClassification."
        )

    @cached_property
    def _truth(self) -> full.Truth:
        return full.truth_of(self.data, cast(FullRanking, self.protocol))

    @cached_property
    def _asked(self) -> sampled.Asked:
        return sampled.asked_of(self.data, cast(SampledNegatives, self.protocol))

    def _kept(self, model: Recommender, make: Callable[[], Tool]) -> Tool:
        """What holds the graph of the model, made anew for another model only."""
        if self._latest is None or self._latest[0] is not model:
            self._latest = (model, make())
        return self._latest[1]

    def _check_ids(self, model: Recommender) -> None:
        for name in (self.data.spec.user, self.data.spec.item):
            ours: Any = self.data.spec[name]
            if name not in model.spec or model.spec[name] != ours:
                raise DataError(
                    f"column '{name}' of {type(model).__name__} is not that of "
                    f"{self.data.name}, so its indices mean other ids: build the model "
                    "with this data's spec."
                )
