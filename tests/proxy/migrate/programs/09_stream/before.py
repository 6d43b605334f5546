import os

from anthropic import AI_PROMPT, HUMAN_PROMPT, Anthropic

client = Anthropic(api_key="k", base_url=os.environ["BASE_URL"])


def pieces(question):
    stream = client.completions.create(
        model="claude-2",
        prompt=f"{HUMAN_PROMPT} {question}{AI_PROMPT}",
        max_tokens_to_sample=100,
        stream=True,
    )
    head = """Answer:
  (indented)"""
    print(head)
    for piece in stream:
        # each is a part
        yield piece.completion


print("".join(pieces("Why?")).replace("\n ", "\n").strip())
text = ""
for part in client.completions.create(
    model="claude-2",
    prompt=f"{HUMAN_PROMPT} And why not?{AI_PROMPT}",
    max_tokens_to_sample=100,
    stream=True,
):
    if part.completion:
        text += part.completion
print(text.strip())
