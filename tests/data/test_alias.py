"""The alias method: the table holds the distribution exactly, draws follow it."""

import numpy as np
import pytest

from tfrec.data.alias import AliasTable

WEIGHTS = {
    "even": np.ones(7),
    "one": np.array([3.0]),
    "rare": np.array([1e-6, 1.0, 0.0, 5.0, 1e-6]),
    "steep": np.arange(1, 2_000) ** -1.5,
    "rising": np.arange(1_000) ** 2.0,
    "random": np.random.default_rng(0).gamma(0.3, size=501),
}


@pytest.mark.parametrize("name", WEIGHTS)
def test_the_table_holds_the_distribution(name):
    weights = WEIGHTS[name]
    table = AliasTable(weights)
    keep = table.keep.numpy().astype(np.float64)
    chance = keep.copy()
    np.add.at(chance, table.alias.numpy(), 1 - keep)
    expected = weights / weights.sum()
    np.testing.assert_allclose(chance / len(weights), expected, atol=1e-7, rtol=1e-5)


@pytest.mark.parametrize("count", [1, 2, 3, 7])
@pytest.mark.parametrize("power", [0.25, 0.5, 0.75, 1.0])
def test_equal_weights_are_equal_chances_whatever_their_sum_is_rounded_to(count, power):
    for n in range(1, 400):
        table = AliasTable(np.full(n, float(count)) ** power)
        keep = table.keep.numpy().astype(np.float64)
        chance = keep.copy()
        np.add.at(chance, table.alias.numpy(), 1 - keep)
        np.testing.assert_allclose(chance, 1, rtol=1e-6)


def test_draws_have_the_frequencies_of_the_weights():
    weights = np.array([0.0, 1.0, 2.0, 5.0, 0.0, 8.0])
    drawn = AliasTable(weights).draw(80_000, [1, 2]).numpy()
    share = np.bincount(drawn, minlength=6) / len(drawn)
    np.testing.assert_allclose(share, weights / weights.sum(), atol=0.006)
    assert share[0] == share[4] == 0


def test_the_seed_decides_the_draw():
    table = AliasTable(WEIGHTS["steep"])
    one, again, other = (table.draw(50, [s, 3]).numpy() for s in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert np.any(one != other)
