"""Names that are assigned again, as in the cells of a notebook."""

import os

from anthropic import AI_PROMPT, HUMAN_PROMPT, Anthropic

client = Anthropic(base_url=os.environ["BASE_URL"])

prompt = f"{HUMAN_PROMPT} Name a river.{AI_PROMPT}"
response = client.completions.create(model="claude-2", max_tokens_to_sample=20, prompt=prompt)
print(response.completion.strip())

for place in ("Spain", "France"):
    prompt = "%s Name a town in %s.%s" % (HUMAN_PROMPT, place, AI_PROMPT)
    response = client.completions.create(model="claude-2", max_tokens_to_sample=20, prompt=prompt)
    print(response.completion.strip() if response else None)


def again(prompt):
    prompt = f"{HUMAN_PROMPT} {prompt}{AI_PROMPT}"
    response = client.completions.create(model="claude-2", max_tokens_to_sample=20, prompt=prompt)
    return response.completion.strip()


print([again(each) for each in ("Hello", "Bye")])
