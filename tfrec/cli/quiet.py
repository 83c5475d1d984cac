"""TensorFlow without its start-up lines."""

from __future__ import annotations

import os
import re
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout

from tfrec.cli import interrupts

NOISE = re.compile(
    r"WARNING: All log messages before absl::InitializeLog"
    r"|[I]\d{4} "  # information, printed before the log level is read
    r"|\d{4}-\d\d-\d\d [\d:.]+: I "
    r"|.*Unable to register cu\w+ factory"  # plug-ins that two libraries register
    r"|.*failed call to cuInit.*\(303\)"  # no driver, so no GPU
    r"|To enable the following instructions"
)


def tensorflow() -> None:
    """Imports TensorFlow and Keras 2, start-up lines left out, errors kept.

    The lines are written by the C++ libraries while they load, whatever the log level
    says, so standard error is collected meanwhile and printed without them.
    """
    if "tensorflow" in sys.modules:
        return
    # Errors reach Python as exceptions; what C++ calls an error in its log may be that
    # some instruction is missing.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with _filtered_stderr() as stderr, interrupts.ending_at_once(stderr):
        from tfrec.backend import legacy_keras

        # Looking for GPUs writes such lines too, and the first operation looks.
        legacy_keras()
        sys.modules["tensorflow"].config.list_physical_devices()
    import logging

    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", category=DeprecationWarning)


@contextmanager
def data_sets() -> Iterator[None]:
    """Keeps what TFDS prints out of standard output, its bars for terminals alone."""
    import tensorflow_datasets as tfds

    if not sys.stderr.isatty():
        tfds.disable_progress_bar()
    with redirect_stdout(sys.stderr):
        yield


@contextmanager
def _filtered_stderr() -> Iterator[int]:
    """Leaves start-up lines out; yields a file descriptor that leaves nothing out."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as collected:
        os.dup2(collected.fileno(), 2)
        try:
            yield kept
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            collected.seek(0)
            for line in collected.read().decode(errors="replace").splitlines():
                if not NOISE.match(line):
                    print(line, file=sys.stderr)
