import os

from anthropic import Anthropic

client = Anthropic(api_key="k", base_url=os.environ["BASE_URL"])


def answer(question, limit=300):
    reply = client.messages.create(
        model="claude-opus-4-8",
        max_tokens=limit,  # enough
        messages=[{"role": "user", "content": f"{question}"}],
        stop_sequences=["\n\nHuman:"],
    )
    if reply.stop_reason in ("end_turn", "stop_sequence"):
        print("done")
    return "".join(block.text for block in reply.content if block.type == "text")


print(answer("Which colour has the sky?").strip())
print(answer(42).strip())
