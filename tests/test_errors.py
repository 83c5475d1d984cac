"""What a caller can tell apart, and what is said after an unknown name."""

import pytest
import tensorflow as tf

import tfrec
from tfrec.data import split
from tfrec.datasets import from_file
from tfrec.errors import (
    ConfigError,
    DataError,
    ModelFileError,
    ServerError,
    TfrecError,
    did_you_mean,
)
from tfrec.serving import load
from tfrec.serving.client.failures import Failure, Kind

KINDS = (DataError, ConfigError, ModelFileError, ServerError)


def test_all_are_value_errors():
    assert all(issubclass(kind, ValueError) for kind in (TfrecError, *KINDS))


def bad_data(tmp_path):
    file = tmp_path / "events.csv"
    file.write_text("user,item,label\na,x,3\na,y,many\n", "utf8")
    from_file(file, "user", "item", "label")


def bad_argument(tmp_path):
    split.check_name("weekly")


def bad_export(tmp_path):
    (tmp_path / "1" / "assets.extra").mkdir(parents=True)
    (tmp_path / "1" / "assets.extra" / "config.json").write_text("{", "utf8")
    load(tmp_path)


def bad_model_file(tmp_path):
    file = tmp_path / "model.keras"
    file.write_text("no archive", "utf8")
    tfrec.models.load(file)


CASES = {
    bad_data: (DataError, "line 3, column 'label': 'many' is text, not a number"),
    bad_argument: (ConfigError, "split 'weekly' is unknown"),
    bad_export: (ModelFileError, "is no exported model"),
    bad_model_file: (ModelFileError, "model.keras"),
}


@pytest.mark.parametrize("call", CASES)
def test_the_kind_of_a_fault_is_the_class_of_its_error(call, tmp_path):
    kind, words = CASES[call]
    with pytest.raises(ValueError, match=words) as caught:
        call(tmp_path)
    assert type(caught.value) is kind


def test_an_answer_that_is_none_is_the_servers_fault():
    with pytest.raises(RuntimeError, match="does not answer as a model") as caught:
        raise Failure(Kind.BROKEN, "no JSON").told("http://here", "model 'm'", 1.0)
    assert type(caught.value) is ServerError


@pytest.mark.parametrize("kind", KINDS)
def test_a_traced_function_keeps_the_class_of_an_error(kind):
    @tf.function
    def refusing(values):
        raise kind(f"{values.shape[0]} values: give one.")

    with pytest.raises(kind, match="2 values: give one"):
        refusing(tf.zeros(2))


def test_a_near_name_is_offered():
    assert did_you_mean("neumff", ["gmf", "neumf"]) == "did you mean 'neumf'?"


def test_far_from_all_names_they_are_listed_in_order():
    assert did_you_mean("zzz", {"b", "c", "a"}) == "known: a, b, c"


def test_of_no_names_none_is_listed():
    assert did_you_mean("x", []) == "known: "
