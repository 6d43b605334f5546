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
print("".join(block.text for block in client.messages.create(**params).content if block.type == "text").strip())
