"""Many measured tables at a time, by processes that share one accelerator.

    python -m experiments.side_by_side --workdir=DIR [--only 'tune/*,race/*']
        [--slots 16] [--minutes 8] [--list]

Small networks leave most of an accelerator idle, and starting and compiling takes a
process longer than training does. So the studies of experiments/README.md that take a
laptop days are cut into jobs here, as many at once as there are slots, the longest
chains first. A job is commands as that page has them; what it prints is in
DIR/logs. The same command goes on: a job that is done is not run again, and one that
was cut off goes on where it was, but for rows of the race, which begin anew. `--table`
and `--merge` of the studies draw what is there.
"""

from __future__ import annotations

import argparse
import fnmatch
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from experiments import layers

MASKED = ("mae", "simmim", "convmae", "localmim", "deepmim", "ibot", "beit")
# Methods without a row, and those that have one seed.
RACE = {
    "beit": (0, 1),
    "localmim": (0, 1),
    "counting": (0, 1),
    "context_prediction": (0, 1),
    "exemplar": (0, 1),
    "jigsaw_clustering": (0, 1),
    "simclr_memory": (0, 1),
    "ibot": (1,),
    "jigsaw": (1,),
    "simmim": (1,),
    "mae": (1,),
    "colorization": (1,),
    "rotation": (1,),
    "classifier": (1,),
}
# A run of one piece spends most of its time between steps.
TOGETHER = {"steps_per_call": 10, "log_every": 390, "checkpoint.every": 1560}


class Job(NamedTuple):
    """Commands one after the other, words behind `python -m`, and what comes before."""

    commands: Sequence[Sequence[str]]
    after: Sequence[str] = ()


def pretrain(config: str, workdir: str, stage: str = "", **fields: Any) -> list[str]:
    """A run without its last evaluation, unless a field asks for it."""
    own = {**TOGETHER, "evaluate.final": False, **fields}
    changes = [f"--config.{stage}{name}={value}" for name, value in own.items()]
    return ["sslax", "pretrain", f"--config={config}", f"--workdir={workdir}", *changes]


def jobs_of(workdir: Path) -> dict[str, Job]:
    """All jobs by name, in the order in which they are begun."""
    jobs: dict[str, Job] = {}
    for part in (masked, depths, others, tuned, races, scaling):
        jobs |= part(workdir)
    return jobs


def masked(workdir: Path) -> dict[str, Job]:
    """Masked methods by their sample recipes, 60 epochs each."""
    jobs = {}
    for name in MASKED:
        stage = "beit." if name == "beit" else ""
        fields = {"epochs": 60, "evaluate.final": True}
        words = pretrain(
            f"configs/{name}.py:sample", f"{workdir}/{name}", stage, **fields
        )
        jobs[f"masked/{name}"] = Job([words])
    return jobs


def depths(workdir: Path) -> dict[str, Job]:
    """The study of layers."""
    names = [*layers.RECIPES]
    runs = {name: f"{workdir}/layers/{name}" for name in names}
    jobs = {
        f"layers/{name}": Job([pretrain(f"experiments/layers.py:{name}", run)])
        for name, run in runs.items()
    }
    page = f"--out={workdir}/layers/layers.html"
    words = ["sslax", "analyse", "--runs", *runs.values(), page]
    return {**jobs, "layers/analyse": Job([words], [*jobs])}


def others(workdir: Path) -> dict[str, Job]:
    """The search of Evolving Losses, longer than a laptop has it, and CUT."""
    longer = {"batch_size": 64, "examples": 2048, "data.train.length": 2048}
    longer |= {"epochs": 12, "log_every": 32}
    changes = [f"--set={name}={value}" for name, value in longer.items()]
    search = ["experiments.evolve", f"--workdir={workdir}/evolve", *changes]
    jobs = {"evolve": Job([search])}
    for seed in range(3):
        run = f"{workdir}/cut/{seed}"
        fields = {"seed": seed, "steps_per_call": 1, "log_every": 256}
        jobs[f"cut/{seed}"] = Job([pretrain("configs/cut.py:sample", run, **fields)])
    seeds = [name for name in jobs if name.startswith("cut/")]
    runs = [f"{workdir}/{name}" for name in seeds]
    measure = ["experiments.translation", "--workdirs", *runs]
    return {**jobs, "cut/measure": Job([measure], seeds)}


def tuned(workdir: Path) -> dict[str, Job]:
    """Fine-tuning of the masked runs, at rates that are chosen for each first."""
    jobs, chosen = {}, f"{workdir}/choose"
    for name in MASKED:
        run = f"{workdir}/{name}" + ("/beit" if name == "beit" else "")
        words = ["experiments.finetune", "--runs", run]
        choice = [*words, f"--workdir={chosen}", "--choose", "--percent", "10"]
        jobs[f"choose/{name}"] = Job([choice], [f"masked/{name}"])
        for percent in (10, 1, 100):
            own = [f"--workdir={workdir}/tune", f"--chosen={chosen}"]
            tune = [*words, *own, "--percent", str(percent)]
            jobs[f"tune/{name}/{percent}"] = Job([tune], [f"choose/{name}"])
    return dict(sorted(jobs.items(), key=lambda item: item[0].startswith("tune")))


