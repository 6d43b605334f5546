"""A picture of a run: what answers (or events) cost, and how many there are in a second."""

from __future__ import annotations

from pathlib import Path

from tests.benchmarks.samples import Sample, median_of, of_load


def draw(samples: tuple[Sample, ...], path: Path) -> None:
    """One row for each load; raises `ImportError` without the dependency group `bench`."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - only those who want a picture need it

    loads = list(dict.fromkeys(sample.load for sample in samples))
    figure = Figure(figsize=(11, 0.9 + 1.9 * len(loads)), layout="constrained")
    for axes, load in zip(figure.subplots(len(loads), 2, squeeze=False), loads, strict=True):
        of_one = of_load(samples, load)
        names = list(dict.fromkeys(sample.contender for sample in of_one))[::-1]
        colors = ["tab:blue" if name == "holdover" else "lightsteelblue" for name in names]
        rates = [median_of(of_one, "per_second", name) for name in names]
        costs = [median_of(of_one, "cpu_us", name) for name in names]
        for side, values, what in (
            (axes[0], rates, "per second"),
            (axes[1], costs, "CPU us each"),
        ):
            bars = side.barh(names, values, color=colors)
            side.bar_label(bars, fmt="{:,.0f}", padding=3)
            side.set_xlabel(what)
            side.margins(x=0.15)
            side.spines[["top", "right"]].set_visible(False)
        axes[0].set_title(load, loc="left", fontsize=10)
    figure.savefig(path, dpi=120)
