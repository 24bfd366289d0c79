"""The verbs of the command line: what each does with its options."""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

import click

from ..errors import PellucidError, UsageError, shell_quote, visible_text
from ..options import FORM, READ, WRITE
from .completion import PathType, RunType, completion_script
from .parse import Verbs, can_read, example_input, find_run, typed_options
from .standard_input import piped_prompt, piped_texts, standard_input

_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}

_READ = {option.name for option in READ}

_FORM = [option.name for option in FORM]

_WRITE = [option.name for option in WRITE]

# What is said of other predictions.
_ASKED = ("keep", "threshold", "steps", "beam", "best", "align")

# A name, or those of several files.
Data = str | list[str]


def read(data: Data, **typed: Any) -> None:
    """Show what is in DATA and what would be predicted.

    DATA is a folder of images, recordings or texts (one folder a class, or a table that names them), or a table: .csv,
    .tsv, .parquet, .jsonl, .xlsx; both also packed (.zip, .tar.xz). Several tables are read as one.
    """
    import pellucid

    options = typed_options("read", typed)
    as_json, fix = (bool(options.pop(name, False)) for name in ("json", "fix"))
    from .waiting import Waiting

    with Waiting("reading the data", as_json):
        found = pellucid.read(standard_input(data), **options)
    show_read(found, as_json, fix)


def show_read(found: Any, as_json: bool, fix: bool) -> None:
    """What was found, once all of it is decoded and checked."""
    from ..fields.notes import DECODES
    from . import console, show_data
    from .waiting import Waiting

    # Before decoding begins, which may take minutes: it can still be stopped.
    if takes_long := [note for note in found.notes if note.action == DECODES]:
        show_data.note_lines(takes_long, console.make_console(sys.stderr))
    with Waiting("checking every example", as_json):
        found.check()
    if as_json:
        console.print_json(found.summary())
    elif fix:
        show_data.show_findings(found.summary(), console.make_console(sys.stdout))
    else:
        show_data.show_dataset(found, console.make_console(sys.stdout))


def train(data: Data | None, **typed: Any) -> None:
    """Train a network on DATA and score it.

    The network, its size and its recipe are planned, and every decision is printed with its reason. The run's folder
    holds weights, history, predictions and a report to open in a browser. Ctrl-C saves; `resume` continues.
    """
    options = typed_options("train", typed)
    as_json, quiet, plan_only = (options.pop(name, False) for name in ("json", "quiet", "plan_only"))
    verbose = bool(options.pop("verbose", False))
    if data is None and "like" not in options:
        raise UsageError("there is nothing to train on", fix="name the data: pellucid train DATA (or --like RUN)")
    for name in ("like", "start"):
        if name in options:
            options[name] = find_run(options[name])
    if plan_only:
        show_plan_only(data, options, as_json)
    else:
        run_training(data, options, as_json, quiet, verbose)


def show_plan_only(data: Data | None, options: dict[str, Any], as_json: bool) -> None:
    import pellucid

    from . import console, show_run

    made = pellucid.plan(data, **options)
    if as_json:
        console.print_json(made.to_json())
    else:
        show_run.show_plan(made, console.make_console(sys.stdout))


def run_training(data: Data | None, options: dict[str, Any], as_json: bool, quiet: bool, verbose: bool) -> None:
    import pellucid

    from ..runs.paths import check_free
    from . import progress
    from .waiting import Waiting

    # Before reading, which may take minutes.
    check_free(options)
    source: Any = data
    with progress.choose_display(as_json, quiet, verbose=verbose) as ear:
        if data is not None and "like" not in options:
            # Read here and not in ``train``, so that what was found is shown before the planning.
            with Waiting("reading the data", as_json or quiet):
                source = _read_to_train(data, options)
            ear.data_read(source)
        done = pellucid.train(source, **options, listeners=(ear,), started=click.get_current_context().obj)
    show_outcome(done, data, as_json, quiet)


def _read_to_train(data: Data, options: dict[str, Any]) -> Any:
    """The data as its options say, which are taken out of ``options``, and as the output asked for needs them."""
    import pellucid

    found = pellucid.read(data, **{name: options.pop(name) for name in _READ & set(options)})
    if "output" not in options:
        return found
    from ..runs.prepare import as_output_asks

    return as_output_asks(found, options["output"])


def show_outcome(done: Any, data: Data | None, as_json: bool, quiet: bool) -> None:
    """The score of a finished run, and what to do next."""
    from . import console, show_run

    out = console.make_console(sys.stdout)
    if as_json:
        console.print_json(done.result())
    elif quiet:
        if warning := getattr(done, "say_warning", str)():
            console.make_console(sys.stderr).print(warning, soft_wrap=True, markup=False)
        out.print(show_run.score_sentence(done), soft_wrap=True)
    else:
        show_run.show_score(done, out, f"test {done.network.output.task.examples}")
        show_run.show_verdict(done, out)
        show_run.show_label_issues(done, out)
        show_run.show_run_steps(done.path, *next_input(done, data), out)


