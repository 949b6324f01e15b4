"""The study of data scaling: its grid, what it skips, its table and page."""

import json

import pytest

from experiments import data_scaling, scaling_cells, scaling_page
from experiments.scaling_cells import Cell, Settings


def parsed(*words):
    return data_scaling.parse(["--workdir=w", *words])


def test_processes_share_the_grid_and_its_long_cells():
    words = ("--fractions", "0.1", "1", "--sizes", "atto", "tiny", "--steps", "9", "90")
    whole = data_scaling.grid(parsed(*words))
    assert len(whole) == len({cell.name for cell in whole}) == 8
    halves = [data_scaling.grid(parsed(*words, "--cells", c)) for c in ("1/2", "2/2")]
    assert sorted(halves[0] + halves[1]) == sorted(whole)
    assert [sum(c.steps == 90 for c in half) for half in halves] == [2, 2]
    with pytest.raises(SystemExit):
        parsed("--cells", "3/2")


def test_what_is_complete_is_skipped_and_other_settings_are_refused(tmp_path):
    cells = [Cell("synthetic", "mae", "atto", f, 9, 0) for f in (0.5, 1.0)]
    measured = []

    def measure(cell, settings, folder):
        measured.append(cell)
        return {"accuracy": 1.0}

    def go(settings, cells=cells):
        run = data_scaling.run
        return run(cells, settings, tmp_path, made={}, measure=measure, say=str)

    go(Settings(), cells[:1])
    go(Settings())
    assert measured == cells
    with pytest.raises(ValueError, match="measured with tune_steps=1000, not 5"):
        go(Settings(tune_steps=5))


@pytest.mark.parametrize("method", ["mae", "simmim"])
def test_cells_differ_in_data_net_and_length_alone(method):
    settings = Settings(batch_size=8)
    small = scaling_cells.pretraining(
        Cell("synthetic:16:80", method, "atto", 0.25, 120, 0), settings
    )
    large = scaling_cells.pretraining(
        Cell("synthetic:16:80", method, "nano", 1.0, 1200, 0), settings
    )
    assert (small["examples"], large["examples"]) == (20, 80)
    assert small["data"]["test"] == large["data"]["test"]
    assert (small["steps"], large["steps"]) == (120, 1200)
    assert large["steps_per_epoch"] == 10 * small["steps_per_epoch"]
    assert small["method"]["encoder"]["width"] < large["method"]["encoder"]["width"]
    for name in ("views", "seed", "batch_size"):
        assert small[name] == large[name]
    with pytest.raises(ValueError, match="tiny"):
        scaling_cells.pretraining(Cell("synthetic", method, "tine", 1, 9, 0), settings)


def row(size, fraction, steps, held_out, accuracy):
    cell = Cell("set", "mae", size, fraction, steps, 0)
    found = {
        "images": int(100 * fraction),
        "parameters": {"atto": 10, "nano": 20}[size],
    }
    found |= {"train_loss": held_out - 0.1, "held_out_loss": held_out}
    found |= {"accuracy": accuracy, "command": "the <command>", "machine": {"cpu": "x"}}
    return {**cell._asdict(), **Settings()._asdict(), **found}


def test_table_and_page_say_where_a_longer_run_is_worse(tmp_path):
    rows = [row("atto", 0.1, 9, 0.5, 70.0), row("atto", 0.1, 90, 0.6, 60.0)]
    rows += [row("nano", 1.0, 9, 0.5, 70.0), row("nano", 1.0, 90, 0.4, 80.0)]
    said = []
    data_scaling.draw(rows, tmp_path, said.append)
    assert (
        "| atto | 0.00 M | 10 | 90 | 1,152 | 0.5000 | 0.6000 | 0.1000 | 60.0 |"
        in (said[0])
    )
    assert "has not the least held-out loss: atto, 10 %." in said[0]
    assert "with accuracy over 4 rows: -1.00" in said[0]
    text = (tmp_path / "data_scaling.html").read_text()
    assert text.count("<svg") == 4
    assert "the &lt;command&gt;" in text
    assert json.loads((tmp_path / "data_scaling.json").read_text()) == rows
    seeds = [rows[0], {**rows[0], "seed": 1, "accuracy": 72.0}]
    [mean] = scaling_page.means(seeds)
    assert (mean["accuracy"], mean["seeds"]) == (71.0, 2)


@pytest.mark.slow
def test_two_cells_are_trained_fine_tuned_and_drawn(tmp_path, capsys):
    words = [f"--workdir={tmp_path}", "--data", "synthetic:16:64", "--sizes", "atto"]
    words += ["--fractions", "0.25", "1", "--steps", "4", "--batch_size", "8"]
    words += ["--tune_steps", "8"]
    data_scaling.main(words)
    assert len(data_scaling.stored(tmp_path)) == 2
    for found in data_scaling.stored(tmp_path):
        assert found["train_loss"] > 0
        assert found["held_out_loss"] > 0
        assert 0 <= found["accuracy"] <= 100
    assert "mae on synthetic:16:64" in capsys.readouterr().out
