"""The command `gru4rec`: what is in a model file, and what the model recommends."""

import argparse
import sys
from collections.abc import Sequence

import yaml

import gru4rec
from gru4rec.errors import DataError, GRU4RecError


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        arguments: Those of the command line; None takes those of the process.

    Returns:
        The exit code: 0, or 1 where a line on the standard error says what is wrong.

    Raises:
        SystemExit: The arguments are not understood (code 2), or ask for help or the version (0).
    """
    options = _parser().parse_args(arguments)
    try:
        print(options.run(options))
    except GRU4RecError as error:
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
    items = options.items if gru.vocabulary.holds_text else [_whole(i) for i in options.items]
    best = gru.recommend([items], options.k, options.exclude_seen)
    return "\n".join(
        f"{item}\t{score:.6g}" for item, score in zip(best["item"], best["score"], strict=True)
    )


def _whole(item: str) -> int:
    try:
        return int(item)
    except ValueError:
        raise DataError(f"the model knows its items by integers; {item!r} is none") from None


if __name__ == "__main__":
    sys.exit(main())
