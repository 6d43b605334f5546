from __future__ import annotations

from dataclasses import replace

import pytest

from tests.benchmarks.plot import draw
from tests.benchmarks.test_samples import SAMPLE


def test_a_picture_is_drawn_where_that_is_installed(tmp_path):
    pytest.importorskip("matplotlib")
    loads = ("whole", "bursts")
    samples = tuple(
        replace(SAMPLE, load=load, contender=name) for load in loads for name in ("bare", "naive")
    )

    draw(samples, tmp_path / "run.png")

    assert (tmp_path / "run.png").read_bytes().startswith(b"\x89PNG")
