"""``fr-eval demo``: a whole benchmark on an embedded synthetic population of IJB-C's size."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fr_eval.cli._options import JsonFile


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(demo)


def demo(
    quick: Annotated[bool, typer.Option("--quick", help="A hundredth of the work.")] = False,
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder of tables and plots.")] = Path(
        "fr-demo"
    ),
    seed: Annotated[int, typer.Option(help="Another seed, another population.")] = 0,
    json_path: JsonFile = None,
) -> None:
    """Run 1:1 and open-set 1:N benchmarks on a synthetic population of IJB-C's size.

    Writes verification.json, identification.json and the plots to the output folder; --json writes both
    results to one file. Needs no data and no network.
    """
    import json
    import time

    import fr_native

    from fr_eval.cli._report import report_identification, write_verification
    from fr_eval.cli._tables import console, print_verification
    from fr_eval.identification import evaluate_identification
    from fr_eval.openset import search_galleries
    from fr_eval.provenance import write_json
    from fr_eval.synthetic import IJBC_SIZE, QUICK_SIZE, synthetic_pairs, synthetic_population
    from fr_eval.verification import evaluate_verification

    started = time.perf_counter()
    out = console()
    size = QUICK_SIZE if quick else IJBC_SIZE
    settings = {"population": "synthetic", "quick": quick, "seed": seed}
    output.mkdir(parents=True, exist_ok=True)
    population = synthetic_population(size, seed)
    out.print(
        f"{len(population.subjects):,} synthetic templates of {sum(size.gallery):,} subjects, {size.dim}-d"
    )

    first, second, is_same = synthetic_pairs(population, seed)
    scores = fr_native.pair_scores(population.embeddings, first, second)
    verification = evaluate_verification(scores[is_same], scores[~is_same])
    print_verification(verification)
    write_verification(
        verification,
        {},
        {},
        {"threshold_rule": "conservative", **settings},
        output / "verification.json",
        output,
    )

    probes, probe_ids = population.probes()
    searches = search_galleries(probes, probe_ids, population.galleries())
    identification = evaluate_identification(searches)
    report_identification(identification, {}, settings, output / "identification.json", output)
    if json_path is not None:
        results = (output / "verification.json", output / "identification.json")
        write_json(json_path, {path.stem: json.loads(path.read_text()) for path in results})
    out.print(f"{time.perf_counter() - started:.1f} s; results and plots in {output}")
