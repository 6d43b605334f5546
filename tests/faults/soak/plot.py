"""Draw what a soak has read: `python -m tests.faults.soak.plot CSV PICTURE` (group `bench`)."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.faults.soak.samples import DESCRIPTORS, MEMORY, SIZE, THREADS, read_file


def draw(csv: Path, picture: Path) -> None:
    """One row for each measure; a line for each subject, broken where its process was replaced."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - only those who want a picture need it

    readings = read_file(csv)
    measures = (MEMORY, DESCRIPTORS, THREADS, SIZE)
    figure = Figure(figsize=(8, 7), layout="constrained")
    for axes, measure in zip(figure.subplots(len(measures), 1, sharex=True), measures, strict=True):
        of_measure = [one for one in readings if one.measure == measure]
        for number, subject in enumerate(dict.fromkeys(one.subject for one in of_measure)):
            of_subject = [one for one in of_measure if one.subject == subject]
            for pid in dict.fromkeys(one.pid for one in of_subject):
                points = [one for one in of_subject if one.pid == pid]
                axes.plot(
                    [one.seconds / 60 for one in points],
                    [one.value for one in points],
                    color=f"C{number}",
                    label=subject if pid == of_subject[0].pid else None,
                    linewidth=0.8,
                )
        axes.set_ylabel(measure if measure != SIZE else "MiB on disk")
        axes.set_ylim(bottom=0)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize=8)
    axes.set_xlabel("minutes")
    figure.savefig(picture, dpi=56)


if __name__ == "__main__":
    draw(Path(sys.argv[1]), Path(sys.argv[2]))
