"""Three ways to hold events out, and what each of them leaks.

Every split is a pure function of times, users and a seed, and returns row numbers in
ascending order, so that it can be repeated anywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from tfrec.data.sides import (
    leave_last_out_sides,
    of_sides,
    random_cuts,
    sides_by_cuts,
    temporal_sides,
)
from tfrec.errors import ConfigError, DataError, did_you_mean

if TYPE_CHECKING:
    from tfrec.data.interactions import Interactions

Rows = tuple[np.ndarray, np.ndarray, np.ndarray]
NAMES = ("temporal", "leave_last_out", "random")


def get(how: str) -> Callable[..., Rows]:
    """Returns the split of that name.

    Raises:
        ValueError: Unknown name.
    """
    check_name(how)
    return {
        "temporal": temporal,
        "leave_last_out": leave_last_out,
        "random": random,
    }[how]


def check_name(how: str) -> None:
    """Refuses a name that is no split.

    Raises:
        ConfigError: Unknown name.
    """
    if how not in NAMES:
        raise ConfigError(f"split '{how}' is unknown; {did_you_mean(how, NAMES)}")


def temporal(events: Interactions, valid: float = 0.1, test: float = 0.1) -> Rows:
    """One global cut in time: the past trains, the future is predicted.

    Leaks nothing in time: no training event is later than any held-out one. The ids of
    the vocabulary are those of all events, so that an item born after the cut has a
    row, untrained, instead of being unknown.

    Args:
        events: Events with a timestamp.
        valid: Share of events for validation, the earlier of the held-out ones.
        test: Share of events for the test, the latest.

    Returns:
        Row numbers ``(train, valid, test)``. Events at exactly the time of a cut all
        fall on its later side, so the shares are approximate when times are tied.

    Raises:
        ValueError: No timestamp, bad shares, or a part would be empty.
    """
    return of_sides(temporal_sides(_times(events, "temporal"), valid, test))


def leave_last_out(events: Interactions) -> Rows:
    """Each user's last event is the test, the one before it validation.

    Leaks time: one user's training events may lie after another user's test event, so
    the popularity of items, and items that did not exist yet, are known to training.
    Numbers are higher than those of a temporal split and do not compare with them.

    Args:
        events: Events with a timestamp; events of a user at the same time are in row
            order.

    Returns:
        Row numbers ``(train, valid, test)``. Users with fewer than three events have
        all of them in train.

    Raises:
        ValueError: No timestamp, or no user has three events.
    """
    times = _times(events, "leave_last_out")
    return of_sides(leave_last_out_sides(events.person, times))


def random(
    events: Interactions, valid: float = 0.1, test: float = 0.1, seed: int = 0
) -> Rows:
    """Rows drawn at random.

    Leaks time within each user as well as between users: a model may see what a user
    did after the event it is asked to predict. Only for comparing with papers that
    split so, and for data without times.

    Args:
        events: Events.
        valid: Share of events for validation.
        test: Share of events for the test.
        seed: Seed of the draw.

    Returns:
        Row numbers ``(train, valid, test)``, of exactly the shares asked for.

    Raises:
        ValueError: Bad shares, or a part would be empty.
    """
    cuts = random_cuts(len(events), valid, test, seed)
    draws = np.random.default_rng(seed).random(len(events))
    return of_sides(sides_by_cuts(draws, cuts))


def _times(events: Interactions, how: str) -> np.ndarray:
    times = events.timestamp
    if times is None:
        raise DataError(
            f"split '{how}' needs event times and {events.name} has none: name the "
            "timestamp column, or use split 'random'."
        )
    return times
