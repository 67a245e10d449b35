"""Commands that use what was made."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from pipeline.commands.app import USE, Variant, app
from pipeline.progress import say


@app.command(rich_help_panel=USE)
def predict(
    variant: Variant,
    input: Annotated[
        str | None,
        typer.Option(
            "--input", "-i", help=".npy .npz .png .jpg .txt .csv .jsonl, a video or a folder of pictures; - for stdin."
        ),
    ] = None,
    example: Annotated[
        int | None, typer.Option("--example", "-e", min=0, help="Take this example of the test split.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per example.")] = False,
) -> None:
    """Answer examples from a file, from stdin or from the test split, with the exported model."""
    from pipeline.predict import predict as run

    for line in run(variant, input, example, as_json):
        typer.echo(line)


@app.command(rich_help_panel=USE)
def sample(
    variant: Variant,
    seed_text: Annotated[str | None, typer.Option("--seed-text", help="What the text begins with.")] = None,
    length: Annotated[int, typer.Option("--length", "-n", min=1, help="How many characters are written.")] = 600,
    temperature: Annotated[
        float, typer.Option("--temperature", "-t", min=0, help="Below 1 sober, above 1 wild; 0: the likeliest alone.")
    ] = 0.5,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Another seed, another text.")] = 1,
) -> None:
    """Write a text with an exported language model, each character as soon as it is drawn."""
    from pipeline.sampling import sample as run

    for character in run(variant, seed_text, length, temperature, seed):
        sys.stdout.write(character)
        sys.stdout.flush()
    sys.stdout.write("\n")


@app.command(rich_help_panel=USE)
def translate(
    variant: Variant,
    file: Annotated[
        str | None, typer.Argument(metavar="[FILE]", help="Sentences, one a line, in UTF-8; stdin if none, or -.")
    ] = None,
    beam: Annotated[
        int | None,
        typer.Option(
            "--beam", "-b", min=1, show_default="5", help="How many beginnings of each answer are carried on."
        ),
    ] = None,
    length_penalty: Annotated[
        float | None,
        typer.Option("--length-penalty", min=0, help="0 favours short answers, 1 long ones.", show_default="0.6"),
    ] = None,
    n_best: Annotated[
        int | None,
        typer.Option(
            "--n-best", "-n", min=1, help="So many answers a line: its number, a score and the text, by tabs."
        ),
    ] = None,
    draw: Annotated[bool, typer.Option("--sample", help="Draw each token by chance in place of a search.")] = False,
    temperature: Annotated[
        float | None,
        typer.Option("--temperature", "-t", min=0, help="Of --sample: below 1 sober, 0 greedy.", show_default="1"),
    ] = None,
    top_k: Annotated[
        int | None, typer.Option("--top-k", min=1, help="Of --sample: the likeliest so many only.")
    ] = None,
    top_p: Annotated[
        float | None,
        typer.Option("--top-p", min=0, max=1, help="Of --sample: the fewest that hold this share of the probability."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Of --sample: another seed, other texts.", show_default="1")
    ] = None,
    attention: Annotated[
        Path | None, typer.Option("--attention", help="A .png to draw into where the network looked (first 8 lines).")
    ] = None,
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, help="Sentences answered at once.")] = 16,
) -> None:
    """Translate each line of a text, with the exported encoder and decoder of a variant.

    Lines come out in their order, each as soon as it is known: python -m pipeline translate NAME < de.txt > en.txt

    An empty line stays one. Unknown words are read as such. Of a line of more than 1,000 tokens the first 1,000 are
    read, and that is said. An answer has at most twice as many tokens as its source, and five.
    """
    from pipeline.translate import search_of
    from pipeline.translate import translate as run

    of_beams = {"width": beam, "length_penalty": length_penalty, "n_best": n_best}
    how = search_of(draw, of_beams, {"temperature": temperature, "top_k": top_k, "top_p": top_p, "seed": seed})
    for line in run(variant, file, how, batch_size, n_best is not None, attention):
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


@app.command(rich_help_panel=USE)
def repeat(
    variant: Variant,
    seeds: Annotated[int, typer.Option("--seeds", "-k", min=1, help="How many trainings.")] = 5,
    new_data: Annotated[bool, typer.Option("--new-data", help="Draw new data for each seed as well.")] = False,
) -> None:
    """Train a variant with several seeds and say how much the score depends on them."""
    from pipeline.repeat import repeat as run

    run(variant, seeds, new_data)


@app.command(rich_help_panel=USE)
def serve(
    model: Annotated[
        str,
        typer.Argument(metavar="DATASET[@ALIAS]", help="A registered model; @champion if nothing else, or /VERSION."),
    ],
    host: Annotated[str, typer.Option("--host", help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", "-p", min=0, max=65535, help="0 is any free one.")] = 8000,
    max_megabytes: Annotated[
        int, typer.Option("--max-megabytes", min=1, help="Larger requests are refused, unread.")
    ] = 10,
) -> None:
    """Answer requests over HTTP with a dataset's registered model, until Ctrl-C."""
    from pipeline.tracking.serving import serve as run

    run(model, host, port, max_megabytes)


@app.command(rich_help_panel=USE)
def lineage(
    anything: Annotated[
        str,
        typer.Argument(
            metavar="ANYTHING",
            help="A version (memory/3, memory@champion), run, variant, dataset, commit, or six digits of a hash.",
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, with whole hashes.")] = False,
) -> None:
    """Say which data, trainings, runs, versions and commits belong together."""
    import json

    from pipeline.lineage.show import as_json as to_object
    from pipeline.lineage.show import as_text
    from pipeline.lineage.trace import trace

    found = trace(anything)
    for line in [json.dumps(to_object(found), indent=2)] if as_json else as_text(found):
        typer.echo(line)


@app.command(rich_help_panel=USE)
def diagnose(
    variant: Annotated[
        str | None, typer.Argument(metavar="[VARIANT]", help="A key under `variants` in params.yaml; all if none.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, or an array of them.")] = False,
) -> None:
    """Read the curves of a training: under-fit, over-fit, good fit or unstable; why; what to try next."""
    import json

    from pipeline.diagnosis_report import as_json as to_object
    from pipeline.diagnosis_report import as_text, examine, examine_all, print_table

    if variant is not None:
        found = examine(variant)
        for line in [json.dumps(to_object(found), indent=2)] if as_json else as_text(found):
            typer.echo(line)
        if found.changed:
            say(f"note: params.yaml has changed since: {found.changed}; up to date with: dvc repro train@{variant}")
        return
    every = examine_all()
    if as_json:
        typer.echo(json.dumps([to_object(found) for found in every.examined], indent=2))
    elif every.examined:
        print_table(every.examined)
    for problem in every.problems:
        say(f"left out: {problem}")
    lacking = f"; not trained here: {', '.join(every.untrained)}" if every.untrained else ""
    say(f"diagnose: {len(every.examined)} variants{lacking}; the reason for each: python -m pipeline diagnose VARIANT")
