import os

from anthropic import Anthropic

client = Anthropic(api_key="k", base_url=os.environ["BASE_URL"])
RULES = "Be brief."


def ask(question, opening):
    message = client.messages.create(
        model="claude-haiku-4-5-20251001", max_tokens=100, system=RULES, messages=[
            {"role": "user", "content": f"{question}"},
            {"role": "assistant", "content": f"{opening}:"},
        ], stop_sequences=["\n\nHuman:"]
    )
    return "".join(block.text for block in message.content if block.type == "text")


print(ask("Why?", "Because").strip())
