"""Which signal leads a server where."""

from signal import SIGINT, SIGTERM

import pytest

from proxy.server.phases import Phase, phase_after


@pytest.mark.parametrize(
    ("phase", "signum", "then"),
    [
        (Phase.SERVING, SIGTERM, Phase.DRAINING),
        (Phase.SERVING, SIGINT, Phase.STOPPING),
        *(
            (phase, signum, Phase.ENDING)
            for phase in Phase
            if phase
            for signum in (SIGTERM, SIGINT)
        ),
    ],
)
def test_the_first_signal_is_polite_and_the_second_is_not(phase, signum, then):
    assert phase_after(phase, signum) is then
