"""What is measured, and on whom: frozen descriptions that stand in every table."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from numbers import Integral
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from tfrec.errors import ConfigError

if TYPE_CHECKING:
    from tfrec.data.interactions import Interactions
    from tfrec.features import FeatureSpec
    from tfrec.models.base import Recommender


def _cutoffs(k: int | tuple[int, ...]) -> tuple[int, ...]:
    cutoffs = tuple(k) if isinstance(k, tuple | list) else (k,)
    if not cutoffs or any(not isinstance(c, Integral) or c < 1 for c in cutoffs):
        raise ConfigError(f"k={k!r} must be a positive whole number, or several.")
    return tuple(sorted({int(cutoff) for cutoff in cutoffs}))


@dataclass(frozen=True)
class Protocol:
    """Base of all protocols.

    Attributes:
        sampled: Whether ranks are among a few candidates only. Such numbers are larger
            than those of a full ranking and not comparable with them, nor with those
            of other candidates; every table says so.
        follows: What follows from a positive label, in one word; empty where labels
            have no rule.
    """

    sampled: ClassVar[bool] = False
    follows: ClassVar[str] = ""

    @property
    def min_label(self) -> float | None:
        """Labels from here on are positive; None for the rule of the data.

        See :class:`~tfrec.features.FeatureSpec`.
        """
        return None

    def describe(self) -> str:
        """What is measured, whatever the data, in one line."""
        raise NotImplementedError

    def caption(self, data: Interactions) -> str:
        """One line for the caption of a table.

        With the rule that labels follow and, where validation is not given to models,
        what is.
        """
        parts, rule = [self.describe()], self._spec(data).rule
        if self.follows and rule is not None:
            parts.append(f"{self.follows}: {rule}")
        if data.given is not None:
            parts.append("models and histories of training alone")
        return ", ".join(parts)

    def positive(self, data: Interactions) -> np.ndarray:
        """``(n,)`` bool: events of a positive label; all where there is no label."""
        if self.min_label is None:
            return data.positive
        return self._spec(data).positive(data.label)

    def _spec(self, data: Interactions) -> FeatureSpec:
        if self.min_label is None:
            return data.spec
        return replace(data.spec, min_label=self.min_label)


@dataclass(frozen=True)
class Ranking(Protocol):
    """Base of the protocols that look at the first k of a ranking.

    Items of one score are tied: metrics are expected values over all their orders, so
    that a model that scores all items alike finds what chance finds. Items of positive
    events alone are relevant.

    Attributes:
        k: Cutoff, or several; once made, a tuple in ascending order.
    """

    follows: ClassVar[str] = "relevant"

    k: int | tuple[int, ...] = 10

    def __post_init__(self) -> None:
        object.__setattr__(self, "k", _cutoffs(self.k))

    @property
    def cutoffs(self) -> tuple[int, ...]:
        """The cutoffs in ascending order."""
        return _cutoffs(self.k)


@dataclass(frozen=True)
class FullRanking(Ranking):
    """The whole catalogue is ranked for each user.

    Attributes:
        k: Cutoff, or several.
        exclude_seen: Whether items of the user's past are never ranked. Relevant items
            that the user had already taken are then left out, and counted.
        users: ``known`` leaves out, and counts, users without a positive event that
            models may read, of training in the test part of a split; ``all`` ranks for
            them too, by the model's own scores (``recommend`` would answer them by
            popularity). Users outside the vocabulary share one index, of which a model
            knows nobody, and are left out in any case.
        min_label: Events with this label or more are relevant; None for the rule of
            the data.
        exact: Whether models that search, such as down a tree, are to score all items
            instead: what their search is measured against.
        among: Item indices to rank alone, such as all those of which training holds no
            event; None for the whole catalogue. Coverage and Gini are of these.
    """

    exclude_seen: bool = True
    users: Literal["known", "all"] = "known"
    min_label: float | None = None
    exact: bool = False
    among: tuple[int, ...] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.users not in ("known", "all"):
            raise ConfigError(f"users={self.users!r} must be 'known' or 'all'.")
        if self.among is not None and len(set(self.among)) < max(self.cutoffs):
            raise ConfigError(
                f"k={max(self.cutoffs)} is more than the {len(set(self.among))} items "
                "to rank among: choose a smaller k, or more items."
            )

    def describe(self) -> str:
        """One line for the caption of a table."""
        parts = ["full ranking of the catalogue"]
        if self.among is not None:
            parts = [f"full ranking of {len(set(self.among)):,} items of the catalogue"]
        parts.append(
            "seen items left out" if self.exclude_seen else "seen items ranked too"
        )
        if self.users == "all":
            parts.append("cold users included")
        if self.exact:
            parts.append("every item scored")
        return ", ".join(parts)


@dataclass(frozen=True)
class EventRanking(Ranking):
    """The whole catalogue is ranked for each event, with the event's own context.

    The event's item is the only relevant one. Items the user has taken are ranked too.
    The protocol of the TFRS tutorials, for models that read time or another context
    column.

    Attributes:
        k: Cutoff, or several.
    """

    k: int | tuple[int, ...] = 100

    def describe(self) -> str:
        """One line for the caption of a table."""
        return "full ranking of the catalogue for each event, seen items ranked too"


@dataclass(frozen=True)
class InTurn(Ranking):
    """The whole catalogue is ranked for each event at its time, and when it will come.

    Events come in time order. Each is predicted from those before it, and then models
    that have ``observe`` are shown it; no weight is learned. Hours are those from the
    user's event before: a model that has ``next_hours`` predicts them, for the others
    the user's mean in training stands. ``mae_hours`` is the mean absolute error.

    Attributes:
        k: Cutoff, or several.
    """

    def describe(self) -> str:
        """One line for the caption of a table."""
        return (
            "full ranking of the catalogue for each event in turn, seen items ranked "
            "too; hours to it from the user's event before"
        )

    def caption(self, data: Interactions) -> str:
        """As of any protocol; validation is shown in turn."""
        return super().caption(replace(data, given=None))


@dataclass(frozen=True, eq=False)
class SampledNegatives(Ranking):
    """Each event's item is ranked among a few others (He et al. 2017, section 4.1).

    An event is a unit of its own: its item is the only relevant one.
    Where stored candidates hold the event's own item, it is ranked once.

    Attributes:
        k: Cutoff, or several.
        exclude_seen: Whether stored candidates that the user has taken before, or takes
            in this data, are left unranked, as they are never drawn. The event's own
            item is ranked in any case.
        candidates: ``(events, negatives)`` int32 item indices, stored with the data;
            None to draw them.
        negatives: How many to draw for each event: uniformly, different from each
            other, never an item that the user has taken before or takes in this data.
        seed: Seed of the draw.
        watch_time: Whether to measure ``weighted_loss`` too, the label being watch time
            or another amount: see :func:`tfrec.metrics.weighted_per_user_loss`.
    """

    sampled: ClassVar[bool] = True

    candidates: np.ndarray | None = field(default=None, repr=False)
    negatives: int = 99
    seed: int = 0
    watch_time: bool = False
    exclude_seen: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.candidates is not None:
            if self.candidates.ndim != 2 or self.candidates.dtype.kind != "i":
                raise ConfigError(
                    f"candidates of shape {self.candidates.shape} and type "
                    f"{self.candidates.dtype} must be (events, negatives) indices."
                )
            object.__setattr__(self, "negatives", self.candidates.shape[1])
        if self.negatives < 1:
            raise ConfigError(f"negatives={self.negatives} must be 1 or more.")
        if max(self.cutoffs) > self.negatives + 1:
            raise ConfigError(
                f"k={max(self.cutoffs)} is more than the {self.negatives + 1} "
                "candidates of an event: choose a smaller k, or more negatives."
            )

    def describe(self) -> str:
        """One line for the caption of a table."""
        origin = f"drawn with seed {self.seed}"
        if self.candidates is not None:
            seen = "seen ones left out" if self.exclude_seen else "seen ones ranked too"
            origin = f"stored, {seen}"
        return (
            f"SAMPLED: each item among {self.negatives} negatives ({origin}); "
            "not comparable with a full ranking"
        )


@dataclass(frozen=True)
class RatingPrediction(Protocol):
    """The label of each event is predicted: RMSE and MAE, in units of the label.

    Attributes:
        clip: Lowest and highest rating to which predictions are cut; None for none.
    """

    clip: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.clip is not None and not self.clip[0] < self.clip[1]:
            raise ConfigError(f"clip={self.clip} must be (lowest, highest).")

    def describe(self) -> str:
        """One line for the caption of a table."""
        if self.clip is None:
            return "rating prediction"
        return f"rating prediction, cut to [{self.clip[0]:g}, {self.clip[1]:g}]"


@dataclass(frozen=True)
class BinaryClassification(Protocol):
    """The chance of a positive label: AUC, GAUC by user, and logloss of the logits.

    Attributes:
        min_label: Labels from here on are positive; None for the rule of the data,
            which it must have where labels say more than yes and no.
    """

    follows: ClassVar[str] = "positive"

    min_label: float | None = None

    def describe(self) -> str:
        """One line for the caption of a table."""
        return "binary classification"


def natural(model: Recommender, data: Interactions) -> Protocol:
    """The protocol that fits what a model learns.

    A model of labelled pairs, or of rows of ratings, is measured by its labels, by
    whether they are positive if that is what it learns or all that they say; any other
    by a full ranking.
    """
    from tfrec.data.views import Pairs

    if getattr(model, "predicts_ratings", False):
        return RatingPrediction()
    view = model.view()
    if isinstance(view, Pairs) and not view.negatives and data.spec.label is not None:
        binary = view.binary or bool(np.isin(data.label, (0, 1)).all())
        return BinaryClassification() if binary else RatingPrediction()
    return FullRanking()
