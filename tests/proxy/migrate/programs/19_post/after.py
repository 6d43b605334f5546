import json
import os

import httpx

URL = f"{os.environ['BASE_URL']}/v1/messages"


def ask(question: str) -> str:
    payload = {
        "messages": [{"role": "user", "content": question}],
        "stop_sequences": ["\n\nHuman:"],
        "model": "claude-haiku-4-5-20251001",
        "max_tokens": 99,
        "temperature": 0.3,
    }
    response = httpx.post(URL, headers={"x-api-key": "k", "anthropic-version": "2023-06-01"}, content=json.dumps(payload), timeout=9)
    response.raise_for_status()
    answer = response.json()
    if answer["stop_reason"] in ("end_turn", "stop_sequence"):
        print("done")
    return "".join(block["text"] for block in answer["content"] if block["type"] == "text").strip()


print(ask("Why?"))
headers = {
    "x-api-key": "k",
    "anthropic-version": "2023-06-01",
}
with httpx.Client() as session:
    reply = session.post(
        f"{os.environ['BASE_URL']}/v1/messages",
        headers=headers,
        json={"model": "claude-opus-4-8", "messages": [{"role": "user", "content": "Hi"}], "stop_sequences": ["\n\nHuman:"], "max_tokens": 5},
    )
    print("".join(block["text"] for block in reply.json()["content"] if block["type"] == "text").strip())
