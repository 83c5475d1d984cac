"""``tfrec serve`` with a stand-in for TensorFlow Serving on the path, and without."""

import json
import os
import shlex
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

RECORDER = """#!{python}
import json, sys
json.dump(sys.argv, open({out!r}, "w"))
"""


@pytest.fixture(scope="module")
def served(run, trained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "films"
    for _ in range(2):
        assert run("export", trained, "--out", folder).exit_code == 0
    return folder


@pytest.fixture
def bare(tmp_path, monkeypatch):
    """A path without TensorFlow Serving."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def start(*arguments, path):
    """Runs ``tfrec serve`` in a process, since it becomes the server."""
    return subprocess.run(
        [sys.executable, "-c", "from tfrec.cli import main; main()", "serve"]
        + [str(part) for part in arguments],
        capture_output=True,
        text=True,
        timeout=120,
        env={
            **os.environ,
            "PATH": f"{path}:{os.environ['PATH']}",
            "TMPDIR": str(path),
        },
    )


def models(file):
    config = model_server_config_pb2.ModelServerConfig()
    return text_format.Parse(Path(file).read_text(), config).model_config_list.config


def test_it_becomes_the_server(served, bare, tmp_path):
    out = tmp_path / "argv.json"
    program = bare / "tensorflow_model_server"
    program.write_text(RECORDER.format(python=sys.executable, out=str(out)))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    theirs = served / "models.config"
    theirs.write_text("# mine\n")
    ports = ["--port", 9500, "--rest-port", 9501]
    done = start(served, *ports, "--label", "stable=1", path=bare)
    assert done.returncode == 0, done.stderr
    (config,) = bare.glob("tfrec-serve-*/models.config")
    name, *flags = json.loads(out.read_text())
    assert name.endswith("tensorflow_model_server")
    assert flags == [
        "--port=9500",
        "--rest_api_port=9501",
        f"--model_config_file={config}",
        "--allow_version_labels_for_unavailable_models=true",
    ]
    assert theirs.read_text() == "# mine\n"
    (entry,) = models(config)
    assert entry.name == "films" and entry.base_path == str(served)
    assert dict(entry.version_labels) == {"stable": 1}
    assert list(entry.model_version_policy.specific.versions) == [1, 2]


def test_without_a_server_the_command_for_docker_is_printed(
    run, served, bare, tmp_path
):
    config = tmp_path / "some config"
    result = run("serve", served.parent, "--config", config, "--rest-port", 80)
    assert result.exit_code == 2
    (line,) = result.stdout.splitlines()
    assert shlex.split(line) == [
        *("docker", "run", "--rm", "-p", "8500:8500", "-p", "80:8501"),
        *("-v", f"{served.parent}:{served.parent}:ro", "-v", f"{config}:{config}:ro"),
        *("tensorflow/serving", f"--model_config_file={config}/models.config"),
    ]
    (line,) = result.stderr.splitlines()
    assert "tensorflow_model_server is not installed here: run the command" in line
    (entry,) = models(config / "models.config")
    assert entry.name == "films"
    assert entry.model_version_policy.latest.num_versions == 1


def test_wrong_input(refused, served, bare, tmp_path):
    assert "holds no exported model" in refused("serve", tmp_path)
    assert "does not exist" in refused("serve", tmp_path / "no")
    assert "is one version of a model" in refused("serve", served / "1")
    assert "port 0 is not" in refused("serve", served, "--port", 0)
    assert "both have port 8501" in refused("serve", served, "--port", 8501)
    message = refused("serve", served, "--label", "canary")
    assert "--label canary is not NAME=VERSION" in message
    message = refused("serve", served, "--label", "a=1", "--label", "a=2")
    assert "'a' is given twice" in message
    message = refused("serve", served, "--label", "canary=7")
    assert "version 7 of films, which has 1, 2" in message
    assert "0 versions cannot answer" in refused("serve", served, "--latest", 0)
    message = refused("serve", served, "--batch", 64)
    assert "requests cannot be batched by the server, because input '" in message
    assert not list(served.rglob("batching.config"))