def next_input(done: Any, data: Data | None) -> tuple[str, str]:
    """What a run can predict from, and what must be in it; "" where it is there."""
    from ..runs.forecasts import say_rows_after

    if getattr(done, "forecasts", False) and (rows := say_rows_after(done)):
        return "NEW.csv", rows
    return example_input(data, [f.kind for f in done.fields], partial(can_read, done.fields[:1])), ""


def compare(data: Data, **typed: Any) -> None:
    """Train several networks on DATA, one split and one budget each, and rank them.

    Ranked on validation, scored on test beside the baseline and a classical model. Data are read before the first
    clock starts. Ctrl-C keeps what is finished; the same command with the same --name continues with what is missing.
    """
    options = typed_options("compare", typed)
    as_json, quiet = (options.pop(name, False) for name in ("json", "quiet"))

    import pellucid

    from ..runs.paths import check_free
    from . import console, progress
    from . import show_comparison as compared
    from .waiting import Waiting

    check_free(options, "-compare")
    with progress.choose_display(as_json, quiet, turns=True) as ear:
        with Waiting("reading the data", as_json or quiet):
            source = _read_to_train(data, options)
        ear.data_read(source)
        done = pellucid.compare(source, **options, listeners=(ear,))
    out = console.make_console(sys.stdout)
    if as_json:
        console.print_json(done.result())
    elif quiet:
        # A name with a blank would be read as two.
        out.print(" ".join(name.replace(" ", "-") for name in done.ranking), soft_wrap=True)
    else:
        compared.show_ranking(done, out)
        compared.show_meaning(done, out)
        best = pellucid.load(compared.best_run(done))
        compared.show_comparison_steps(done, *next_input(best, data), out)


def resume(run: str, data: Data | None, **typed: Any) -> None:
    """Continue a training that was stopped, or train longer.

    RUN is the folder of a run, or its name under ./runs. DATA is where its data is now, if it has moved.
    """
    import pellucid

    options = typed_options("resume", typed)
    as_json, quiet, verbose = (options.pop(name, False) for name in ("json", "quiet", "verbose"))

    from . import progress

    with progress.choose_display(as_json, quiet, verbose=verbose) as ear:
        moved: dict[str, Any] = {} if data is None else {"data": data}
        done = pellucid.resume(find_run(run), **moved, **options, listeners=(ear,))
    show_outcome(done, data, as_json, quiet)


def evaluate(run: str, data: Data, **typed: Any) -> None:
    """Score a run on labelled DATA.

    RUN is the folder of a run, or its name under ./runs. DATA has the layout of the data it was trained on.
    """
    from . import console, show_data, show_run
    from . import output_file as output

    options = typed_options("evaluate", typed)
    as_json, out_path, force = (options.pop(name, None) for name in ("json", "out", "force"))
    check_force(force, out_path)
    inputs = [data] if isinstance(data, str) else data
    page = None if out_path is None else output.check_output(out_path, run, inputs, bool(force), output.PAGES)
    network = load_run(run)
    scored = network.evaluate(standard_input(data), **options)
    # A program that reads JSON finds no files that it did not ask for.
    place = None if as_json and page is None else write_page(scored, page, bool(force))
    if as_json:
        console.print_json({"event": "metrics", **scored.metrics})
        console.print_json(scored.result() | ({"report": str(place)} if place else {}))
    else:
        out = console.make_console(sys.stdout)
        show_run.show_score(scored, out, network.network.output.task.examples)
        # The main one has just been said.
        others = {name: value for name, value in scored.metrics.items() if name != scored.score.metric}
        show_run.show_metrics(others, out)
        show_run.show_page(place, out)
        show_data.note_lines(scored.notes, console.make_console(sys.stderr))


def check_force(force: Any, out: Any) -> None:
    """Raises UsageError for --force without a file that it is about."""
    if force and out is None:
        raise UsageError("--force needs --out", fix="add --out FILE")


def write_page(scored: Any, path: Any, force: bool) -> Any:
    """Write the page of an evaluation and return where; where none was asked for, a failure is said and no more."""
    if path is not None:
        return scored.report(path, force=force)
    try:
        return scored.report()
    # The score is there and is shown all the same.
    except PellucidError as error:
        click.echo(click.style("! ", fg="yellow") + visible_text(f"no page was written: {error}"), err=True)
        return None


