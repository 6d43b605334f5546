import os

import anthropic

client = anthropic.Anthropic(api_key="k", base_url=os.environ["BASE_URL"])
try:
    response = client.messages.create(
        messages=[{"role": "user", "content": "Name three rivers."}],
        stop_sequences=["\n\nHuman:"],
        model="claude-haiku-4-5-20251001",
        max_tokens=200,
    )
    print("".join(block.text for block in response.content if block.type == "text").strip(), response.stop_reason in ("end_turn", "stop_sequence"))
except anthropic.APIStatusError as exc:
    print(exc)
