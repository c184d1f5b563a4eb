"""The firmware as it is booted and flashed: compiled, merged and minified for the chip, installed."""
