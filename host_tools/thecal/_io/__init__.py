"""What thecal's modules share of files, folders and signals."""
