"""Asks an agent by the Agent2Agent protocol, with and without streaming."""

import asyncio
import sys

from a2a.client import ClientConfig, create_client
from a2a.helpers import new_text_message
from a2a.types import GetTaskRequest, Role, SendMessageRequest


async def main():
    events = 0
    for streaming in (True, False):
        client = await create_client(f"http://127.0.0.1:{sys.argv[1]}", ClientConfig(streaming=streaming))
        for _ in range(3):
            request = SendMessageRequest(message=new_text_message("initialize", role=Role.ROLE_USER))
            async for event in client.send_message(request):
                events += 1
                if event.HasField("task"):
                    task = event.task.id
            await client.get_task(GetTaskRequest(id=task))
        await client.close()
    print(f"a2a: {events} events")
    assert events >= 9, events


asyncio.run(main())
