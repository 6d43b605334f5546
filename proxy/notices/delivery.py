"""One attempt to bring a notice to its receiver."""

from __future__ import annotations

import asyncio
import time

from proxy.config.runtime import NoticeReceiver
from proxy.errors import InvalidSettings, UpstreamFailure
from proxy.notices.notice import Notice, signed
from proxy.upstream.client import UpstreamClient
from proxy.upstream.transport import Timeouts


async def deliver(notice: Notice, receiver: NoticeReceiver, seconds: float) -> str | None:
    """
    Send a notice once; return None if it was taken, else why it was not, without the URL's path.

    Redirects are not followed, and of the answer only the status is read.
    """
    timeouts = Timeouts(connect=seconds, read=seconds)
    try:
        # In a thread, because the certificates of this machine are read.
        client = await asyncio.to_thread(UpstreamClient, receiver.origin, timeouts)
    except InvalidSettings as exc:
        return str(exc)
    try:
        async with asyncio.timeout(seconds):
            await client.connect()
            headers, body = signed(notice, receiver.secret, now=time.time())
            answer = await client.forward("POST", receiver.target, headers, body)
            await answer.close()
    except UpstreamFailure as exc:
        return exc.detail
    except TimeoutError:
        return f"{receiver.origin} did not answer in {seconds:g} seconds"
    finally:
        await client.close()
    return None if answer.is_success else f"{receiver.origin} answered {answer.status}"
