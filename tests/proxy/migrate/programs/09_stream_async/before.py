import asyncio
import os

from anthropic import AsyncAnthropic

client = AsyncAnthropic(api_key="k", base_url=os.environ["BASE_URL"])


async def main(question: str):
    stream = await client.completions.create(
        model="claude-2",
        prompt=f"\n\nHuman: {question}\n\nAssistant:",
        max_tokens_to_sample=100,
        stream=True,
    )
    said = []
    async for piece in stream:
        said.append(piece.completion)
    print("".join(said).strip())
    whole = await client.completions.create(
        model="claude-2", prompt=f"\n\nHuman: {question}\n\nAssistant:", max_tokens_to_sample=10
    )
    print(whole.completion.strip())


asyncio.run(main("Why?"))
