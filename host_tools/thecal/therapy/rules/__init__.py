"""Rules that a therapy and single commands have to keep before anything is sent to a pump."""
