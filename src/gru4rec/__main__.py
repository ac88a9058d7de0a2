"""The command `gru4rec`: what is in a model file, what the model recommends, and a server of it."""

import argparse
import io
import os
import sys
from collections.abc import Sequence

import yaml

import gru4rec
from gru4rec.errors import GRU4RecError, MissingExtraError


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        arguments: Those of the command line; None takes those of the process.

    Returns:
        The exit code: 0, or 1 where a line on the standard error says what is wrong.

    Raises:
        SystemExit: The arguments are not understood (code 2), or ask for help or the version (0).
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # ids may be beyond its encoding
    options = _parser().parse_args(arguments)
    try:
        print(options.run(options), flush=True)
    except (GRU4RecError, OSError, yaml.YAMLError) as error:
        print(f"gru4rec: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("gru4rec", description=__doc__)
    parser.add_argument("--version", action="version", version=gru4rec.__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    describe = commands.add_parser("describe", help="what is in a model file, as YAML")
    describe.set_defaults(run=_describe)
    describe.add_argument("model", help="the file, such as model.pth")

    recommend = commands.add_parser("recommend", help="the best next items of a session")
    recommend.set_defaults(run=_recommend)
    recommend.add_argument("model", help="the file, such as model.pth")
    recommend.add_argument("items", nargs="+", metavar="ITEM", help="the session, oldest first")
    recommend.add_argument("-k", type=int, default=20, help="how many (default: 20)")
    recommend.add_argument("--exclude-seen", action="store_true", help="no item of the session")
    serve = commands.add_parser(
        "serve",
        help="answer over HTTP (extra: serve)",
        epilog="The variables GRU4REC_API_KEY and GRU4REC_STORE keep secrets off the command line.",
    )
    serve.set_defaults(run=_serve)
    serve.add_argument(
        "model", help="the file, or a folder whose newest .pth file is taken; or its address"
    )
    serve.add_argument("--host", default="127.0.0.1", help="0.0.0.0: all (default: 127.0.0.1)")
    serve.add_argument("--port", type=int, default=8000, help="(default: 8000)")
    serve.add_argument("--workers", type=int, default=1, help="processes (default: 1)")
    store = os.environ.get("GRU4REC_STORE", "memory")
    serve.add_argument("--store", default=store, help="memory (default), or redis://host:port/0")
    serve.add_argument(
        "--shortlist",
        action="append",
        default=[],
        dest="shortlists",
        metavar="NAME=FILE",
        help="ids to recommend, a line each; may be given several times",
    )
    serve.add_argument("--titles", metavar="FILE", help="an id, a tab and a title a line")
    serve.add_argument("--device", help="auto (default), cpu, cuda, ...")
    serve.add_argument("--threads", type=int, help="that score (default: 1)")
    serve.add_argument(
        "--compact", action="store_true", help="faster from 100,000 items on, for more memory"
    )
    serve.add_argument("--session-minutes", type=float, help="kept so long unused (default: 60)")
    serve.add_argument("--max-sessions", type=int, help="in memory (default: 100000)")
    serve.add_argument("--max-items", type=int, help="of a session or request (default: 1000)")
    serve.add_argument("--max-k", type=int, help="most that are recommended (default: 1000)")
    serve.add_argument("--max-body", type=int, help="bytes of a request (default: 1000000)")
    serve.add_argument("--reload-seconds", type=float, help="look for newer files (default: 5)")
    return parser


# What they need of `gru4rec` is loaded on first use: --help waits for no torch.


def _describe(options: argparse.Namespace) -> str:
    content = gru4rec.describe_model(options.model)
    text: str = yaml.safe_dump(
        content, sort_keys=False, allow_unicode=True, default_flow_style=None, width=200
    )
    return text.rstrip()


def _recommend(options: argparse.Namespace) -> str:
    gru = gru4rec.GRU4Rec.load(options.model)
    items = [gru.vocabulary.from_text(item) for item in options.items]
    best = gru.recommend([items], options.k, options.exclude_seen)
    return "\n".join(
        f"{item}\t{score:.6g}" for item, score in zip(best["item"], best["score"], strict=True)
    )


def _serve(options: argparse.Namespace) -> str:
    try:
        from gru4rec.server.command import serve  # noqa: PLC0415  (an extra)
    except ImportError as error:
        raise MissingExtraError.of("serve", "serving", error) from None
    serve(options)
    return "stopped"


if __name__ == "__main__":
    sys.exit(main())
