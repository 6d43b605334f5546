"""
What a person's program sees of `anthropic` from 0.3 to 0.125, the generated releases.

Reads one JSON object from standard input (`base_url`, `api_key` or `auth_token`, `max_retries`,
`headers`, `strict`, `calls`) and prints one: `seen`, a list with what came of each call.
"""

import asyncio
import json
import sys

import anthropic


def main():
    script = json.load(sys.stdin)
    options = {
        "base_url": script["base_url"],
        "max_retries": script["max_retries"],
        "default_headers": script["headers"],
        "_strict_response_validation": script["strict"],
    }
    credential = {name: script[name] for name in ("api_key", "auth_token") if script.get(name)}
    client = anthropic.Anthropic(**credential, **options)
    async_client = anthropic.AsyncAnthropic(**credential, **options)
    with asyncio.Runner() as loop:
        seen = [
            loop.run(ask_async(async_client, call))
            if call["way"].startswith("async")
            else ask(client, call)
            for call in script["calls"]
        ]
        loop.run(async_client.close())
    json.dump({"seen": seen}, sys.stdout)


def ask(client, call):
    pieces, last, headers, error = [], None, None, None
    completions = client.completions
    if call["way"].startswith("raw"):
        completions = completions.with_raw_response
    try:
        answer = completions.create(**call["params"], stream=call["way"].endswith("streamed"))
        if call["way"].startswith("raw"):
            headers = dict(answer.headers)
            answer = answer.parse()
        if call["way"].endswith("whole"):
            last = answer
            pieces.append(last.completion)
        else:
            for last in answer:
                pieces.append(last.completion)
                if len(pieces) == call["read"]:
                    answer.response.close()
                    break
    except Exception as exc:  # noqa: BLE001 - all of them are what the person sees
        error = describe(exc)
    return report(pieces, last, headers, error)


async def ask_async(client, call):
    pieces, last, error = [], None, None
    try:
        if call["way"].endswith("whole"):
            last = await client.completions.create(**call["params"])
            pieces.append(last.completion)
        else:
            stream = await client.completions.create(**call["params"], stream=True)
            async for last in stream:
                pieces.append(last.completion)
                if len(pieces) == call["read"]:
                    await stream.response.aclose()
                    break
    except Exception as exc:  # noqa: BLE001 - all of them are what the person sees
        error = describe(exc)
    return report(pieces, last, None, error)


def report(pieces, last, headers, error):
    return {
        "text": "".join(pieces),
        "pieces": pieces,
        "returned": None if last is None else dict(last),
        "headers": headers,
        "request_id": getattr(last, "_request_id", None),
        "error": error,
    }


def describe(exc):
    body = getattr(exc, "body", None)
    return {
        "classes": [cls.__name__ for cls in type(exc).__mro__],
        "status": getattr(exc, "status_code", None),
        "message": str(exc),
        "body": body if isinstance(body, dict) else None,
    }


main()
