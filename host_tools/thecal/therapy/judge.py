"""The one judging of a therapy: every rule, with the drug library in use, into a frozen `CheckedTherapy`.

    therapy = checked(model)                 of a file; TherapyError names everything that is wrong
    therapy = replacing(therapy, running)    and what the program that it replaces adds, only that

The pump applies the same rules once more (SEC-11); a test holds the two verdicts together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from thecal.errors import Problem, TherapyError
from thecal.therapy.checked import CheckedChange, CheckedTherapy, LibrarySection
from thecal.therapy.dose_math import mean_basal_ng_per_day
from thecal.therapy.drug_library import rules, section, store
from thecal.therapy.encode import to_wire
from thecal.therapy.figures import figures_of
from thecal.therapy.models import Therapy
from thecal.therapy.rules.bridge import default_dose, find_bridge
from thecal.therapy.rules.warnings import warnings_of
from thecal.therapy.rules.whole import errors_of, schedule_errors
from thecal.therapy.settings_diff import compare


@dataclass(frozen=True)
class Verdict:
    """What the judging came to: everything that is wrong, and what it was found out of."""

    errors: tuple[Problem, ...]
    judged: CheckedTherapy  # to be used with no errors only: `therapy`

    @property
    def therapy(self) -> CheckedTherapy:
        """What may be sent to a pump. TherapyError: it may not, with everything that is wrong."""
        if self.errors:
            raise TherapyError(self.errors)
        return self.judged


def checked(model: Therapy) -> CheckedTherapy:
    """The therapy of a model whose single fields were read; TherapyError names everything that is wrong."""
    return judge(model).therapy


def judge(model: Therapy) -> Verdict:
    """Every rule for a therapy by itself. While its schedule is wrong there are no figures, no warnings."""
    schedule = schedule_errors(model)
    figures = None if schedule else figures_of(model)
    stable = [rules.stable_days(drug.name, drug.concentration_ng_per_ml) for drug in model.drugs]
    judged = CheckedTherapy(
        model,
        limits=tuple(rules.limits_of(model, drug) for drug in model.drugs),
        library=section.section_of(store.current(), model),
        figures=figures,
        own_warnings=tuple(warnings_of(model, figures)) if figures else (),
        own_soft_limits=tuple(rules.soft_limits(model, figures.worst_case_24h_ng)) if figures else (),
        first_dose=rules.start_warning(model, mean_basal_ng_per_day(model)) if figures else None,
        stable_days=min((days for days in stable if days is not None), default=None),
    )
    return Verdict(tuple(errors_of(model, schedule)), judged)


def replacing(therapy: CheckedTherapy, running: Mapping[str, Any]) -> CheckedTherapy:
    """The therapy as what replaces `running` (`thecal_protocol.therapy.THERAPY`): with its `change`.

    Errors of the change are in there, and are not raised: a simulation is to see the pump refuse.
    """
    model, finding = therapy.model, find_bridge(running, therapy)
    own_dose = model.bridge.dose_ng_per_day if model.bridge else None
    change = CheckedChange(
        running,
        old_ng_per_ml=running["drugs"][0]["concentration_ng_per_ml"],
        bridge_ng_per_day=own_dose or default_dose(running, model),
        bridge=finding.bridge,
        settings=(),
        errors=(*_library_problems(therapy.library, running), *finding.errors),
        warnings=tuple(finding.warnings),
        soft_limits=tuple(rules.step_limits(model, running)) if therapy.figures else (),
    )
    judged = replace(therapy, change=change)
    settings = tuple(compare(running, to_wire(judged)))
    large = [
        Problem(
            change.field,
            f"from {change.old} to {change.new} is more than twofold: it needs --confirm-large-change",
        )
        for change in settings
        if change.large
    ]
    warnings = (*change.warnings, *large, *_library_warnings(therapy.library, running))
    return replace(therapy, change=replace(change, settings=settings, warnings=warnings))


def _library_problems(mine: LibrarySection, running: Mapping[str, Any]) -> Iterator[Problem]:
    """The drug library in use must not be another one of the running program's version (HOST-05): the pump
    agrees."""
    for its in running["library"]:
        if mine.version == its["version"] and mine.digest != its["digest"]:
            yield Problem(
                "library",
                "the running program was made with another drug library of the same version, "
                f"{mine.version}; give the newer one a higher version and sign it again",
            )


def _library_warnings(mine: LibrarySection, running: Mapping[str, Any]) -> Iterator[Problem]:
    """An older library than the running program's needs the pump's button, and a look."""
    for its in running["library"]:
        if mine.version < its["version"]:
            yield Problem(
                "library",
                f"the drug library in use is version {mine.version}, older than {its['version']}, with which "
                "the running program was made: the pump wants its button pressed for that",
            )
