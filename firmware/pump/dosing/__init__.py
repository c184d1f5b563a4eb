"""The dosing core: pure arithmetic from (state, time) to motor steps. No I/O, no clock, no float."""
