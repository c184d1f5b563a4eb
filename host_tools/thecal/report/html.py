"""The report as one HTML file that needs nothing else: styles and plots are inside."""

from __future__ import annotations

import base64
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from thecal._io.shown import shown
from thecal.report.figures import svg
from thecal.report.summary import NOT_A_DEVICE
from thecal.report.whole import Report


def html(report: Report) -> str:
    """The document. Everything in it is `shown`, then escaped."""
    environment = Environment(
        loader=PackageLoader("thecal.report", "."),
        autoescape=True,
        finalize=_shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    def figure(name: str, narrow: bool) -> str:
        return base64.b64encode(svg(report, name, narrow=narrow)).decode()

    template = environment.get_template("report.html.j2")
    return template.render(report=report, figure=figure, not_a_device=NOT_A_DEVICE)


def _shown(value: Any) -> Any:
    """Text from anywhere; what the template's own macros made of it has been through here already."""
    return shown(value) if isinstance(value, str) and not isinstance(value, Markup) else value
