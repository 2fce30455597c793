"""The command line: `gensweep`, and `python sweeps/NAME.py`. Flags come from the signature of the study function."""

import gc
import inspect
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, get_args, get_type_hints

from cyclopts import App, Parameter
from pydantic.fields import FieldInfo
from rich.console import Console

from measures.registry import Component, Entry, registry
from orchestrator import ending, own_studies
from orchestrator.dimensions import intrinsic_dimension
from orchestrator.doctor import doctor
from orchestrator.environment import CannotStart
from orchestrator.study import Study

BAD_INPUT = 2


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Options:
    """Where to run and where to store; nothing here can change a number."""

    tracking_uri: Annotated[
        str | None,
        Parameter(help="MLflow store: sqlite:///PATH or http://HOST:PORT. Default: MLFLOW_TRACKING_URI, else ./store."),
    ] = None
    address: Annotated[
        str | None,
        Parameter(help="Ray cluster: HOST:PORT or 'auto'. Default: RAY_ADDRESS, else Ray is started on this machine."),
    ] = None
    folder: Annotated[Path, Parameter(help="Local results go below this folder, in store/ and reports/.")] = Path()
    cpus: Annotated[int | None, Parameter(help="CPUs of the Ray started on this machine. Default: all.")] = None
    devices_per_trial: Annotated[
        float,
        Parameter(help="GPUs of one trial (CPU cores where there is no GPU); below 1, several trials share a GPU."),
    ] = 1.0
    pack: Annotated[bool, Parameter(help="Train small networks of one kind together; the numbers are the same.")] = True
    studies: Annotated[
        Path | None,
        Parameter(help="A Python file, or a package, of your own: its studies, models, measures, ... are there, too."),
    ] = None
    command: Annotated[str, Parameter(parse=False)] = ""  # that declares the study again; not a flag


Action = Callable[[Study, Options, Console], int]


def run(study: Study, options: Options, console: Console) -> int:
    """Train what is not trained yet, measure what is not measured yet, write the report."""
    return _launch(study, options, console).run()


def measure(study: Study, options: Options, console: Console) -> int:
    """Measure the stored checkpoints that are not measured yet, write the report; train nothing."""
    return _launch(study, options, console).run(train=False)


def plan(study: Study, options: Options, console: Console) -> int:
    """Say what `run` would do, and do nothing."""
    return _launch(study, options, console).show_plan()


def report(study: Study, options: Options, console: Console) -> int:
    """Write the report of what is stored; train and measure nothing."""
    return _launch(study, options, console).report()


def status(study: Study, options: Options, console: Console) -> int:
    """List every declared trial with its state and its newest numbers."""
    return _launch(study, options, console).show_status()


def reproduce(run_id: str, /, *, sample: int | None = None, options: Options = Options()) -> int:
    """Run a recorded study again from its manifest, and say of every number how it came again.

    It trains and measures in an experiment of its own in the same store. Exit code 0: all numbers identical or within
    tolerance; 1: some are not, or a recorded checkpoint is damaged.

    Parameters
    ----------
    run_id
        MLflow run of the study itself (tag sweep.role = sweep), which keeps the manifest.
    sample
        Reproduce only so many of its trials, drawn at random but always the same ones.
    """
    from orchestrator.reproduce import reproduce as run_again

    try:
        return run_again(run_id, _settings(options), Console(), sample)
    except CannotStart as error:
        return _refuse(error)


def compare(first_run: str, second_run: str, /, *, options: Options = Options()) -> int:
    """Show two studies, or two presets or seeds of one, in one figure and one table.

    Both must be in the same store, and have published reports with something in common.

    Parameters
    ----------
    first_run
        MLflow run of a study itself (tag sweep.role = sweep), which keeps its report.
    second_run
        That of the other one.
    """
    from orchestrator.compare import compare as hold_against

    try:
        return hold_against(first_run, second_run, _settings(options), Console())
    except CannotStart as error:
        return _refuse(error)


def main(study: Callable[..., Study] | None = None) -> None:
    """Entry point of `gensweep`, or of the script of one study."""
    try:
        with ending.terminable():
            arguments = own_studies.separated(sys.argv[1:])
            try:
                own_studies.add(arguments)
            except ValueError as error:
                sys.exit(_refuse(error))
            app = gensweep() if study is None else script(study)
            sys.exit(app(own_studies.option_last(arguments)))
    except KeyboardInterrupt as reason:
        print(ending.LINE)
        sys.exit(ending.exit_code(reason))
    finally:
        gc.freeze()  # to collect at exit all that torch, Ray and MLflow have made takes seconds, for nothing


def script(study: Callable[..., Study]) -> App:
    """The command line of one study's file: `run`, or `plan` with --plan."""
    entry = registry("study", [study])[study.__name__]
    app = _app(f"python sweeps/{entry.name}.py", inspect.getdoc(inspect.getmodule(study)) or entry.summary)

    def choose(declared: Study, options: Options, console: Console, *, plan_only: bool) -> int:
        return (plan if plan_only else run)(declared, options, console)

    flag = inspect.Parameter(
        "plan",
        inspect.Parameter.KEYWORD_ONLY,
        default=False,
        annotation=Annotated[bool, Parameter(help="Say what would be done, and do nothing.")],
    )
    app.default(_command(entry, choose, flag))
    return app


