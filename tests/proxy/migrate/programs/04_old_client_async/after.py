import asyncio
import os

import anthropic


async def main():
    client = anthropic.AsyncAnthropic(api_key=os.environ.get("NO_KEY", "k"), base_url=os.environ["BASE_URL"])
    response = await client.messages.create(
        messages=[{"role": "user", "content": "Name a lake."}],
        stop_sequences=["\n\nHuman:"],
        model="claude-haiku-4-5-20251001",
        max_tokens=50,
    )
    print("".join(block.text for block in response.content if block.type == "text").strip())


asyncio.run(main())
