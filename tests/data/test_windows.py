"""Windows of events, against plain loops."""

import numpy as np
import pytest

from tfrec.data.interactions import Interactions
from tfrec.data.windows import Windows
from tfrec.features import Categorical, FeatureSpec


def events(users: list[int], items: list[int], **more) -> Interactions:
    """Events in time order with raw ids of their numbers; users 1.., items 1.. ."""
    spec = FeatureSpec(
        (
            Categorical("user", "user", vocabulary=tuple("abcdefgh")),
            Categorical("item", "item", vocabulary=tuple(str(n) for n in range(100))),
        ),
        user="user",
        item="item",
    )
    columns = {
        "user": np.array(users, np.int32) + spec.user_column.first,
        "item": np.array(items, np.int32) + spec.item_column.first,
    }
    return Interactions(spec, columns, **more)


USERS = [0, 0, 0, 0, 0, 1, 1, 2, 3, 3, 3]
DATA = events(USERS, list(range(11)))


def centres(data: Interactions, view: Windows, batch: int = 4, seed: int = 0) -> list:
    """Each centre with its user and its context, padding left out."""
    found = []
    for rows in data.batches(view, batch, seed=seed):
        values = (rows[f"{name}/index"].numpy() for name in ("user", "item", "context"))
        found += [
            (u, i, [c for c in near if c]) for u, i, near in zip(*values, strict=True)
        ]
    return found


def test_a_full_window_holds_the_neighbours_of_the_same_user_in_order():
    expected = []
    for place, (user, item) in enumerate(zip(DATA.user, DATA.item, strict=True)):
        near = [
            DATA.item[other]
            for other in range(place - 2, place + 3)
            if other != place and 0 <= other < len(DATA) and DATA.user[other] == user
        ]
        expected.append((user, item, near))
    found = centres(DATA, Windows(2, shrink=False))
    assert sorted(found) == sorted(expected)
    assert found != expected  # shuffled


def test_each_centre_draws_its_own_window_uniformly():
    data = events([0] * 5000, [n % 100 for n in range(5000)])
    lengths = np.array([len(near) for *_, near in centres(data, Windows(4), 512)])
    share = np.bincount(lengths, minlength=9)[[2, 4, 6, 8]] / len(lengths)
    np.testing.assert_allclose(share, 0.25, atol=0.03)


def test_frequent_items_are_kept_with_the_probability_of_the_paper():
    items = [0 if n % 2 else 1 + n % 50 for n in range(20_000)]
    data = events([n % 4 for n in range(20_000)], items)
    first = data.spec.item_column.first
    kept = np.array([i for _, i, _ in centres(data, Windows(1, subsample=0.05), 512)])
    assert np.mean(kept == first) * len(kept) == pytest.approx(
        10_000 * np.sqrt(0.05 / 0.5), rel=0.05
    )
    assert np.sum(kept != first) == 10_000
    gone = Windows(1, shrink=False, subsample=0.05)
    assert any(abs(i - c) % 2 == 0 for _, i, near in centres(data, gone) for c in near)


@pytest.mark.parametrize("whole", ["view", "data"])
def test_without_an_order_every_pair_of_a_set_comes_over_the_epochs(whole):
    data = events(USERS, list(range(11)), ordered=whole == "view")
    view = Windows(1, ordered=whole != "view")
    batches = data.batches(view, 4)
    pairs = set()
    for _ in range(60):
        for rows in batches:
            for item, near in zip(
                rows["item/index"].numpy(), rows["context/index"], strict=True
            ):
                pairs |= {(item, c) for c in near.numpy() if c}
    expected = {
        (a, b)
        for user, a in zip(DATA.user, DATA.item, strict=True)
        for other, b in zip(DATA.user, DATA.item, strict=True)
        if user == other and a != b
    }
    assert pairs == expected


def test_the_number_of_batches_is_known_also_when_events_are_dropped():
    batches = DATA.batches(Windows(2, subsample=1e-3), 3)
    assert int(batches.cardinality()) == 4
    assert len(list(batches)) == 4


def test_every_event_is_a_centre_once():
    data = events([n // 10 for n in range(80)], list(range(80)))
    for batch in (7, 80, 100):
        items = [item for _, item, _ in centres(data, Windows(2), batch)]
        assert sorted(items) == data.item.tolist()
        assert items != data.item.tolist()


def test_dropped_events_leave_the_window_to_those_behind_them():
    """Of a timeline 0 x 1 x 2 x ... without x all neighbours are two apart."""
    items = [n // 2 + 1 if n % 2 else 0 for n in range(160)]
    data = events([n // 40 for n in range(160)], items)
    common = data.spec.item_column.first
    view = Windows(1, shrink=False, subsample=1e-9)
    near = [n for _ in range(20) for *_, n in centres(data, view) if len(n) == 2]
    assert not near or common not in np.concatenate(near)
    some = centres(data, Windows(1, shrink=False, subsample=0.02), 16)
    users = {u: [i for v, i, _ in some if v == u] for u, *_ in some}
    for user, item, around in some:
        assert set(around) <= set(users[user]) | {item}


def test_a_user_with_one_event_has_no_neighbours():
    data = events([3], [5])
    for batch in (1, 10):
        ((_, item, near),) = centres(data, Windows(3), batch)
        assert (item, near) == (data.item[0], [])
    data = events([0, 1, 2, 2], [5, 6, 7, 8])
    found = {item: near for _, item, near in centres(data, Windows(3, shrink=False))}
    a, b, c, d = data.item
    assert found == {a: [], b: [], c: [d], d: [c]}


def test_epochs_differ_and_the_seed_decides_them():
    view = Windows(2)
    assert centres(DATA, view) == centres(DATA, view)
    assert centres(DATA, view) != centres(DATA, view, seed=1)


@pytest.mark.parametrize("options", [{"window": 0}, {"subsample": -1.0}])
def test_what_cannot_be_a_window_is_refused(options):
    with pytest.raises(ValueError, match=r"(window=0|subsample=-1.0) must be"):
        Windows(**options)
