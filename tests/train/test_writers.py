"""Numbers are on disk when they are written, and a resumed run has no doubles."""

import struct

from tensorboardX.proto.event_pb2 import Event

from sslax.train import writers


def events(folder):
    """All events of a folder, by the order of its files."""
    found = []
    for file in sorted(folder.glob("events*")):
        data, at = file.read_bytes(), 0
        while at < len(data):
            (size,) = struct.unpack("<Q", data[at : at + 8])
            found.append(Event.FromString(data[at + 12 : at + 12 + size]))
            at += 12 + size + 4
    return found


def points(folder):
    """The steps that TensorBoard shows: a start forgets what comes after its step."""
    steps = []
    for event in events(folder):
        if event.HasField("session_log"):
            steps = [step for step in steps if step < event.step]
        steps += [event.step] * len(event.summary.value)
    return steps


def test_points_are_on_disk_before_the_writer_is_closed(tmp_path):
    writer = writers.tensorboard(tmp_path)
    for step in range(1, 31):
        writer.write(step, {"ssl/loss": 1.0 / step})
        assert points(tmp_path)[-1] == step
    writer.close()
    assert points(tmp_path) == list(range(1, 31))


def test_a_resumed_run_forgets_the_points_after_its_checkpoint(tmp_path):
    for start, stop in ((0, 7), (5, 9)):
        board = writers.tensorboard(tmp_path / "events", start=start)
        rows = writers.jsonl(tmp_path / "metrics.jsonl", start=start)
        both = writers.both(board, rows)
        for step in range(start + 1, stop + 1):
            both.write(step, {"ssl/loss": float(step)})
        both.close()
    assert points(tmp_path / "events") == list(range(1, 10))
    table = writers.read_jsonl(tmp_path / "metrics.jsonl")
    assert [row["step"] for row in table] == list(range(1, 10))
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []
