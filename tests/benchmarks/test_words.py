"""Words that many texts share are left out of them."""

import numpy as np

from tfrec.benchmarks.words import common_words, without_words


def test_common_words_are_counted_once_a_text_and_leave_the_others(data):
    data = data.with_spec(data.spec.select("title"))
    text = data.spec["title"]
    alien, casino, heat, story, _ = range(text.first, text.size)
    data.items["title"] = np.zeros_like(data.items["title"])
    data.items["title"][2:6] = [
        [alien, alien, heat, 0],
        [casino, alien, 0, 0],
        [1, heat, alien, story],  # 1: a word nobody knows
        [0, 0, 0, 0],
    ]
    common = common_words(data, "title", 0.5)
    assert list(common) == [True, False, True, False, False]
    found = without_words(data, "title", common)
    assert found.spec["title"].vocabulary == ("casino", "story", "toy")
    first = found.spec["title"].first
    np.testing.assert_array_equal(
        found.items["title"][2:6],
        [[0] * 4, [first, 0, 0, 0], [first + 1, 0, 0, 0], [0] * 4],
    )
    assert data.items["title"][2, 0] == alien
    assert found.spec["movie_id"] == data.spec["movie_id"]
