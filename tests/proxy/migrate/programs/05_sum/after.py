import os

import anthropic

client = anthropic.Anthropic(api_key="k", base_url=os.environ["BASE_URL"])
row = {"q": "What is a 'verse'?"}


def ask(text):
    message = client.messages.create(
        messages=[{"role": "user", "content": text + " Say it in \"one\" line." + row["q"]}],
        stop_sequences=["\n\nHuman:"],
        model="claude-opus-4-8",
        max_tokens=77,
    )
    return "".join(block.text for block in message.content if block.type == "text")


print(ask("Hello.").lstrip())
message = client.messages.create(
        messages=[{"role": "user", "content": row["q"]}],
        stop_sequences=["\n\nHuman:"],
        model="claude-opus-4-8", max_tokens=77,
    )
print(
    "".join(block.text for block in message.content if block.type == "text").strip()
)
