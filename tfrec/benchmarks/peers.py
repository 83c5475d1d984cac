"""Other libraries to compare with: kept beside the environment, run by themselves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tfrec import atomic
from tfrec.benchmarks.timing import LeftOut, Work


@dataclass(frozen=True)
class Peer:
    """A library that is installed into the user's cache, and into no environment.

    Attributes:
        title: What people call it.
        name: Its package.
        version: Its version.
        needs: What is installed with it; all else it imports stands in ours.
    """

    title: str
    name: str
    version: str
    needs: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        """Where it is kept."""
        cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        return Path(cache) / "tfrec" / f"{self.name}-{self.version}"

    @property
    def installed(self) -> bool:
        """Whether it is there already."""
        return (self.folder / self.name).is_dir()

    def install(self) -> None:
        """Installs it without its further dependencies.

        Raises:
            LeftOut: It cannot be fetched.
        """
        if self.installed:
            return
        target, wanted = self.folder, f"{self.name}=={self.version}"
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
        with atomic.beside(target) as new:
            done = subprocess.run(
                [*pip, "--target", str(new), wanted, *self.needs],
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
                raise LeftOut(
                    f"the comparison with {self.title} is left out, because pip cannot "
                    f"install {wanted} ({reason}): try again with network."
                )
            atomic.replace(new, target)

    @contextmanager
    def worker(self, module: str, **arrays: Any) -> Iterator[Work]:
        """The library in a process of its own.

        Args:
            module: What is run there with the path of an ``.npz`` of the arrays. It
                trains an epoch and answers with a line of JSON for every line it reads.
            **arrays: What it gets.

        Yields:
            What trains an epoch and returns the answer.
        """
        paths = [str(self.folder), os.environ.get("PYTHONPATH", "")]
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
            "TF_USE_LEGACY_KERAS": "1",
        }
        with tempfile.TemporaryDirectory() as directory:
            file, said = Path(directory) / "arrays.npz", Path(directory) / "stderr"
            np.savez(file, **arrays)
            with (
                said.open("w") as errors,
                subprocess.Popen(
                    [sys.executable, "-m", module, str(file)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    text=True,
                    env=environment,
                ) as process,
            ):

                def epoch() -> Any:
                    assert process.stdin is not None and process.stdout is not None
                    # Not through the buffer, which would fail again when it is closed.
                    # A process that has ended has nothing to read from, and says why
                    # below.
                    with suppress(BrokenPipeError):
                        os.write(process.stdin.fileno(), b"\n")
                    answer = process.stdout.readline()
                    if not answer:
                        end = said.read_text("utf8").strip()[-500:]
                        raise RuntimeError(
                            f"{self.title} {self.version} has failed: {end}"
                        )
                    return json.loads(answer)

                yield epoch


PYTORCH = Peer(
    "PyTorch",
    "torch",
    "2.13.0",
    (
        *("filelock", "fsspec", "jinja2", "markupsafe", "mpmath", "networkx", "sympy"),
        "typing_extensions",
    ),
)
"""Built for processors: pip's default on macOS; on Linux name PyTorch's index of such
wheels in ``PIP_EXTRA_INDEX_URL``, for those built for graphics cards do not load
without the libraries of their maker."""
