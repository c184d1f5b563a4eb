"""The report as one HTML file that needs nothing else: styles and plots are inside."""

from __future__ import annotations

import base64
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from thecal._io.shown import shown
from thecal.report.figures import svg
from thecal.report.summary import Report


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

    def figure(name: str) -> str:
        return base64.b64encode(svg(report, name)).decode()

    return environment.get_template("report.html.j2").render(report=report, figure=figure)


def _shown(value: Any) -> Any:
    return shown(value) if isinstance(value, str) else value
