"""`holdover notify`: send a test notice to the webhook, signed like any other."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

from proxy.cli.load_config import or_exit, runtime_config_or_exit, settings_or_exit
from proxy.notices.delivery import deliver
from proxy.notices.ledger import Pace
from proxy.notices.notice import instance_name, trial_notice
from proxy.terminal import exit_with_error, print_lines
from proxy.upstream.egress import check_egress

_FAILED_STATUS: Final = 1


def run_notify(config: Path | None, secrets: Path | None) -> None:
    """Send it once; exit with 1 if it is not taken, and with 2 if there is nobody to send it to."""
    receiver = runtime_config_or_exit(settings_or_exit(config, secrets)).receiver
    if receiver is None:
        exit_with_error("notify_url: is not set, so that nobody gets notices; set it")
    with or_exit():
        check_egress(receiver.origin)
    notice = trial_notice(instance_name())
    problem = asyncio.run(deliver(notice, receiver, Pace().attempt))
    if problem is not None:
        exit_with_error(f"the notice was not taken: {problem}", status=_FAILED_STATUS)
    print_lines(f"{receiver.origin} has taken the notice {notice.data.id}.")
