"""demo: everything at once, for a newcomer: up, real documents, three questions, their answers."""

import time

from steersman.cli import local, show
from steersman.cli.client import Client
from steersman.cli.context import root
from steersman.cli.documents import Ingestion, body
from steersman.cli.follow import watch

QUESTIONS = (
    ("standard_query", "How does Steersman make sure that no accepted task is lost?"),
    ("complex_research", "Which encodings can msgpack or orjson serialize datetime objects to?"),
    ("web_enhanced", "Who won the 1998 football world cup?"),
)


def demo() -> None:
    """Start the local cloud, take in real documents and let the agents answer three questions."""
    from steersman.knowledge.demo_corpus import demo_documents

    began = time.monotonic()
    show.out.print("[bold]1. Start the local cloud[/] and deploy the stack into it")
    endpoints = local.start()
    client = Client(endpoints.api_url)
    show.out.print(
        "\n[bold]2. Take in documents[/]: this repository's docs and what the installed packages say of themselves"
    )
    Ingestion(client, "default").documents(
        [
            {"title": one.title, **body(one.source_uri, one.media_type, one.content)}
            for one in demo_documents(root())
        ]
    )
    for number, (template, question) in enumerate(QUESTIONS, start=3):
        show.out.print(f"\n[bold]{number}. Ask[/] ({template}) [italic]{question}[/]\n")
        accepted = client.submit(
            {"template": template, "input": {"question": question}, "labels": {"from": "demo"}}
        )
        task = watch(client, accepted["id"])
        show.out.print()
        show.answer(task)
    show.out.print(f"\n[bold]Done[/] in {time.monotonic() - began:.0f} s. The local cloud stays up:")
    show.out.print(f"  API        {endpoints.api_url}/v1/health")
    show.out.print('  your own   .venv/bin/steersman ask "…"')
    show.out.print("  your docs  .venv/bin/steersman ingest PATH…")
    show.out.print("  stop       make down")
