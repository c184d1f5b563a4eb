"""thecal's host tools: emulate, simulate, check and program the open intrathecal infusion pump.

Not a medical device. The command line is a thin layer over these modules; see docs/ for both.
"""

__version__ = "0.1.0"