def gensweep() -> App:
    """The `gensweep` command: an action, then a study, then the study's settings."""
    from orchestrator.catalog import families
    from sweeps import studies  # a study's own script must not need the table that lists it

    app = _app(
        "gensweep",
        "Declare a question about generalisation; train its grid; measure; hold it to the claim.\n\n"
        "`gensweep --studies FILE ...` adds studies, models, measures, ... of your own (docs/extending.md).",
    )
    app.command(_list, name="list", help=f"List the entries of a family: {', '.join(families(studies))}.")
    app.command(_show, name="show")
    app.command(intrinsic_dimension, name="intrinsic-dimension")
    app.command(reproduce)
    app.command(compare)
    app.command(doctor)
    for action in (plan, run, measure, report, status):
        group = App(name=action.__name__, help=inspect.getdoc(action), default_parameter=DEFAULT_PARAMETER)
        for entry in studies.entries.values():
            group.command(_command(entry, action), name=entry.name)
        app.command(group)
    return app


# `--widths 2 8 32` takes all its values at once; a flag has no `--no-` twin.
DEFAULT_PARAMETER = Parameter(consume_multiple=True, negative="")


def _app(name: str, description: str) -> App:
    return App(
        name=name,
        help=description,
        default_parameter=DEFAULT_PARAMETER,
        version_flags=[],
        result_action="return_value",
        suppress_keyboard_interrupt=False,  # `main` tells of it
    )


def _command(entry: Entry, action: Callable[..., int], flag: inspect.Parameter | None = None) -> Callable[..., int]:
    """A function whose signature is the study's settings, an extra flag, and the options."""
    # Types without their bounds: those are the entry's to check, whose message names the value in one line.
    types = get_type_hints(entry.function)
    settings = [
        parameter.replace(annotation=Annotated[types[parameter.name], Parameter(help=_description(parameter))])
        for parameter in entry.signature.parameters.values()
    ]
    extra = [] if flag is None else [flag]
    options = inspect.Parameter("options", inspect.Parameter.KEYWORD_ONLY, default=Options(), annotation=Options)

    def command(*, options: Options = Options(), **values: Any) -> int:
        console = Console()
        chosen = {"plan_only": values.pop(flag.name, flag.default)} if flag is not None else {}
        try:
            study = registry("study", [entry.function]).call(Component(entry.name, **values))
        except ValueError as error:
            return _refuse(error)
        try:
            return action(study, replace(options, command=_again(entry, values, options.studies)), console, **chosen)
        except CannotStart as error:
            return _refuse(error)

    parameters = [*settings, *extra, options]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # read by cyclopts
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    command.__doc__ = entry.summary
    command.__name__ = entry.name
    return command


def _again(entry: Entry, values: Mapping[str, Any], own: Path | None) -> str:
    """The command that declares the same study again."""
    words = ["gensweep", *([] if own is None else ["--studies", str(own)]), "run", entry.name]
    for name, value in values.items():
        flag = f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            words.append(flag if value else f"{flag}=false")
        else:
            words += [flag, *map(str, value if isinstance(value, tuple | list) else [value])]
    return shlex.join(words)


def _description(parameter: inspect.Parameter) -> str | None:
    """The description of a setting's pydantic field, which is its flag's help."""
    texts = [m.description for m in get_args(parameter.annotation)[1:] if isinstance(m, FieldInfo) and m.description]
    return texts[0] if texts else None


def _refuse(error: Exception) -> int:
    print(f"error: {error}", file=sys.stderr)
    return BAD_INPUT


def _launch(study: Study, options: Options, console: Console) -> Any:
    # Imported here, so that `--help` and `list` answer without loading MLflow.
    from orchestrator.launch import Launch

    return Launch(study, _settings(options), console)


def _settings(options: Options) -> Any:
    from orchestrator.launch import Settings

    return Settings(
        tracking_uri=options.tracking_uri,
        address=options.address,
        folder=options.folder,
        cpus=options.cpus,
        devices_per_trial=options.devices_per_trial,
        pack=options.pack,
        command=options.command,
        studies=options.studies,
    )


def _list(family: str = "studies", /) -> int:
    from orchestrator.catalog import catalog
    from sweeps import studies

    try:
        Console().print(catalog(studies, family))
    except ValueError as error:
        return _refuse(error)
    return 0


def _show(entry: str, /, *settings: Annotated[str, Parameter(allow_leading_hyphen=True)]) -> int:
    """Show an entry of any family: what it is, where it comes from, its settings.

    Of a model also its layers in forward order, the shape that each puts out, its number of parameters, and whether it
    is one of the layers that measures look at.

    Parameters
    ----------
    entry
        Name of a model, data set, corruption, ... as `gensweep list FAMILY` prints it.
    settings
        --name value ..., as for a study: `--width 512`, `--batch-norm false`, `--batch-norm`. For a model also
        --input-shape (of one example) and --num-classes (outputs); without them, those of the published network.
        Example: gensweep show mlp --width 512 --depth 3 --input-shape 3 28 28 --num-classes 10
    """
    from orchestrator.anatomy import anatomy
    from orchestrator.catalog import families
    from sweeps import studies

    try:
        Console().print(anatomy(families(studies), entry, settings))
    except ValueError as error:
        return _refuse(error)
    return 0


if __name__ == "__main__":
    main()
