import contextlib
import importlib
import io
import subprocess
import sys
from types import SimpleNamespace

import pytest

from tfrec.benchmarks import timing


@pytest.fixture
def in_this_process(monkeypatch):
    """What a case measures in a process of its own runs here, where TensorFlow is.

    So the peak of memory is that of this process, and says nothing: it is measured by
    ``tfrec bench speed``.
    """

    def run(command, **options):
        _, flag, module, *arguments = command
        assert flag == "-m"
        said = io.StringIO()
        with monkeypatch.context() as patch, contextlib.redirect_stdout(said):
            patch.setattr(sys, "argv", [module, *arguments])
            importlib.import_module(module).main()
        return subprocess.CompletedProcess(command, 0, said.getvalue(), "")

    monkeypatch.setattr(timing, "subprocess", SimpleNamespace(run=run))
