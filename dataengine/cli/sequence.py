"""``dataengine sequence``: make packed training sequences, and show one."""

from __future__ import annotations

from dataclasses import replace

import typer

from dataengine.cli import sequence_show
from dataengine.cli.command_options import CommandOptions
from dataengine.cli.common import RecipeArgument, bring_up_to_date, exits
from dataengine.cli.cot import RunsByDefault
from dataengine.cli.run_options import stage_options

app = typer.Typer(
    cls=RunsByDefault,
    no_args_is_help=True,
    help="Make packed training sequences of samples, CoT records and texts: `dataengine sequence RECIPE`; show one.",
)


@app.command()
@exits
@stage_options
def run(recipe: RecipeArgument, options: CommandOptions) -> None:
    """Make the sets of packed sequences of RECIPE, and print padding, balance, and what each mix asked for and reached."""
    import msgspec

    from dataengine.cli import console
    from dataengine.pipeline import committed
    from dataengine.release import sequences_section
    from dataengine.release.manifest_sequences import Sequences
    from dataengine.sequence.summary_facts import summary

    loaded = bring_up_to_date(recipe, replace(options, only="sequence"))
    if options.tables:
        section = msgspec.convert(summary(committed(loaded, "sequence")), Sequences)
        for title, columns, rows in sequences_section.tables(section):
            console.print_table(title, columns, rows)


sequence_show.register(app)
