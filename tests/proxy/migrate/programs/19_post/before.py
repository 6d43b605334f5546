import json
import os

import httpx

URL = f"{os.environ['BASE_URL']}/v1/complete"


def ask(question: str) -> str:
    payload = {
        "prompt": f"\n\nHuman: {question}\n\nAssistant:",
        "model": "claude-instant-1.2",
        "max_tokens_to_sample": 99,
        "temperature": 0.3,
    }
    response = httpx.post(URL, headers={"x-api-key": "k"}, content=json.dumps(payload), timeout=9)
    response.raise_for_status()
    answer = response.json()
    if answer["stop_reason"] == "stop_sequence":
        print("done")
    return answer["completion"].strip()


print(ask("Why?"))
headers = {
    "x-api-key": "k",
    "anthropic-version": "2023-01-01",
}
with httpx.Client() as session:
    reply = session.post(
        f"{os.environ['BASE_URL']}/v1/complete",
        headers=headers,
        json={"model": "claude-2", "prompt": "\n\nHuman: Hi\n\nAssistant:", "max_tokens_to_sample": 5},
    )
    print(reply.json().get("completion").strip())
