"""Entry point of the CDK CLI: `python -m infra.app`; the context `environment` is local, dev or prod."""

from infra.node import use_project_node


def main() -> None:
    """Synthesise the environment that the context names."""
    use_project_node()
    from aws_cdk import App

    from infra.application import build

    app = App()
    build(app)
    app.synth()


if __name__ == "__main__":
    main()
