"""``fr-eval demo``: a whole benchmark on an embedded synthetic population of IJB-C's size."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fr_eval.cli._options import JsonFile

if TYPE_CHECKING:
    from fr_eval.synthetic import Population


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

    from fr_eval.command_line import console
    from fr_eval.provenance import write_json
    from fr_eval.synthetic import IJBC_SIZE, QUICK_SIZE, synthetic_population

    started = time.perf_counter()
    size = QUICK_SIZE if quick else IJBC_SIZE
    settings = {"population": "synthetic", "quick": quick, "seed": seed}
    output.mkdir(parents=True, exist_ok=True)
    population = synthetic_population(size, seed)
    out = console()
    shape = f"{len(population.subjects):,} synthetic templates of {sum(size.gallery):,} subjects"
    out.print(f"{shape}, {size.dim} dimensions")
    _verification(population, seed, settings, output)
    _identification(population, settings, output)
    if json_path is not None:
        results = (output / "verification.json", output / "identification.json")
        write_json(json_path, {path.stem: json.loads(path.read_text()) for path in results})
    out.print(f"{time.perf_counter() - started:.1f} s; results and plots in {output}")


def _verification(population: Population, seed: int, settings: dict[str, Any], output: Path) -> None:
    import fr_native

    from fr_eval.reports import write_verification
    from fr_eval.synthetic import synthetic_pairs
    from fr_eval.tables import print_verification
    from fr_eval.verification import evaluate_verification

    first, second, is_same = synthetic_pairs(population, seed)
    scores = fr_native.pair_scores(population.embeddings, first, second)
    result = evaluate_verification(scores[is_same], scores[~is_same])
    print_verification(result)
    settings = {"threshold_rule": "conservative", **settings}
    write_verification(result, {}, {}, settings, output / "verification.json", output)


def _identification(population: Population, settings: dict[str, Any], output: Path) -> None:
    from fr_eval.identification import evaluate_identification
    from fr_eval.openset import search_galleries
    from fr_eval.reports import report_identification

    probes, probe_ids = population.probes()
    result = evaluate_identification(search_galleries(probes, probe_ids, population.galleries()))
    report_identification(result, {}, settings, output / "identification.json", output)
