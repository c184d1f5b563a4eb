"""The campaigns that there are, by name. Each is one module with one `CAMPAIGN`, imported when asked for."""

import importlib

from thecal.campaigns.base import Campaign
from thecal.errors import ThecalError

MODULES = {
    "faults": "thecal.campaigns.faults",
    "power-cuts": "thecal.campaigns.power_cuts",
}


def load(name: str) -> Campaign:
    """The campaign of this name. ThecalError when there is none."""
    module = MODULES.get(name)
    if module is None:
        raise ThecalError(
            f"there is no campaign {name!r}", f"the campaigns are: {', '.join(sorted(MODULES))}"
        )
    campaign = importlib.import_module(module).CAMPAIGN
    if not isinstance(campaign, Campaign):
        raise TypeError(f"{module}.CAMPAIGN is no Campaign")
    return campaign
