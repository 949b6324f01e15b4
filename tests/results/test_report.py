"""The report: whole, self-contained, and safe to open."""

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from sslax.evaluate.tasks import Pictures
from sslax.results.charts import line_chart, scatter_chart
from sslax.results.report import write_report

HEALTHY = dict(
    std=0.7, rankme=40.0, dimensions=64, dead=0.0, cosine=0.4, uniformity=-2.0
)
VOID = {"meta", "img", "line", "circle", "polyline", "br"}


def images(*lead, side=8, channels=1):
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (*lead, side, side, channels)).astype(np.uint8)


def arguments(**changes):
    given = dict(
        title="simclr <b>, step 40",
        config_text='{"note": "<script>alert(1)</script> & more"}',
        history=[
            {"step": 10, "ssl/loss": 5.5, "knn": 70.0},
            {"step": 20, "ssl/loss": float("nan"), "knn": None},
            {"step": 30, "ssl/loss": 4.5, "knn": 75.0, "note": "text"},
        ],
        results={
            "network": dict(knn=84.06, linear=87.0, linear_10_per_class=75.0) | HEALTHY,
            "random network": dict(knn=78.0, linear=80.0),
            "raw pixels": dict(knn=80.5, linear=84.1),
        },
        notes=["there is no <test> split"],
        pictures=[
            Pictures("Views", "seen", [("view", images(2)), ("view 2", images(2))]),
            Pictures(
                "Neighbours",
                "near",
                [("a <i>", images(4)), ("b", images(4))],
                apart=True,
            ),
        ],
        embedding=(
            np.random.default_rng(0).normal(size=(6, 2)),
            np.arange(6) % 2,
            ["cat", "dog"],
        ),
    )
    return given | changes


def written(tmp_path, **changes):
    path = tmp_path / "report.html"
    write_report(path, **arguments(**changes))
    return path.read_text()


class _Elements(HTMLParser):
    """Collects tags and attributes, and checks that every element is closed."""

    def __init__(self, text):
        super().__init__()
        self.found, self.open = [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    return written(tmp_path_factory.mktemp("report"))


def test_every_section_and_number_is_there(report):
    headings = re.findall("<h2>(.*?)</h2>", report)
    assert headings == [
        "Results", "Curves", "Views", "Neighbours", "Map of the features",
    ]  # fmt: skip
    assert re.findall("<h3>(.*?)</h3>", report) == ["ssl/loss", "kNN, %"]
    for text in ("84.1", "raw pixels 80.5 %", "random network", "coloured by class"):
        assert text in report
    assert 'class="warning"' not in report


def test_nothing_is_loaded_from_elsewhere_and_nothing_runs(report):
    elements = _Elements(report).found
    tags = {tag for tag, _ in elements}
    assert not tags & {"script", "link", "iframe", "object", "i>", "b>"}
    sources = [a[k] for _, a in elements for k in ("src", "href") if k in a]
    assert sources
    assert all(s.startswith("data:image/png;base64,") for s in sources)
    assert "url(" not in report
    assert "http" not in report


def test_what_users_write_is_escaped(report):
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; more" in report
    assert "simclr &lt;b&gt;, step 40" in report
    assert "a &lt;i&gt;" in report
    assert "<li>there is no &lt;test&gt; split</li>" in report


def test_pictures_hold_the_pixels_and_large_ones_are_reduced(tmp_path):
    view = images(1, channels=3)
    large = images(1, side=300, channels=3)
    shown = [Pictures("Views", "", [("a", view), ("b", large)])]
    text = written(tmp_path, pictures=shown)
    found = [
        Image.open(io.BytesIO(base64.b64decode(data)))
        for data in re.findall('src="data:image/png;base64,(.*?)"', text)
    ]
    np.testing.assert_array_equal(np.asarray(found[0]), view[0])
    assert found[1].size == (128, 128)


def test_missing_parts_are_left_out(tmp_path):
    text = written(tmp_path, history=[], pictures=[], embedding=None, notes=[])
    assert re.findall("<h2>(.*?)</h2>", text) == ["Results", "Curves"]
    assert "No metrics were logged" in text
    _Elements(text)


def test_a_collapse_is_announced(tmp_path):
    text = written(tmp_path, warnings=["complete <collapse>"])
    assert "Warning: complete &lt;collapse&gt;." in text


def test_a_map_without_labels_is_drawn(tmp_path):
    points = np.random.default_rng(0).normal(size=(6, 2))
    text = written(tmp_path, embedding=(points, None, None))
    assert text.count("<circle") >= 6
    assert "coloured" not in text


def test_a_curve_is_drawn_to_scale_with_its_levels():
    chart = line_chart(
        {"knn": [(0.0, 0.0), (10.0, 10.0), (20.0, 5.0)]}, levels={"raw": 2.5}
    )
    (path,) = re.findall('points="(.*?)"', chart)
    placed = np.asarray([p.split(",") for p in path.split()], float)
    x, y = placed.T
    assert x[1] - x[0] == pytest.approx(x[2] - x[1], abs=0.2)
    # Up is a smaller y; the second half falls half as far as the first rose.
    assert y[1] < y[0]
    assert y[0] - y[1] == pytest.approx(2 * (y[2] - y[1]), abs=0.3)
    level = float(re.search('class="level".*?y1="(.*?)"', chart).group(1))
    assert y[0] - level == pytest.approx((y[0] - y[1]) / 4, abs=0.2)
    assert "raw" in chart
    _Elements(chart)


def test_charts_hold_for_one_point_and_many(rng):
    _Elements(line_chart({"loss": [(5.0, 1.0)]}))
    many = line_chart({"loss": [(float(i), i % 7.0) for i in range(5000)]})
    (path,) = re.findall('points="(.*?)"', many)
    assert len(path.split()) <= 601
    labels = np.arange(30) - 1
    chart = scatter_chart(rng.normal(size=(30, 2)), labels)
    _Elements(chart)
    assert chart.count("<circle") == 30
    assert "no label" in chart
    assert "legend" not in chart
    same = scatter_chart(np.zeros((3, 2)), np.zeros(3, int), class_names=["a"])
    assert "nan" not in same
