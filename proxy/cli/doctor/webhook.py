"""Try whether the receiver of notices can be reached; nothing is sent to it."""

from __future__ import annotations

from proxy.cli.doctor.finding import Finding, Level
from proxy.cli.doctor.upstreams import REMEDIES
from proxy.config.runtime import NoticeReceiver
from proxy.errors import UpstreamUnreachable
from proxy.notices.ledger import Pace
from proxy.upstream.client import UpstreamClient
from proxy.upstream.transport import Timeouts


async def try_webhook(receiver: NoticeReceiver | None) -> Finding:
    """Return whether a connection to the receiver of notices can be made."""
    if receiver is None:
        return Finding(Level.OK, "notices", "nobody gets any (`notify_url`)")
    client = UpstreamClient(receiver.origin, Timeouts(connect=Pace().attempt))
    try:
        await client.connect()
    except UpstreamUnreachable as exc:
        remedy = REMEDIES[exc.reason].format(setting="notify_url", peer="receiver")
        return Finding(Level.FAILED, "notices", exc.detail, remedy)
    finally:
        await client.close()
    text = f"{receiver.origin} is reached; `holdover notify` sends a test there"
    return Finding(Level.OK, "notices", text)
