"""Units: quantities as people write them, exact numbers in wire units, and back into text."""
