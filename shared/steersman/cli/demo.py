"""demo: everything at once, for a newcomer: up, real documents, three questions, their answers."""

import threading
import time

from steersman.cli import local, show
from steersman.cli.client import Client
from steersman.cli.context import root
from steersman.cli.documents import Ingestion, body
from steersman.cli.follow import finish, watch
from steersman.local.endpoints import Endpoints

STAGES = ("intent", "embedding", "websearch", "executor", "moderator", "respond")
QUESTIONS = (
    ("standard_query", "What happens to a stage when its worker dies?"),
    ("complex_research", "What does orjson do with datetime objects?"),
    ("web_enhanced", "Who won the football world cup in 1998?"),
)


def demo() -> None:
    """Start everything, take in documents, answer three questions.

    The third has no answer in them, and is declined.
    """
    from steersman.knowledge.demo_corpus import demo_documents

    began = time.monotonic()
    show.out.print("[bold]1. Start the local cloud[/] and deploy the stack into it")
    endpoints = local.start()
    client = Client(endpoints.api_url)
    warm_up = threading.Thread(target=warm, args=(endpoints,), daemon=True)
    warm_up.start()
    show.out.print("\n[bold]2. Take in documents[/]: the docs here, and the installed packages' descriptions")
    Ingestion(client, "default").documents(
        [
            {"title": one.title, **body(one.source_uri, one.media_type, one.content)}
            for one in demo_documents(root())
        ]
    )
    warm_up.join()
    for number, (template, question) in enumerate(QUESTIONS, start=3):
        show.out.print(f"\n[bold]{number}. Ask[/] by {template}\n   [italic]{question}[/]\n")
        accepted = client.submit(
            {"template": template, "input": {"question": question}, "labels": {"from": "demo"}}
        )
        task = watch(client, accepted["id"])
        show.out.print()
        finish(task, json_output=False)
    show.out.print(f"\n[bold]Done[/] in {time.monotonic() - began:.0f} s. The local cloud stays up:")
    show.out.print(f"  API        {endpoints.api_url}/v1/health")
    show.out.print('  your own   .venv/bin/steersman ask "…"')
    show.out.print("  your docs  .venv/bin/steersman ingest PATH…")
    show.out.print("  stop       make down")


def warm(endpoints: Endpoints) -> None:
    """Let each stage function start before the first question: an empty batch is the cheapest call there is."""
    import boto3

    environment = endpoints.environment()
    session = boto3.Session(
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        region_name=environment["AWS_DEFAULT_REGION"],
    )
    client = session.client("lambda", endpoint_url=endpoints.cloud_url)
    for name in STAGES:
        client.invoke(FunctionName=f"steersman-local-stage-{name}", Payload=b'{"Records": []}')
