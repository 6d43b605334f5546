import os

from anthropic import Anthropic

client = Anthropic(api_key="k", base_url=os.environ["BASE_URL"])


def pieces(question):
    with client.messages.stream(
        model="claude-opus-4-8",
        messages=[{"role": "user", "content": f"{question}"}],
        stop_sequences=["\n\nHuman:"],
        max_tokens=100,
    ) as stream:
        head = """Answer:
  (indented)"""
        print(head)
        for piece in stream.text_stream:
            # each is a part
            yield piece


print("".join(pieces("Why?")).replace("\n ", "\n").strip())
text = ""
with client.messages.stream(
    model="claude-opus-4-8",
    messages=[{"role": "user", "content": "And why not?"}],
    stop_sequences=["\n\nHuman:"],
    max_tokens=100,
) as stream:
    for part in stream.text_stream:
        if part:
            text += part
print(text.strip())
