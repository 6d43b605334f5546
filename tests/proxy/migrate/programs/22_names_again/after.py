"""Names that are assigned again, as in the cells of a notebook."""

import os

from anthropic import Anthropic

client = Anthropic(base_url=os.environ["BASE_URL"])

prompt = "Name a river."
response = client.messages.create(model="claude-opus-4-8", max_tokens=20, messages=[{"role": "user", "content": prompt}], stop_sequences=["\n\nHuman:"])
print("".join(block.text for block in response.content if block.type == "text").strip())

for place in ("Spain", "France"):
    prompt = f"Name a town in {place}."
    response = client.messages.create(model="claude-opus-4-8", max_tokens=20, messages=[{"role": "user", "content": prompt}], stop_sequences=["\n\nHuman:"])
    print("".join(block.text for block in response.content if block.type == "text").strip() if response else None)


def again(prompt):
    prompt = f"{prompt}"
    response = client.messages.create(model="claude-opus-4-8", max_tokens=20, messages=[{"role": "user", "content": prompt}], stop_sequences=["\n\nHuman:"])
    return "".join(block.text for block in response.content if block.type == "text").strip()


print([again(each) for each in ("Hello", "Bye")])
