"""The console command `decnet`, also `kubectl decnet`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from decnet_cli import catalogues, cluster
from decnet_cli.output import FORMATS, Table, show
from decnet_operator.domain.catalogue import CatalogueError

_EPILOG = """\
examples:
  decnet services                 which services a decky can have
  decnet services ssh             what may be said of one, key by key
  decnet archetypes -o yaml       kinds of machines, for a script
  decnet deckies                  what is on the LAN now, and how it does

Deckies themselves are made with kubectl: kubectl explain decky.spec is the manual, examples/ the start.
As kubectl-decnet on the PATH, all of this is `kubectl decnet ...` too.
"""

Command = Callable[[argparse.Namespace], Table]


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status 1 when the catalogue or the cluster cannot be read or has no such thing."""
    options = _parser().parse_args(argv)
    command: Command = options.command
    try:
        show(command(options), options.output)
    except (CatalogueError, catalogues.UnknownError, cluster.ClusterError) as error:
        print(f"decnet: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        sys.stderr.close()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="decnet",
        description="Look up what deckies can be, and how those in the cluster do.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, help_text, command in (
        ("services", "services of this release, or the persona keys of one", catalogues.services),
        ("archetypes", "kinds of machines, or one of them", catalogues.archetypes),
        ("distros", "Linux distributions that a decky can claim, or one of them", catalogues.distros),
    ):
        one = _command(commands, name, help_text, command)
        one.add_argument("name", nargs="?", metavar="NAME", help="only this one, with everything about it")
    deckies = _command(commands, "deckies", "deckies in the cluster that kubectl points at", cluster.deckies)
    deckies.add_argument("-n", "--namespace", help="only those in this namespace; all without")
    deckies.add_argument(
        "--kubeconfig", default="", help="kubeconfig file; KUBECONFIG or ~/.kube/config without"
    )
    return parser


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, help_text: str, command: Command
) -> argparse.ArgumentParser:
    one = commands.add_parser(name, help=help_text, description=help_text.capitalize() + ".")
    one.add_argument(
        "-o",
        "--output",
        choices=FORMATS,
        default="table",
        help="table for people (default), json or yaml for programs",
    )
    one.set_defaults(command=command)
    return one


if __name__ == "__main__":
    sys.exit(main())
