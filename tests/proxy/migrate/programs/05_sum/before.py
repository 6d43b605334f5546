import os

import anthropic

client = anthropic.Anthropic(api_key="k", base_url=os.environ["BASE_URL"])
row = {"q": "What is a 'verse'?"}


def ask(text):
    return client.completions.create(
        prompt=(
            anthropic.HUMAN_PROMPT
            + " "
            + text
            + ' Say it in "one" line.'
            + row["q"]
            + anthropic.AI_PROMPT
        ),
        model="claude-2",
        max_tokens_to_sample=77,
    ).completion


print(ask("Hello.").lstrip())
print(
    client.completions.create(
        prompt=anthropic.HUMAN_PROMPT + " " + row["q"] + anthropic.AI_PROMPT,
        model="claude-2", max_tokens_to_sample=77,
    ).completion.strip()
)
