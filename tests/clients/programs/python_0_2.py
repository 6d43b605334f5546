"""
What a person's program sees of `anthropic` 0.2.x.

Reads one JSON object from standard input (`base_url`, `api_key`, `calls`) and prints one:
`seen`, a list with what came of each call.
"""

import asyncio
import json
import sys

import anthropic


def main():
    script = json.load(sys.stdin)
    client = anthropic.Client(script["api_key"], api_url=script["base_url"])
    with asyncio.Runner() as loop:
        seen = [ask(client, loop, call) for call in script["calls"]]
    json.dump({"seen": seen}, sys.stdout)


def ask(client, loop, call):
    events = []
    error = None
    try:
        match call["way"]:
            case "whole":
                events.append(client.completion(**call["params"]))
            case "streamed":
                stream = client.completion_stream(**call["params"])
                for event in stream:
                    events.append(event)
                    if len(events) == call["read"]:
                        stream.close()
                        break
            case "async whole":
                events.append(loop.run(client.acompletion(**call["params"])))
            case "async streamed":
                loop.run(read(client, call, events))
    except Exception as exc:  # noqa: BLE001 - all of them are what the person sees
        error = describe(exc)
    # In this generation every event repeats the text so far, and the last one is the answer.
    pieces = [event.get("completion") for event in events]
    return {
        "text": pieces[-1] if pieces else None,
        "pieces": pieces,
        "returned": events[-1] if events else None,
        "error": error,
    }


async def read(client, call, events):
    stream = await client.acompletion_stream(**call["params"])
    async for event in stream:
        events.append(event)
        if len(events) == call["read"]:
            await stream.aclose()
            break


def describe(exc):
    body = exc.args[1] if len(exc.args) > 1 else None
    return {
        "classes": [cls.__name__ for cls in type(exc).__mro__],
        "status": None,
        "message": str(exc.args[0]) if exc.args else "",
        "body": body if isinstance(body, dict) else None,
    }


main()