def races(workdir: Path) -> dict[str, Job]:
    """Rows of the learning race, and both dtypes beside each other."""
    jobs = {}
    base = ["experiments.learning", "--steps", "780", "--shared"]
    for name, seeds in RACE.items():
        for seed in seeds:
            own = [f"--methods={name}", f"--first_seed={seed}"]
            file = f"{workdir}/race/{name}_{seed}.json"
            words = [*base, *own, "--results", file]
            jobs[f"race/{name}/{seed}"] = Job([words])
    for name in ("simclr", "mae"):
        for dtype in ("bfloat16", "float32"):
            own = [f"--methods={name}", "--seeds=3", f"--set=dtype={dtype}"]
            file = f"{workdir}/dtypes/{name}_{dtype}.json"
            words = [*base, *own, "--results", file]
            jobs[f"dtypes/{name}/{dtype}"] = Job([words])
    return jobs


def scaling(workdir: Path, processes: int = 6) -> dict[str, Job]:
    """The grid of data scaling, dealt to some processes."""
    words = ["experiments.data_scaling", f"--workdir={workdir}/scaling"]
    words += ["--data", "fashion_mnist_sample", "synthetic:32:4096"]
    words += ["--steps", "300", "3000", "--tune_steps", "500", "--per_call", "10"]
    return {
        f"scaling/{i}": Job([[*words, "--cells", f"{i}/{processes}"]])
        for i in range(1, processes + 1)
    }


def wanted(jobs: Mapping[str, Job], only: str) -> dict[str, Job]:
    """Those whose names match one of the patterns, with what comes before them."""
    patterns = only.split(",") if only else ["*"]
    names: set[str] = set()
    todo = [n for n in jobs if any(fnmatch.fnmatch(n, p) for p in patterns)]
    if not todo:
        raise ValueError(f"no job matches {only!r}; they are {', '.join(jobs)}")
    while todo:
        name = todo.pop()
        names.add(name)
        todo += jobs[name].after
    return {name: job for name, job in jobs.items() if name in names}


class Farm:
    """Runs jobs, as many at once as there are slots."""

    def __init__(self, workdir: Path, slots: int, say: Callable[[str], None]) -> None:
        self.workdir, self.slots, self.say = workdir, slots, say
        self.began = time.monotonic()
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self.failed: set[str] = set()

    def mark(self, name: str) -> Path:
        """The file that says that a job is done."""
        return self.workdir / "logs" / f"{name.replace('/', '_')}.done"

    def ready(self, jobs: Mapping[str, Job], todo: Sequence[str]) -> Iterator[str]:
        """What can begin, in order."""
        for name in todo:
            if all(self.mark(other).exists() for other in jobs[name].after):
                yield name

    def run(self, jobs: Mapping[str, Job], seconds: float) -> bool:
        """Runs all, or until the time is over; whether all are done."""
        (self.workdir / "logs").mkdir(parents=True, exist_ok=True)
        todo = [name for name in jobs if not self.mark(name).exists()]
        while time.monotonic() - self.began < seconds:
            self._collect()
            free = self.slots - len(self._running)
            for name in [*self.ready(jobs, todo)][:free]:
                todo.remove(name)
                self._running[name] = self._start(name, jobs[name])
            if not self._running:
                break
            time.sleep(0.2)
        for name, process in self._running.items():
            self.say(f"{self._now()} {name} is cut off")
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if self._running or todo:
            self.say(f"left: {', '.join([*self._running, *todo])}")
        return not (self._running or todo or self.failed)

    def _start(self, name: str, job: Job) -> subprocess.Popen[bytes]:
        commands = [[sys.executable, "-m", *words] for words in job.commands]
        program = "import subprocess, sys\n"
        program += f"for words in {commands!r}:\n    subprocess.run(words, check=True)"
        with self.mark(name).with_suffix(".log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-c", program],
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=self._environment(),
                start_new_session=True,
            )

    def _environment(self) -> dict[str, str]:
        """One cache of compiled programs; no process takes the device for itself."""
        folder = (self.workdir / "compiled").absolute()
        own = {
            "JAX_COMPILATION_CACHE_DIR": str(folder),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.3",
            "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
            "PYTHONUNBUFFERED": "1",
        }
        return {**own, **os.environ}

    def _collect(self) -> None:
        for name, process in [*self._running.items()]:
            code = process.poll()
            if code is None:
                continue
            del self._running[name]
            if code:
                self.failed.add(name)
                log = self.mark(name).with_suffix(".log")
                self.say(f"{self._now()} {name} failed with {code}: see {log}")
            else:
                self.mark(name).touch()
                self.say(f"{self._now()} {name}")

    def _now(self) -> str:
        return f"{time.monotonic() - self.began:6.0f} s"


def main(say: Callable[[str], None] = print) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workdir", type=Path, required=True)
    parser.add_argument("--only", default="", help="patterns of names, with commas")
    parser.add_argument("--slots", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--minutes", type=float, default=1e6)
    parser.add_argument("--list", action="store_true", help="name the jobs alone")
    args = parser.parse_args()
    jobs = wanted(jobs_of(args.workdir), args.only)
    if args.list:
        for name, job in jobs.items():
            say(f"{name}: {'; '.join(' '.join(words) for words in job.commands)}")
        return
    if not Farm(args.workdir, args.slots, say).run(jobs, 60 * args.minutes):
        raise SystemExit("some are left: the same command goes on")


if __name__ == "__main__":
    main()