def predict(run: str, inputs: tuple[str, ...], **typed: Any) -> None:
    """Predict from files, tables or texts.

    RUN is the folder of a run, or its name under ./runs. INPUT is an image, a recording, a text file, a folder of them,
    or a table of which every row is predicted; - is a table on standard input. Without any, each line of standard input
    is a text; for a language model all of it is the text that it goes on from.
    """
    from . import console, show_data, show_predictions
    from . import output_file as output

    options = typed_options("predict", typed)
    force = bool(options.get("force"))
    check_force(force, options.get("out"))
    # Before the network is loaded: a long prediction must not fail at its last step.
    table = output.check_output(options["out"], run, inputs, force) if "out" in options else None
    inputs = (*inputs, options["from"]) if "from" in options else inputs
    with show_predictions.choose_progress() as progress:
        network = load_run(run)
        # A forecast follows what the run has seen; a language model can begin with nothing.
        follows = network.forecasts or network.writes
        texts = options.get("texts", ()) or (() if inputs else _piped(network))
        if not inputs and not texts and not follows:
            raise UsageError("there is nothing to predict from", fix='name files, or give --text "…"')
        source = standard_input(list(inputs))
        progress.reading()
        named = (*_WRITE, *_ASKED, *_FORM) if network.writes else (*_ASKED, *_FORM)
        check_writing(options, network)
        asked = {name: options[name] for name in named if name in options}
        pieces = network.predict_pieces(source, texts=list(texts), **asked)
        if network.writes and table is None and not options.get("json"):
            show_predictions.stream_texts(pieces, progress)
        else:
            show_predictions.answer_pieces(pieces, table, force, bool(options.get("json")), progress)
    odd = [note for note in pieces.notes if note.level == "warning"]
    show_data.note_lines(odd, console.make_console(sys.stderr), most=5)
    _check_failures(pieces)


def _piped(network: Any) -> tuple[str, ...]:
    """The texts that standard input gives a run, where nothing else was named."""
    if network.forecasts:
        return ()
    return piped_prompt() if network.writes else piped_texts(blank=network.network.output.writes)


def check_writing(options: dict[str, Any], run: Any) -> None:
    """Raises UsageError for options of language models for another run; ``\\n`` in stop texts becomes a line's end."""
    if not run.writes and (given := [name for name in _WRITE if name in options]):
        flag, goal = given[0].replace("_", "-"), run.network.output.task.goal
        raise UsageError(f"--{flag} is for language models; this run predicts {goal}", fix=f"leave --{flag} out")
    if "stop" in options:
        # As a shell passes it, a line's end is two signs.
        options["stop"] = [one.replace("\\n", "\n").replace("\\t", "\t") for one in options["stop"]]


def _check_failures(pieces: Any) -> None:
    if failed := pieces.errors:
        first = next(iter(failed.values()))
        raise PellucidError(f"{len(failed):,} of {len(pieces):,} inputs could not be predicted: {first}")


def load_run(run: str) -> Any:
    """A finished run by its folder or name; what is damaged about it is said, and does not keep it from being used."""
    import pellucid

    found = pellucid.load(find_run(run))
    # To standard error: a pipe carries predictions alone.
    for problem in found.damage:
        click.echo(click.style("! ", fg="yellow") + visible_text(problem), file=sys.stderr)
    return found


def sample(name: str | None, to: str | None) -> None:
    """Write a small data set to try Pellucid on.

    Without NAME, the data sets are listed.
    """
    from .. import samples
    from . import console, show_run

    out = console.make_console(sys.stdout)
    if name is None:
        show_run.show_samples({one: made.about for one, made in samples.SAMPLES.items()}, out)
    else:
        place = samples.sample(name, to)
        out.print(f"  written to {place}", soft_wrap=True)
        out.print(f"  next: pellucid train {shell_quote(place)} --budget 30s", soft_wrap=True)


@click.group(cls=Verbs, invoke_without_command=True, context_settings=_SETTINGS)
@click.option("--version", is_flag=True, help="Print the version.")
@click.option(
    "--show-completion",
    metavar="[SHELL]",
    is_flag=False,
    flag_value="",
    help="Print the script that completes commands in bash, zsh or fish.",
)
@click.pass_context
def root_command(context: click.Context, version: bool, show_completion: str | None) -> None:
    """Pellucid turns your own data into a trained deep network that you can see through."""
    if show_completion is not None:
        print(completion_script(context.command, show_completion), end="")
    elif version:
        from importlib.metadata import version as installed

        click.echo(f"pellucid {installed('pellucid')}")
    elif context.invoked_subcommand is None:
        click.echo(context.get_help())


def one_or_several(context: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> Data | None:
    """One name, or those of several files, as the shell makes of ``part*.csv``."""
    return list(given) if len(given) > 1 else given[0] if given else None


def data_argument(required: bool = True) -> click.Argument:
    metavar = "DATA" if required else "[DATA]"
    return click.Argument(
        ["data"], nargs=-1, required=required, metavar=metavar, callback=one_or_several, type=PathType()
    )


RUN = click.Argument(["run"], type=RunType())
