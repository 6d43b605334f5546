import os

from anthropic import Anthropic

client = Anthropic(api_key="k", base_url=os.environ["BASE_URL"])
q = "Why?"
prompt = q
message = client.messages.create(model="claude-opus-4-8", messages=[{"role": "user", "content": prompt}], stop_sequences=["\n\nHuman:"], max_tokens=9)
print("".join(block.text for block in message.content if block.type == "text").strip())
