import os

from anthropic import Anthropic

client = Anthropic(api_key="k", base_url=os.environ["BASE_URL"])
question = "Name a tree."
params = {
    "model": "claude-opus-4-8",
    "messages": [{"role": "user", "content": question}],
    "max_tokens": 30,
    "stop_sequences": ["END", "\n\nHuman:"],
    "metadata": {"user_id": "u-1"},
}
message = client.messages.create(**params)
print("".join(block.text for block in message.content if block.type == "text").strip())
