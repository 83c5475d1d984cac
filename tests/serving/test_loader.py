"""Exports in the C++ loader that TensorFlow Serving is built on, without Python."""

import shutil
import subprocess
from pathlib import Path

import pytest
import tensorflow as tf

COMPILER = shutil.which("g++")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(COMPILER is None, reason="g++ is not installed"),
]


@pytest.fixture(scope="module")
def loader(tmp_path_factory):
    """The program, compiled against TensorFlow's own wheel."""
    program = tmp_path_factory.mktemp("loader") / "loader"
    library = tf.sysconfig.get_lib()
    subprocess.run(
        [
            *(COMPILER, "-O0", "-w", str(Path(__file__).with_name("loader.cc"))),
            *tf.sysconfig.get_compile_flags(),
            *("-o", str(program), f"-L{library}", f"-Wl,-rpath,{library}"),
            # Sessions register themselves in a library that no symbol asks for.
            "-Wl,--no-as-needed",
            *("-l:libtensorflow_cc.so.2", "-l:libtensorflow_framework.so.2"),
        ],
        check=True,
        timeout=400,
    )

    def run(*arguments):
        words = [str(program), *map(str, arguments)]
        return subprocess.run(words, capture_output=True, text=True, timeout=120)

    return run


def test_it_gives_the_same_items(loader, export):
    features = export.queries(1)
    # The program gives one value for each input, so the history is of one item.
    if "history" in features:
        features["history"] = [features["history"][0][:1]]
    values = {name: value[0] for name, value in features.items()}
    if "history" in values:
        (values["history"],) = values["history"]
    words = [f"{name}={value}" for name, value in values.items()]
    done = loader(export.version, 7, *words)
    assert done.returncode == 0, done.stderr[-2000:]
    expected = export.served.recommend(features, 7).item_id[0]
    assert done.stdout.split() == [str(item) for item in expected]
    excluded = f"exclude={expected[0]}"
    done = loader(export.version, 6, *words, excluded)
    assert done.stdout.split() == [str(item) for item in expected[1:]]


def test_it_refuses_what_no_export_can_answer(loader, export, tmp_path):
    words = [f"{name}={value[0]}" for name, value in export.queries(1).items()]
    done = loader(export.version, 31, *words)
    assert done.returncode == 1 and "k is not between 1 and the 30" in done.stderr
    done = loader(tmp_path, 3)
    assert done.returncode == 1 and str(tmp_path) in done.stderr
