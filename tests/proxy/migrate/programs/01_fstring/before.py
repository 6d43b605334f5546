import os

from anthropic import AI_PROMPT, HUMAN_PROMPT, Anthropic

client = Anthropic(api_key="k", base_url=os.environ["BASE_URL"])


def answer(question, limit=300):
    reply = client.completions.create(
        model="claude-2.1",
        max_tokens_to_sample=limit,  # enough
        prompt=f"{HUMAN_PROMPT} {question}{AI_PROMPT}",
        temperature=0.3,
        stop_sequences=[HUMAN_PROMPT],
    )
    if reply.stop_reason == "stop_sequence":
        print("done")
    return reply.completion


print(answer("Which colour has the sky?").strip())
print(answer(42).strip())
