"""Many tables at a time: what the jobs are, and how they run, end and go on."""

from pathlib import Path

import pytest

from experiments import data_scaling, evolve, learning, side_by_side
from experiments.side_by_side import Farm, Job
from sslax.commands.options import parse
from sslax.commands.overrides import load_config

JOBS = side_by_side.jobs_of(Path("/somewhere"))
STUDIES = {
    "experiments.learning": learning.parse,
    "experiments.data_scaling": data_scaling.parse,
    "experiments.evolve": evolve.parse,
}


def commands(*modules):
    every = [words for job in JOBS.values() for words in job.commands]
    return [words for words in every if words[0] in modules]


@pytest.mark.parametrize("words", commands("sslax"), ids=lambda words: words[3][-20:])
def test_runs_are_commands_that_are_understood(words):
    _, command, *rest = words
    options = parse(command, rest)
    if command == "pretrain":
        assert load_config(options.config, options.overrides)


@pytest.mark.parametrize("words", commands(*STUDIES), ids=" ".join)
def test_studies_are_commands_that_are_understood(words):
    module, *rest = words
    assert STUDIES[module](rest)


def test_what_comes_before_a_job_is_a_job_and_begins_first():
    seen = set()
    for name, job in JOBS.items():
        assert set(job.after) <= seen
        seen.add(name)


def test_patterns_bring_what_comes_before():
    found = side_by_side.wanted(JOBS, "tune/mae/10,evolve")
    assert [*found] == ["masked/mae", "evolve", "choose/mae", "tune/mae/10"]
    with pytest.raises(ValueError, match="no job matches 'nothing'"):
        side_by_side.wanted(JOBS, "nothing")


def python(*words):
    """A job that takes hardly any time: a module with words."""
    return Job([["timeit", "-n1", "-r1", *words]])


def write(file, text):
    return f"open({str(file)!r}, 'a').write({text!r})"


def ran(tmp_path, jobs, *, seconds=60.0, slots=2):
    said = []
    whole = Farm(tmp_path / "farm", slots, said.append).run(jobs, seconds)
    return whole, " ".join(said)


def test_jobs_run_after_those_before_them_and_once(tmp_path):
    file = tmp_path / "order"
    jobs = {
        "b/1": python(write(file, "b"))._replace(after=["a"]),
        "a": python("-s", "import time; time.sleep(0.3)", write(file, "a")),
    }
    assert ran(tmp_path, jobs)[0]
    assert file.read_text() == "ab"
    assert "loop" in (tmp_path / "farm/logs/b_1.log").read_text()
    assert ran(tmp_path, jobs)[0]
    assert file.read_text() == "ab"


def test_a_job_that_fails_is_told_and_keeps_those_behind_it(tmp_path):
    file = tmp_path / "order"
    jobs = {
        "bad": python("1 / 0"),
        "behind": python(write(file, "behind"))._replace(after=["bad"]),
        "other": python(write(file, "other")),
    }
    whole, said = ran(tmp_path, jobs)
    assert not whole
    assert "bad failed with 1" in said
    assert "left: behind" in said
    assert file.read_text() == "other"
    assert "ZeroDivisionError" in (tmp_path / "farm/logs/bad.log").read_text()


def test_the_time_over_ends_what_runs_and_another_call_goes_on(tmp_path):
    file = tmp_path / "order"
    long = python("-s", "import time; time.sleep(600)", "pass")
    whole, said = ran(tmp_path, {"long": long}, seconds=0.5)
    assert not whole
    assert "long is cut off" in said
    assert ran(tmp_path, {"long": python(write(file, "short"))})[0]
    assert file.read_text() == "short"
