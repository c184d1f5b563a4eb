"""What a command does to a pump, without the command line: proposals, reviews, outcomes, words."""
