"""Campaigns: many seeded simulations of one kind, each of which can be replayed alone (docs/campaigns.md).

A campaign is one module with one `CAMPAIGN` (`thecal.campaigns.base`), named here; imported only when asked
for. `runner` spreads its runs over the cores, `results` keeps them as Parquet.
"""

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
