"""
What a person's program sees of LangChain's `Anthropic` LLM.

Reads one JSON object from standard input (`base_url`, `api_key`, `max_retries`, `calls`) and
prints one: `seen`, a list with what came of each call.
"""

import asyncio
import json
import sys

from langchain.llms import Anthropic


def main():
    script = json.load(sys.stdin)
    with asyncio.Runner() as loop:
        seen = [ask(script, loop, call) for call in script["calls"]]
    json.dump({"seen": seen}, sys.stdout)


def ask(script, loop, call):
    llm = Anthropic(
        anthropic_api_url=script["base_url"],
        anthropic_api_key=script["api_key"],
        **call["params"]["llm"],
    )
    # Its own way to ask for fewer retries does not exist; the client underneath has one.
    llm.client.max_retries = llm.async_client.max_retries = script["max_retries"]
    prompt, stop = call["params"]["prompt"], call["params"].get("stop")
    pieces, error = [], None
    try:
        match call["way"]:
            case "whole":
                pieces.append(llm.invoke(prompt, stop=stop))
            case "streamed":
                pieces.extend(llm.stream(prompt, stop=stop))
            case "async whole":
                pieces.append(loop.run(llm.ainvoke(prompt, stop=stop)))
            case "async streamed":
                loop.run(read(llm, prompt, stop, pieces))
    except Exception as exc:  # noqa: BLE001 - all of them are what the person sees
        error = describe(exc)
    return {"text": "".join(pieces), "pieces": pieces, "returned": None, "error": error}


async def read(llm, prompt, stop, pieces):
    async for piece in llm.astream(prompt, stop=stop):
        pieces.append(piece)


def describe(exc):
    body = getattr(exc, "body", None)
    return {
        "classes": [cls.__name__ for cls in type(exc).__mro__],
        "status": getattr(exc, "status_code", None),
        "message": str(exc),
        "body": body if isinstance(body, dict) else None,
    }


main()
