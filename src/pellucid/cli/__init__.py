"""The command line: one function per verb, which parses, calls the Python API and prints.

Nothing heavy is imported before it is needed: ``pellucid --help`` answers at once, ``pellucid read`` never loads torch.

Exit codes: 0 done; 1 something the user can mend; 2 a misspelt command, option or value; 70 a bug in Pellucid
(``PELLUCID_DEBUG=1`` shows the traceback); 130 stopped from outside, after saving.
"""

from __future__ import annotations

import os
import sys
import time
import warnings
from collections.abc import Sequence
from contextlib import suppress
from typing import NoReturn

import click

from ..machine import process_started
from .completion import PathType, SampleType, answer_shell
from .exits import DONE, explain_failure, print_failure
from .parse import Verb
from .streams import prepare_streams
from .verbs import RUN, compare, data_argument, evaluate, predict, read, resume, root_command, sample, train
from .verbs_inspect import inspect
from .verbs_runs import report, runs


def main(args: Sequence[str] | None = None) -> NoReturn:
    """The command ``pellucid``."""
    # Called with arguments, as tests do, the process is older than the command.
    started = process_started() if args is None else time.time()
    prepare_streams()
    if (answered := answer_shell(root_command)) is not None:
        sys.exit(answered)
    if not os.environ.get("PELLUCID_DEBUG"):
        # Of libraries: what a user should know is said in other words.
        warnings.simplefilter("ignore")
    code = exit_code(sys.argv[1:] if args is None else args, started)
    try:
        sys.stdout.flush()
    # Whoever read the output, such as ``head``, has seen enough. Python flushes once more at its end and must not fail.
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def exit_code(args: Sequence[str], started: float) -> int:
    """Do what ``args`` say and return the exit code. ``started``: when the user's clock began (``time.time()``)."""
    try:
        with root_command.make_context("pellucid", list(args), obj=started) as context:
            root_command.invoke(context)
        return DONE
    except click.exceptions.Exit as end:
        return end.exit_code
    except BrokenPipeError:
        return DONE
    except (Exception, KeyboardInterrupt) as error:
        return tell_failure(error, as_json="--json" in args)


def tell_failure(error: BaseException, as_json: bool) -> int:
    """Say why a command failed, for programs too where they listen; the exit code."""
    failure = explain_failure(error)
    code = print_failure(failure)
    if as_json:
        from .console import print_json

        # Whoever reads the lines may be gone, which is no reason for another failure.
        with suppress(BrokenPipeError):
            print_json(failure.to_json())
    return code


root_command.examples = """
    pellucid sample digits                       a folder of small images to try it on
    pellucid train digits --budget 30s           train, score, report
    pellucid train prices.csv --target price     a table; the rest is planned
"""

for _verb in (
    Verb("read", read, [data_argument()], """
        pellucid read photos/
        pellucid read prices.csv --target price --kind zip=category --ignore id
        pellucid read prices.csv --target price --fix
    """),
    Verb("train", train, [data_argument(required=False)], """
        pellucid train photos/
        pellucid train prices.csv --target price --network mlp --budget 30s
        pellucid train reviews.csv --network transformer --epochs 3 --seed 7 --name reviews
        pellucid train photos/ --plan-only
        pellucid train --like runs/reviews
    """),
    Verb("compare", compare, [data_argument()], """
        pellucid compare photos/ --budget 1m
        pellucid compare prices.csv --target price --networks mlp,transformer --seeds 3
        pellucid compare photos/ --budget 1m --name trial --json
    """),
    Verb("evaluate", evaluate, [RUN, data_argument()], """
        pellucid evaluate runs/photos newer_photos/
        pellucid evaluate photos newer_photos/ --json
    """),
    Verb("predict", predict, [RUN, click.Argument(["inputs"], nargs=-1, metavar="[INPUT]...", type=PathType())], """
        pellucid predict runs/photos cat.jpg dog.jpg
        pellucid predict runs/prices new.csv --out predictions.csv
        pellucid predict runs/reviews --text "I would buy it again"
        cat lines.txt | pellucid predict runs/reviews --json
    """),
    Verb("inspect", inspect, [RUN, data_argument(required=False)], """
        pellucid inspect runs/photos
        pellucid inspect runs/photos cat.jpg --answer dog
        pellucid inspect runs/prices new.csv --curves
        pellucid inspect runs/reviews --text "not bad at all" --mask not
        pellucid inspect runs/photos --unit layer2.17
    """),
    Verb("resume", resume, [RUN, data_argument(required=False)], """
        pellucid resume runs/photos
        pellucid resume runs/photos --more 5m
        pellucid resume runs/photos /new/place/photos
    """),
    Verb("runs", runs, [click.Argument(["folder"], required=False, type=PathType())], """
        pellucid runs
        pellucid runs elsewhere/runs --json
    """),
    Verb("report", report, [RUN, data_argument(required=False)], """
        pellucid report runs/photos
        pellucid report runs/photos --no-open
        pellucid report runs/photos photos_elsewhere/ --redraw
    """),
    Verb("sample", sample, [click.Argument(["name"], required=False, type=SampleType())], """
        pellucid sample
        pellucid sample digits
        pellucid sample wine --to wine.csv
    """),
):  # fmt: skip
    root_command.add_command(_verb)
