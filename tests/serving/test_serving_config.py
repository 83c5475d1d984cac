"""The files that TensorFlow Serving starts from."""

import shutil

import pytest
import tensorflow as tf
from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    message_factory,
    text_format,
    wrappers_pb2,
)
from tensorflow_serving.config import model_server_config_pb2

from tfrec.serving.serving_config import batching_config, find_models, models_config


def version(folder, number):
    (folder / str(number)).mkdir(parents=True)
    (folder / str(number) / "saved_model.pb").write_bytes(b"")


def parsed(text):
    config = text_format.Parse(text, model_server_config_pb2.ModelServerConfig())
    return {entry.name: entry for entry in config.model_config_list.config}


def batching_parameters():
    """``BatchingParameters`` as TensorFlow Serving declares it; no package has it."""
    file = descriptor_pb2.FileDescriptorProto(
        name="batching.proto", package="tensorflow.serving", syntax="proto3"
    )
    file.dependency.append(wrappers_pb2.DESCRIPTOR.name)
    message = file.message_type.add(name="BatchingParameters")
    for number, name in enumerate(("max_batch_size", "batch_timeout_micros"), 1):
        message.field.add(
            name=name,
            number=number,
            label=1,
            type=11,
            type_name=".google.protobuf.Int64Value",
        )
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    found = pool.FindMessageTypeByName("tensorflow.serving.BatchingParameters")
    return message_factory.GetMessageClass(found)()


def test_models_of_a_folder(tmp_path):
    for name, number in (("films", 1), ("films", 12), ("songs", 3)):
        version(tmp_path / name, number)
    (tmp_path / "notes").mkdir()
    (tmp_path / "models.config").write_text("")
    models = find_models(tmp_path)
    assert models == {n: (tmp_path / n).resolve() for n in ("films", "songs")}
    assert find_models(tmp_path / "songs") == {"songs": models["songs"]}
    entries = parsed(models_config(models, latest=2))
    assert list(entries) == ["films", "songs"]
    for name, entry in entries.items():
        assert entry.base_path == str(tmp_path / name)
        assert entry.model_platform == "tensorflow"
        assert entry.model_version_policy.latest.num_versions == 2


def test_labels_choose_versions(tmp_path):
    for number in (1, 2, 3, 4):
        version(tmp_path / "films", number)
    models = find_models(tmp_path)
    labels = {"stable": 2, "canary": 3}
    entry = parsed(models_config(models, labels=labels))["films"]
    assert dict(entry.version_labels) == labels
    assert list(entry.model_version_policy.specific.versions) == [2, 3, 4]
    with pytest.raises(ValueError, match=r"'canary' is for version 9 .* 1, 2, 3, 4"):
        models_config(models, labels={"canary": 9})
    version(tmp_path / "songs", 1)
    with pytest.raises(ValueError, match=r"labels are of one model.*films, songs"):
        models_config(find_models(tmp_path), labels=labels)


def test_folders_that_hold_no_model(tmp_path):
    with pytest.raises(ValueError, match="does not exist"):
        find_models(tmp_path / "no")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="empty holds no exported model"):
        find_models(tmp_path / "empty")
    version(tmp_path / "films", 1)
    with pytest.raises(ValueError, match=f"one version .* around it, {tmp_path}/films"):
        find_models(tmp_path / "films" / "1")
    (tmp_path / "films" / "2").mkdir()
    with pytest.raises(ValueError, match=r"films/2 holds no saved_model.pb"):
        find_models(tmp_path)
    with pytest.raises(ValueError, match="0 versions cannot answer"):
        models_config({}, latest=0)


def test_batching_where_all_inputs_have_rows_of_one_length(tmp_path):
    module = tf.Module()
    module.f = tf.function(
        lambda x, y: {"z": x + tf.reduce_sum(y, 1)},
        input_signature=[tf.TensorSpec((None,)), tf.TensorSpec((None, 3))],
    )
    tf.saved_model.save(
        module, str(tmp_path / "sums" / "1"), {"serving_default": module.f}
    )
    text = batching_config(find_models(tmp_path), 64, 500)
    config = text_format.Parse(text, batching_parameters())
    assert config.max_batch_size.value == 64
    assert config.batch_timeout_micros.value == 500
    with pytest.raises(ValueError, match="batches of 0 rows"):
        batching_config({}, 0, 500)


@pytest.mark.parametrize(
    ("shape", "problem"), [((None, None), "rows of any length"), ((), "no batch")]
)
def test_batching_looks_at_every_input(tmp_path, shape, problem):
    module = tf.Module()
    module.f = tf.function(
        lambda x, y: {"z": x + tf.reduce_sum(y)},
        input_signature=[tf.TensorSpec((None,)), tf.TensorSpec(shape)],
    )
    tf.saved_model.save(
        module, str(tmp_path / "sums" / "1"), {"serving_default": module.f}
    )
    with pytest.raises(ValueError, match=f"input 'y' of sums 1.* has {problem}"):
        batching_config(find_models(tmp_path), 64, 500)


def test_batching_where_requests_cannot_be_joined(export, tmp_path):
    with pytest.raises(ValueError, match=r"input '\w+' of \w+ 1, \w+, has"):
        batching_config(find_models(export.path), 64, 500)
    copied = tmp_path / "model" / "1"
    shutil.copytree(export.version, copied)
    (copied / "saved_model.pb").write_bytes(b"\xff\xff")
    with pytest.raises(ValueError, match=r"saved_model.pb is damaged"):
        batching_config(find_models(tmp_path), 64, 500)
