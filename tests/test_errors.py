"""What is said after an unknown name."""

from tfrec.errors import did_you_mean


def test_a_near_name_is_offered():
    assert did_you_mean("neumff", ["gmf", "neumf"]) == "did you mean 'neumf'?"


def test_far_from_all_names_they_are_listed_in_order():
    assert did_you_mean("zzz", {"b", "c", "a"}) == "known: a, b, c"


def test_of_no_names_none_is_listed():
    assert did_you_mean("x", []) == "known: "
