import os

from anthropic import AI_PROMPT, HUMAN_PROMPT, Anthropic

client = Anthropic(api_key="k", base_url=os.environ["BASE_URL"])
RULES = "Be brief."


def ask(question, opening):
    return client.completions.create(
        model="claude-instant-1.2", max_tokens_to_sample=100, prompt=f"{RULES}{HUMAN_PROMPT} {question}{AI_PROMPT} {opening}: "
    ).completion


print(ask("Why?", "Because").strip())
