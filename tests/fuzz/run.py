"""Spoils files for as long as is wanted: ``make fuzz``, an hour by default.

Each kind of file has a process of its own, for what is read by C++ may end it. A file
that escapes stays in build/fuzz, under its kind, and is named.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
KEPT = ROOT / "build" / "fuzz"
ROUND = 200  # examples of one seed


def main() -> int:
    """Runs all kinds, or those named; 1 when a file escaped."""
    parser = argparse.ArgumentParser(description=__doc__)
    minutes = float(os.environ.get("FUZZ_MINUTES", "60"))
    parser.add_argument("--minutes", type=float, default=minutes)
    parser.add_argument("--kind", action="append", help="only this kind of file")
    parser.add_argument("--seed", type=int, help="of the first round of each kind")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]
    if options.child:
        return fuzz(options.kind[0], options.minutes * 60, options.seed)
    from kinds import KINDS

    names, escaped = options.kind or list(KINDS), False
    for name in names:
        seed = random.randrange(2**32) if options.seed is None else options.seed
        arguments = [f"--kind={name}", f"--minutes={options.minutes / len(names)}"]
        command = [sys.executable, __file__, "--child", f"--seed={seed}", *arguments]
        code = subprocess.run(command, check=False).returncode
        if code:
            print(f"{name}: ended with {code}; see {KEPT / name}", flush=True)
        escaped |= code != 0
    return int(escaped)


def fuzz(name: str, seconds: float, seed: int) -> int:
    """Spoils and reads files of one kind, in rounds of a seed each."""
    from hypothesis import HealthCheck, given, settings
    from hypothesis import seed as seeded
    from kinds import KINDS, outcome

    counts: Counter[str] = Counter()
    end, first = time.monotonic() + seconds, seed
    with tempfile.TemporaryDirectory() as folder:
        kind = KINDS[name](Path(folder))

        @settings(
            max_examples=ROUND,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(kind.contents())
        def every(content):
            if time.monotonic() < end:
                counts[outcome(kind, content)] += 1

        while time.monotonic() < end:
            shutil.rmtree(KEPT / name, ignore_errors=True)
            (KEPT / name).mkdir(parents=True)
            (KEPT / name / "seed").write_text(f"{seed}\n")
            try:
                seeded(seed)(every)()
            except BaseException:
                # Hypothesis reads the smallest such file last.
                keep(kind.path, KEPT / name)
                print(f"{name}: seed {seed} escaped, kept in {KEPT / name}", flush=True)
                raise
            seed += 1
    shutil.rmtree(KEPT / name)
    print(f"{name}: seeds {first} to {seed - 1}, {json.dumps(counts)}", flush=True)
    return 0


def keep(path: Path, folder: Path) -> None:
    """Copies a spoiled file or folder."""
    if path.is_dir():
        shutil.copytree(path, folder / path.name)
    else:
        shutil.copy(path, folder)


if __name__ == "__main__":
    sys.exit(main())
