"""The command `sslax plan`: what to compile, and where its result goes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sslax import plan
from sslax.checks import check_positive
from sslax.commands.overrides import load_config
from sslax.commands.staged import stage_of

__all__ = ["run", "run_plan"]


def run(options: Any) -> int:
    """Plans the config of the command line.

    Args:
      options: of the command line.

    Returns:
      The exit status: 1 if it does not fit.
    """
    options.say("nothing was written")
    fits = run_plan(
        stage_of(load_config(options.config, options.overrides), options.stage),
        options.topology,
        layout=options.layout,
        searching=options.search,
        scaling=options.scaling,
        quick=options.quick,
        effort=options.effort,
        per_core=options.images_per_core,
        movers=options.movers,
        file=options.json,
    )
    return 0 if fits else 1


def run_plan(
    config: Mapping[str, Any],
    topology: str,
    *,
    layout: str | None = None,
    searching: bool = False,
    scaling: bool = False,
    quick: bool = False,
    effort: str = "O1",
    per_core: float | None = None,
    movers: int = 0,
    file: str | None = None,
) -> bool:
    """Plans a config, prints a screen, and writes a file if one is named.

    Args:
      config: the resolved config.
      topology: its name.
      layout: see `sslax.plan.make_plan`.
      searching: try several layouts.
      scaling: predict several numbers of chips.
      quick: compile at one of them alone.
      effort: of the compiler.
      per_core: images a second that a core of a host decodes, see `plan.reading`.
      movers: how many of what moves most to list; not of `scaling`.
      file: where to write the plan as JSON.

    Returns:
      Whether it fits.

    Raises:
      ValueError: if the topology, the layout, the rate or `movers` is wrong.
    """
    if per_core is not None:
        check_positive(images_per_core=per_core)
    if movers < 0 or (movers and scaling):
        raise ValueError(
            f"movers={movers} lists what moves most in one compiled step: a "
            "number from 0 up, without scaling"
        )
    target = plan.topology(topology)
    if scaling:
        sizes = [target.count] if quick else None
        config = plan.with_layout(config, layout)
        rows = plan.plan_scaling(config, target, compiled=sizes, effort=effort)
        print(plan.scaling_screen(rows))
        values: Any = rows
        fits = True
    elif searching:
        plans = plan.search(config, target, effort=effort)
        print(plan.search_screen(plans, per_core=per_core, movers=movers))
        values = [
            plan.plan_values(one, per_core=per_core, movers=movers) for one in plans
        ]
        fits = plans[0].step.fits
    else:
        made = plan.make_plan(config, target, layout=layout, effort=effort)
        print(plan.screen(made, per_core=per_core, movers=movers))
        values = plan.plan_values(made, per_core=per_core, movers=movers)
        fits = made.step.fits
    if file:
        Path(file).write_text(json.dumps(values, indent=2, default=str))
    return fits
