"""Shows that the tests notice faults.

Makes each fault of the lists in tests/mutants, one at a time and in a scratch copy,
and runs the tests that should notice it. A fault ("mutant") that no test notices has
survived: a test is missing. Ends with 1 if any has survived or is invalid.
"""

from __future__ import annotations

import signal
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import click
from copies import Copies
from mutants import Mutant, load

ROOT = Path(__file__).parents[2]
LIBRARIES = "tensorflow,tf_keras,tensorflow_recommenders,pyarrow.compute"


@click.command(help=__doc__)
@click.option("--only", default="", help="Text in the file or the meaning of mutants.")
@click.option("--jobs", default=2, show_default=True, help="Mutants at a time.")
@click.option("--list", "listing", is_flag=True, help="Show the mutants, run nothing.")
@click.option("--root", default=ROOT, type=Path, help="The project; this one if none.")
@click.option("--libraries", default=LIBRARIES, help="What is loaded once for all.")
def main(only: str, jobs: int, listing: bool, root: Path, libraries: str) -> None:
    mutants = load(root / "tests" / "mutants")
    mutants = [m for m in mutants if only in m.file or only in m.means]
    if not mutants:
        raise click.UsageError(f"no mutant's file or meaning has '{only}' in it.")
    if listing:
        for mutant in mutants:
            click.echo(f"{mutant.file}: {mutant.means}")
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    began = time.monotonic()
    verdicts = run(mutants, root, jobs, libraries)
    counts = {v: verdicts.count(v) for v in ("noticed", "survived", "invalid")}
    for mutant, verdict in zip(mutants, verdicts, strict=True):
        if verdict == "survived":
            click.echo(f"\nSurvived in {mutant.file}: {mutant.means}")
            click.echo(f"    {mutant.find}  ->  {mutant.replace}")
            click.echo(f"    {' '.join(mutant.tests)}")
    each = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    seconds = time.monotonic() - began
    click.echo(f"{len(mutants)} mutants: {each}, in {seconds:.0f} s")
    sys.exit(counts["noticed"] < len(mutants))


def run(mutants: list[Mutant], root: Path, jobs: int, libraries: str) -> list[str]:
    """The verdict on each mutant; exits with 2 if a test fails without any of them."""
    tests = sorted({test for mutant in mutants for test in mutant.tests})
    jobs = min(jobs, len(mutants))
    pool = ThreadPoolExecutor(jobs)
    with tempfile.TemporaryDirectory(prefix="mutants") as folder:
        copies = Copies(root, jobs, Path(folder).resolve(), libraries)
        try:
            parts = [tests[k::jobs] for k in range(min(jobs, len(tests)))]
            wrong = [each for each in pool.map(copies.unchanged, parts) if each]
            if wrong:
                click.echo("\n".join(["These fail without any mutant:", *wrong]))
                sys.exit(2)
            click.echo(f"{len(tests)} named tests and files pass without any mutant.")
            judged = {pool.submit(copies.judge, mutant): mutant for mutant in mutants}
            for done in as_completed(judged):
                verdict, why, seconds = done.result()
                mutant = judged[done]
                click.echo(f"{verdict:8} {mutant.file}: {mutant.means}")
                click.echo(f"         {why}, {seconds:.0f} s")
            return [each.result()[0] for each in judged]
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            copies.stop()
            pool.shutdown()


if __name__ == "__main__":
    main()
