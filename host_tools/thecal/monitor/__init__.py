"""The live monitor: `thecal monitor` on a terminal. `look` asks the pump, `words` says it, `app` shows it.

Loading `app` loads Textual, so only the monitor does.
"""
