"""Runs as a person starts them: killed, stopped, restarted, and in two processes."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest

from sslax.train import checkpoints
from sslax.train.run import build_run
from sslax.train.workdir import read_config

# What is run once for all tests here would else be run once a worker.
pytestmark = pytest.mark.xdist_group("processes")

ROOT = Path(__file__).parent.parent.parent
STEPS = 200
FIELDS = {
    "steps": STEPS,
    "log_every": 5,
    "checkpoint.every": 20,
    "evaluate.every": 0,
}


def start(folder, *flags, steps=STEPS):
    command = [sys.executable, "-m", "sslax", "pretrain"]
    command += ["--config=tests/train/tiny_config.py", f"--workdir={folder}"]
    fields = {**FIELDS, "steps": steps}
    command += [f"--config.{name}={value}" for name, value in fields.items()]
    env = {
        **os.environ,
        "JAX_PLATFORMS": "cpu",
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    return subprocess.Popen(
        command + list(flags),
        cwd=ROOT,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process):
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    return output


def rows(folder):
    file = Path(folder) / "metrics.jsonl"
    lines = file.read_text().splitlines() if file.exists() else []
    found = []
    for line in lines:
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:  # being written
            break
    return found


def wait_for_step(process, folder, step):
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        table = rows(folder)
        if table and table[-1]["step"] >= step:
            return
        if process.poll() is not None:
            pytest.fail(f"ended at {table[-1:]}: {process.communicate()[0]}")
        time.sleep(0.005)
    pytest.fail(f"step {step} was not reached in time")


def last_state(folder):
    """The newest checkpoint, on one device."""
    config = read_config(str(folder))
    run = build_run({**config, "batch_size": 16})
    manager = checkpoints.open_checkpoints(folder, read_only=True)
    sharding = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    target = jax.tree.map(
        lambda s: jax.ShapeDtypeStruct(s.shape, s.dtype, sharding=sharding),
        run.program.shapes,
    )
    state = checkpoints.restore_latest(manager, target)
    manager.close()
    return jax.device_get(state)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The run that was never stopped."""
    folder = tmp_path_factory.mktemp("whole")
    finish(start(folder))
    return folder


def test_stopped_killed_and_restarted_is_never_stopped(whole, tmp_path):
    process = start(tmp_path)
    wait_for_step(process, tmp_path, 5)
    process.send_signal(signal.SIGTERM)
    output = finish(process)
    assert "asked to stop" in output
    saved = max(int(p.name) for p in (tmp_path / "checkpoints").iterdir())
    assert saved == rows(tmp_path)[-1]["step"] < STEPS

    process = start(tmp_path)
    at = random.randrange(saved + 1, STEPS - 20)
    wait_for_step(process, tmp_path, at)
    process.kill()
    process.communicate()
    assert rows(tmp_path)[-1]["step"] < STEPS

    finish(start(tmp_path))
    expected, got = last_state(whole), last_state(tmp_path)
    assert int(got.step) == STEPS, f"killed at {at}"
    jax.tree.map(np.testing.assert_array_equal, got, expected)
    losses = {r["step"]: r["ssl/loss"] for r in rows(whole)}
    assert all(
        losses.get(r["step"], r["ssl/loss"]) == r["ssl/loss"] for r in rows(tmp_path)
    )


def free_port():
    with socket.socket() as s:
        s.bind(("localhost", 0))
        return s.getsockname()[1]


def test_two_processes_are_one_run(whole, tmp_path):
    steps = 6
    each = ["--config.log_every=1"]
    address = [f"--coordinator=localhost:{free_port()}", "--processes=2", *each]
    processes = [
        start(tmp_path, *address, f"--process_id={i}", steps=steps) for i in range(2)
    ]
    for process in processes:
        finish(process)
    alone = tmp_path / "alone"
    finish(start(alone, *each, steps=steps))
    table, expected = rows(tmp_path), rows(alone)
    assert [r["step"] for r in table] == [1, 2, 3, 4, 5, 6]
    for row, other in zip(table, expected, strict=True):
        # Sums in another order: rounding at the first step, carried on by training.
        near = 1e-6 if row["step"] == 1 else 1e-4
        assert row["ssl/loss"] == pytest.approx(other["ssl/loss"], rel=near)
    assert table[0]["ssl/grad_norm"] == pytest.approx(
        expected[0]["ssl/grad_norm"], rel=1e-5
    )
    # What two processes saved can be read by one. A unit that is about to turn off may
    # do so a step later: a gradient jumps then, and the loss does not.
    two, one = last_state(tmp_path), last_state(alone)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-2, atol=1e-2), two, one
    )


def test_a_signal_to_one_process_stops_both_and_one_process_goes_on(tmp_path):
    # Several steps a call: the processes agree on the number of a call, not of a step.
    each = ["--config.log_every=10", "--config.steps_per_call=2"]
    address = [f"--coordinator=localhost:{free_port()}", "--processes=2"]
    processes = [
        start(tmp_path, *address, *each, f"--process_id={i}") for i in range(2)
    ]
    wait_for_step(processes[0], tmp_path, 10)
    processes[1].send_signal(signal.SIGTERM)
    outputs = [finish(process) for process in processes]
    assert all("asked to stop" in output for output in outputs)
    saved = max(int(p.name) for p in (tmp_path / "checkpoints").iterdir())
    assert 10 <= saved < STEPS
    # On another number of devices, from the step that both had saved.
    finish(start(tmp_path, *each))
    steps = [row["step"] for row in rows(tmp_path)]
    assert steps == sorted(set(steps))
    assert saved in steps
    assert int(last_state(tmp_path).step) == steps[-1] == STEPS


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pretrian"], "did you mean 'pretrain'"),
        (["configs", "--dir=nowhere"], "no configs in 'nowhere'"),
        (
            [
                "pretrain",
                "--config=configs/simclr.py",
                "--workdir=x",
                "--config.batchsize=2",
            ],
            "did you mean 'batch_size'",
        ),
        (["evaluate", "--workdir=nowhere"], "holds no run"),
        (["prepare"], "give one name"),
    ],
)
def test_mistakes_on_the_command_line_are_one_line(arguments, message):
    code = "from sslax.commands.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_configs_are_listed():
    code = "from sslax.commands.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "configs"],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "80"},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [line.strip() for line in done.stdout.splitlines()]
    place = lines.index("simclr  SimCLR. Chen et al., 2020, arXiv:2002.05709.")
    assert lines[place + 1].split(maxsplit=1) == [
        ":imagenet",
        "imagenet2012/train*, batch 4,096",
    ]
    assert "published linear probe" in " ".join(lines[place + 2 : place + 4])
    assert lines[-1].startswith("* prepared once by `sslax prepare SET`: cifar10, ")
    assert "common" not in done.stdout
