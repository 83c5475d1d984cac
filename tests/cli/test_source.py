"""What the data flags load."""

import dataclasses

import pytest

from tfrec.cli.source import Source
from tfrec.data.prepare import prepare

FLAGS = {"user": "user_id", "item": "i", "label": "stars", "timestamp": "t"}


@pytest.fixture
def source(tmp_path):
    lines = [f"u{n % 4},m{n % 5},{1 + n % 5},{n}" for n in range(40)]
    file = tmp_path / "events.csv"
    file.write_text("\n".join(["User Id,i,stars,t", *lines]))
    return Source(str(file), **FLAGS, rename=("User Id=user_id",), min_label=4)


def test_a_rule_and_a_name_for_a_file(source):
    data = source.load()
    assert data.spec.user == "user_id"
    assert data.spec.rule == "stars >= 4"
    assert len(data.positives) == 16
    message = "two columns of .* would be called 'i'"
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(source, rename=("User Id=i",)).load()
    with pytest.raises(ValueError, match="--rename user is not OLD=NEW"):
        dataclasses.replace(source, rename=("user",)).load()
    twice = "--rename calls 'User Id' both 'user_id' and 'who': leave one out"
    with pytest.raises(ValueError, match=twice):
        dataclasses.replace(source, rename=("User Id=user_id", "User Id=who")).load()
    twice = "--column says that 'i' is item:int64 and that it is item:string"
    with pytest.raises(ValueError, match=twice):
        dataclasses.replace(source, column=("i=item:int64", "i=item:string")).load()
    without = dataclasses.replace(source, label=None)
    with pytest.raises(ValueError, match="min_label=4 says which labels are positive"):
        without.load()


def test_a_rule_for_data_that_are_named_or_prepared(source, tmp_path):
    named = Source(min_label=5).load()
    assert named.positives.label.min() == 5
    prepare(source.data, tmp_path / "out", source.mapping(), "random")
    prepared = Source(str(tmp_path / "out"))
    for flags, rule in (({}, 4), ({"min_label": 2}, 2)):
        parts = dataclasses.replace(prepared, **flags).parts()
        train, _, test = parts
        for part in (*parts, test.past, test.given):
            assert part.spec.min_label == rule
        assert len(train.positives) == sum(train.label >= rule) < len(train)
